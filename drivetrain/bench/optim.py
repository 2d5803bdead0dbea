"""A step of AdamW beside torch's three, from one big tensor to thousands of tiny ones."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.optim import AdamW

Shapes = list[tuple[int, ...]]
Before = Callable[[list[torch.nn.Parameter]], None]
BIG: Shapes = [(4096, 4096)]
SMALL: Shapes = [(64, 64)] * 500
TINY: Shapes = [(64,)] * 2000
_BLOCK: Shapes = [(512, 1536), (512, 512), (512, 2048), (2048, 512)]
_BLOCK += [(512,), (512,), (1536,), (2048,)]
GPT2: Shapes = _BLOCK * 8
LR, SCALE, MAX_NORM, STEPS = 1e-3, 1024.0, 1.0, 3
# 256 MB of floats, several times the largest caches there are.
SWEPT = 1 << 26
# Read p, g, m and v, write p, m and v.
BYTES = 28
PEERS: dict[str, dict[str, Any]] = {
    "torch fused": {"fused": True},
    "torch foreach": {"foreach": True},
    "torch": {"foreach": False},
}
SETS = {
    "one-16.8M": ("one tensor of 16.8M", BIG, 1.1, 1.5),
    "small-500": ("500 tensors of 64x64", SMALL, 2.5, 4.0),
    "tiny-2000": ("2000 tensors of 64", TINY, 6.0, 20.0),
    "gpt2-25M": ("64 tensors of a GPT-2's shapes, 25M in all", GPT2, 1.0, 1.1),
}


def cases() -> Iterator[Case]:
    """Yield the four sets, new gradients, cold caches, the training sequence, the bandwidth."""
    for name, (what, shapes, floor, aim) in SETS.items():
        yield _race(f"adamw-{name}", f"AdamW step, {what}", shapes, floor=floor, aim=aim)
    yield _race(
        "adamw-tiny-2000-new-grads",
        "the same, gradients newly allocated before each step, as zero_grad leaves them",
        TINY,
        before=renew,
    )
    for name in ("small-500", "tiny-2000"):
        yield _race(
            f"adamw-{name}-cold",
            "the same with nothing in the caches, as after a long backward pass",
            SETS[name][1],
            before=sweep,
        )
    for name in ("one-16.8M", "tiny-2000", "gpt2-25M"):
        yield _sequence(f"adamw-clip-{name}", *SETS[name][:2])
    yield Measure(
        name="adamw-bandwidth",
        what="bytes a second of the 16.8M step, as a share of x.mul_(c) over as much memory",
        value=bandwidth_share,
        low=0.9,
        aim=1.0,
        detail=lambda: "28 bytes a parameter; one run, interleaved",
    )


def parameters(shapes: Shapes, *, scale: float = 1.0) -> list[torch.nn.Parameter]:
    """Return the same parameters each time, with gradients multiplied by ``scale``."""
    generator = torch.Generator().manual_seed(0)
    made = [torch.nn.Parameter(torch.randn(s, generator=generator) * 0.02) for s in shapes]
    for param in made:
        param.grad = torch.randn(param.shape, generator=generator) * scale
    return made


def renew(params: list[torch.nn.Parameter]) -> None:
    """Give every parameter an equal gradient in new memory, the old ones freed first."""
    old = [param.grad for param in params]
    for param in params:
        param.grad = None
    for param, grad in zip(params, old):
        param.grad = grad.clone() if grad is not None else None


def sweep(params: list[torch.nn.Parameter]) -> None:
    """Push everything out of the caches by writing more than they hold."""
    torch.ones(SWEPT)


def _contender(
    name: str, shapes: Shapes, make: Callable[..., Optimizer], before: Before | None
) -> Contender:
    params = parameters(shapes)
    optimizer = make(params, lr=LR)
    return Contender(
        name=name,
        run=optimizer.step,
        answer=partial(_after, optimizer.step, params),
        setup=partial(before, params) if before else None,
    )


def _after(step: Callable[[], Any], params: list[torch.nn.Parameter]) -> Tensor:
    for _ in range(STEPS):
        step()
    return torch.cat([param.detach().reshape(-1) for param in params])


def same(ours: Tensor, theirs: Tensor, *, norm_error: float = 0.0) -> str:
    """Say how far two sets of parameters are apart; refuse more than float32 explains."""
    # Each step rounds θ once and its update, lr times a quotient near 1, some four times. An
    # error of the norm scales every gradient, which moves the quotient by no more than itself.
    bound = STEPS * (2.0**-23 * (float(theirs.abs().max()) + 4 * LR) + norm_error * LR)
    apart = float((ours - theirs).abs().max())
    assert apart <= bound, f"after {STEPS} steps max |Δθ| = {apart:.1e}, more than {bound:.1e}"
    return f"max |Δθ| {apart:.1e} after {STEPS} steps"


def _race(
    name: str,
    what: str,
    shapes: Shapes,
    *,
    floor: float | None = None,
    aim: float | None = None,
    before: Before | None = None,
) -> Race:
    count = sum(torch.Size(shape).numel() for shape in shapes)
    return Race(
        name=name,
        what=what,
        ours=_contender("drivetrain", shapes, AdamW, before),
        peers=tuple(_torch(peer, shapes, before) for peer in PEERS),
        equal=same,
        floor=floor,
        aim=aim,
        work=(BYTES * count, "B"),
    )


def _torch(name: str, shapes: Shapes, before: Before | None) -> Callable[[], Contender]:
    return lambda: _contender(name, shapes, partial(torch.optim.AdamW, **PEERS[name]), before)


def _sequence(name: str, what: str, shapes: Shapes) -> Race:
    count = sum(torch.Size(shape).numel() for shape in shapes)
    return Race(
        name=name,
        what=f"unscale, clip by the global norm, leave out if not finite, step: {what}",
        ours=_ours_in_sequence(shapes),
        peers=(
            lambda: _torch_in_sequence("torch, fused step", shapes, fused=True),
            lambda: _torch_in_sequence("torch, foreach step", shapes, foreach=True),
        ),
        equal=partial(same_clipped, shapes),
        floor=1.5,
        aim=3.0,
        work=((BYTES + 4) * count, "B"),
    )


def same_clipped(shapes: Shapes, ours: Tensor, theirs: Tensor) -> str:
    """Say the same after clipping: torch sums the squares in float32, ours in float64."""
    grads = [param.grad for param in parameters(shapes) if param.grad is not None]
    exact = float(sum(grad.double().square().sum() for grad in grads)) ** 0.5
    error = abs(float(torch.nn.utils.get_total_norm(grads)) / exact - 1)
    return f"{same(ours, theirs, norm_error=error)}; torch's norm is off by {error:.0e}"


def _ours_in_sequence(shapes: Shapes) -> Contender:
    params = parameters(shapes, scale=SCALE)
    optimizer = AdamW(params, lr=LR, max_grad_norm=MAX_NORM, skip_nonfinite=True)
    # What GradScaler sets for optimizers that unscale by themselves.
    optimizer.grad_scale = torch.tensor(SCALE)  # type: ignore[attr-defined]
    return Contender(
        name="drivetrain",
        run=optimizer.step,
        answer=partial(_after, optimizer.step, params),
        # Ours leaves gradients as they are, but both shall find them freshly written.
        setup=_restoring(params),
    )


def _restoring(params: list[torch.nn.Parameter]) -> Callable[[], None]:
    given = [param.grad.clone() for param in params if param.grad is not None]

    def restore() -> None:
        for param, grad in zip(params, given):
            if param.grad is not None:
                param.grad.copy_(grad)

    return restore


def _torch_in_sequence(name: str, shapes: Shapes, **options: Any) -> Contender:
    params = parameters(shapes, scale=SCALE)
    optimizer = torch.optim.AdamW(params, lr=LR, **options)
    restore = _restoring(params)
    found, inverse = torch.zeros(()), torch.tensor(1 / SCALE)

    def run() -> None:
        # GradScaler's unscale_ and its verdict, without its bookkeeping of growth.
        grads = [param.grad for param in params if param.grad is not None]
        torch._amp_foreach_non_finite_check_and_unscale_(grads, found, inverse)
        torch.nn.utils.clip_grad_norm_(params, MAX_NORM)
        if not found.item():
            optimizer.step()

    def step() -> None:
        restore()
        run()

    return Contender(name=name, run=run, answer=partial(_after, step, params), setup=restore)


def bandwidth_share(rounds: int = 15) -> float:
    """Return our bytes a second on one big tensor over those of an in-place product."""
    params = parameters(BIG)
    # As much memory as p, g, m and v, or a good part of it would stay in the caches.
    optimizer, stream = AdamW(params, lr=LR), torch.ones(4, *BIG[0])
    calls: dict[int, Callable[[], Any]] = {BYTES: optimizer.step, 32: partial(stream.mul_, 1.0)}
    rates: dict[int, list[float]] = {size: [] for size in calls}
    for number in range(rounds + 2):
        for size, call in calls.items():
            began = time.perf_counter()
            call()
            if number >= 2:
                rates[size].append(size / (time.perf_counter() - began))
    ours, theirs = map(statistics.median, rates.values())
    return ours / theirs
