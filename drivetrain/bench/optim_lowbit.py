"""A step of AdamW in few bits beside torch's fused float32 one and bitsandbytes' 8-bit one."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.peers import bitsandbytes
from drivetrain.optim import AdamW
from drivetrain.optim.memory import memory_report

ROWS, COLUMNS = 4096, 4096
LR, STEPS = 1e-3, 3
# Bytes a step moves for each parameter: reads of p, g, m and v and writes of p, m and v.
BF16_BYTES, CODED_BYTES = 14, 16.125
FORMATS: dict[str, tuple[torch.dtype, dict[str, Any]]] = {
    "fp32": (torch.float32, {}),
    "bf16 + stochastic rounding": (torch.bfloat16, {"stochastic_rounding": True}),
    "bf16 + Kahan": (torch.bfloat16, {"kahan": True}),
    "bf16 + master": (torch.bfloat16, {"master_weights": True}),
    "8-bit": (torch.float32, {"state_dtype": "8bit"}),
    "8-bit of bitsandbytes": (torch.float32, {"state_dtype": "8bit-bitsandbytes"}),
    "bf16 + stochastic rounding + 8-bit": (
        torch.bfloat16,
        {"stochastic_rounding": True, "state_dtype": "8bit"},
    ),
}


def cases() -> Iterator[Case]:
    """Yield the races, then trajectories and bytes of the formats."""
    yield _stochastic_race()
    yield _coded_race("8bit-bitsandbytes", "its own codes, looked up on its grid", same_codes)
    yield _coded_race("8bit", "the nearest codes", close)
    for name in FORMATS:
        if name != "fp32":
            yield _trajectory(name)
            yield _bytes(name)


def parameter(dtype: torch.dtype, rows: int = ROWS, columns: int = COLUMNS) -> torch.nn.Parameter:
    """Return the same parameter each time, with a gradient."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(rows, columns, generator=generator) * 0.02
    param = torch.nn.Parameter(values.to(dtype))
    param.grad = torch.randn(rows, columns, generator=generator).to(dtype)
    return param


def _contender(name: str, dtype: torch.dtype, make: Callable[..., Any]) -> Contender:
    param = parameter(dtype)
    optimizer = make([param], lr=LR)
    return Contender(name=name, run=optimizer.step, answer=partial(_after, optimizer, param))


def _after(optimizer: Any, param: Tensor) -> tuple[Tensor, dict[str, Any]]:
    for _ in range(STEPS):
        optimizer.step()
    return param.detach(), dict(optimizer.state[param])


def _stochastic_race() -> Race:
    def ours(params: list[Tensor], **options: Any) -> Any:
        return AdamW(params, stochastic_rounding=True, **options)

    return Race(
        name="bf16-stochastic-16.8M",
        what="AdamW step of 16.8M: all bfloat16, stochastic rounding, beside float32 fused",
        ours=_contender("drivetrain", torch.bfloat16, ours),
        peers=(
            lambda: _torch("torch fused, float32", torch.float32),
            lambda: _torch("torch fused, bfloat16", torch.bfloat16),
        ),
        equal=rounded,
        floor=1.0,
        aim=1.9,
        work=(BF16_BYTES * ROWS * COLUMNS, "B"),
    )


def _torch(name: str, dtype: torch.dtype) -> Contender:
    return _contender(name, dtype, partial(torch.optim.AdamW, fused=True))


def _coded_race(state_dtype: str, words: str, equal: Callable[[Any, Any], str]) -> Race:
    def ours(params: list[Tensor], **options: Any) -> Any:
        return AdamW(params, state_dtype=state_dtype, **options)

    said: list[str] = []

    def peer() -> Contender:
        def make(params: list[Tensor], **options: Any) -> Any:
            optimizer, overheard = bitsandbytes.adamw8bit(params, **options)
            said.append(overheard)
            return optimizer

        return _contender("bitsandbytes AdamW8bit", torch.float32, make)

    def judged(ours: Any, theirs: Any) -> str:
        warning = next(filter(None, said), "")
        return equal(ours, theirs) + (f"; it says: {warning}" if warning else "")

    return Race(
        name=f"{state_dtype}-16.8M",
        what=f"AdamW step of 16.8M with 8-bit states, the dynamic map, {words}",
        ours=_contender("drivetrain", torch.float32, ours),
        peers=(peer,),
        equal=judged,
        floor=5.0,
        aim=20.0,
        work=(CODED_BYTES * ROWS * COLUMNS, "B"),
        repeats=7,
    )


def rounded(ours: Any, theirs: Any) -> str:
    """Compare parameters of bfloat16 with another's: each rounding moves by less than a unit."""
    (p, _), (q, _) = ours, theirs
    p, q = p.float(), q.float()
    # Each of the steps rounds p by less than a unit of 2**-7 |p|, and the update by the half unit
    # of a bfloat16 gradient and of m and v: three times 2**-8, of at most some lr.
    bound = (STEPS + 1) * 2.0**-7 * q.abs() + STEPS * 4 * 2.0**-7 * LR
    over = int(((p - q).abs() > bound).sum())
    assert over == 0, f"{over} parameters are apart by more than {STEPS} roundings explain"
    return f"mean Δθ {float((p - q).mean()):.1e}, mean |Δθ| {float((p - q).abs().mean()):.1e}"


def same_codes(ours: Any, theirs: Any) -> str:
    """Compare codes and scales, which must be equal, and parameters."""
    (p, state), (q, other) = ours, theirs
    pairs = (
        ("exp_avg_codes", "state1"),
        ("exp_avg_sq_codes", "state2"),
        ("exp_avg_scales", "absmax1"),
        ("exp_avg_sq_scales", "absmax2"),
    )
    for mine, its in pairs:
        different = int((state[mine] != other[its]).sum())
        assert different == 0, f"{different} of {mine} differ"
    bound = STEPS * 2.0**-23 * (float(q.abs().max()) + 4 * LR)
    apart = float((p - q).abs().max())
    assert apart <= bound, f"max |Δθ| = {apart:.1e}, more than {bound:.1e}"
    return f"all codes and scales equal, max |Δθ| {apart:.1e}"


def close(ours: Any, theirs: Any) -> str:
    """Compare parameters of other codes: an update is off by what a code of m or v is."""
    (p, _), (q, _) = ours, theirs
    apart = float((p - q).abs().mean())
    assert apart < 0.1 * STEPS * LR, f"mean |Δθ| = {apart:.1e} after {STEPS} steps"
    return f"other codes: mean |Δθ| {apart:.1e} after {STEPS} steps of {LR:g}"


def _trajectory(name: str) -> Measure:
    return Measure(
        name=f"trajectory-{name.replace(' ', '-')}",
        what=f"{name}: error of the displacement after 50 steps on a least-squares problem",
        value=lambda: 100 * displacement_error(*FORMATS[name]),
        high=5.0,
        unit="%",
        detail=lambda: "|θ − θ of float32| / |θ of float32 − start|",
    )


def displacement_error(dtype: torch.dtype, options: dict[str, Any], *, steps: int = 50) -> float:
    """Return how far a run in a format ends from the float32 one, relative to the way it went."""
    ends = [_descend(torch.float32, {}, steps), _descend(dtype, options, steps)]
    start = _problem()[2]
    return float((ends[1] - ends[0]).norm() / (ends[0] - start).norm())


def _problem() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    # Features of sizes from 0.01 to 1, so that gradients of many magnitudes share a block.
    sizes = torch.logspace(-2, 0, 256)
    inputs = torch.randn(1024, 256, generator=generator) * sizes
    target = inputs @ torch.randn(256, 64, generator=generator)
    # The start is a number of bfloat16, for which no format loses anything.
    start = torch.randn(256, 64, generator=generator).bfloat16().float()
    return inputs, target, start


def _descend(dtype: torch.dtype, options: dict[str, Any], steps: int) -> Tensor:
    inputs, target, start = _problem()
    torch.manual_seed(0)
    weight = torch.nn.Parameter(start.to(dtype, copy=True))
    optimizer = AdamW([weight], lr=0.02, **options)
    for step in range(steps):
        batch = slice(step % 8 * 128, step % 8 * 128 + 128)
        optimizer.zero_grad()
        loss = ((inputs[batch] @ weight.float() - target[batch]) ** 2).mean()
        loss.backward()
        optimizer.step()
    return weight.detach().float()


def _bytes(name: str) -> Measure:
    def value() -> float:
        dtype, options = FORMATS[name]
        param = parameter(dtype, 1024, 1024)
        optimizer = AdamW([param], **options)
        optimizer.step()
        return memory_report([param], optimizer=optimizer).per_parameter["total"]

    return Measure(
        name=f"bytes-{name.replace(' ', '-')}",
        what=f"{name}: measured bytes for each parameter, with its gradient and states",
        value=value,
        # Besides, each tensor has a step counter and, with random rounding, a seed.
        high=16.0 + 16 / 1024**2,
        unit="B",
        detail=lambda: "float32: 16",
    )
