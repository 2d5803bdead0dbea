"""A step in every format against the equations, and against itself in threads and pieces."""

from typing import Any

import numpy as np
import pytest
import torch

from drivetrain.optim import Adam, AdamW
from drivetrain.optim.lowbit import dequantize
from drivetrain.optim.reference import State, adamw_step

FORMATS: dict[str, tuple[torch.dtype, dict[str, Any]]] = {
    "bf16": (torch.bfloat16, {"state_dtype": "bf16"}),
    "bf16 sr": (torch.bfloat16, {"stochastic_rounding": True}),
    "bf16 kahan": (torch.bfloat16, {"kahan": True}),
    "bf16 master": (torch.bfloat16, {"master_weights": True}),
    "bf16 master bf16": (torch.bfloat16, {"master_weights": True, "state_dtype": "bf16"}),
    "fp16 master": (torch.float16, {"master_weights": True}),
    "fp16 bf16": (torch.float16, {"state_dtype": "bf16"}),
    "bf16 fp32": (torch.bfloat16, {"state_dtype": "fp32"}),
    "fp32 bf16": (torch.float32, {"state_dtype": "bf16"}),
    "fp32 8bit": (torch.float32, {"state_dtype": "8bit"}),
    "fp32 8bit grid": (torch.float32, {"state_dtype": "8bit-bitsandbytes"}),
    "bf16 sr 8bit": (torch.bfloat16, {"stochastic_rounding": True, "state_dtype": "8bit"}),
    "fp16 master 8bit": (torch.float16, {"master_weights": True, "state_dtype": "8bit"}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "decay": {"weight_decay": 0.3, "decay": "schedule"},
    "l2": {"weight_decay": 0.3, "decoupled_weight_decay": False},
    "maximize": {"maximize": True, "betas": (0.5, 0.9)},
}
# One rounding of p: to nearest half a unit, which is 2**-8 |p| in bfloat16 and 2**-11 |p| in
# float16; stochastically a whole one. Arithmetic in float32 adds some 2**-24 of the terms: 1e-6.
# Below 2**-14 the units of float16 are 2**-24 whatever the number.
ROUNDING = {torch.float32: 0.0, torch.float16: 2**-11, torch.bfloat16: 2**-8}


def _memory(param: torch.Tensor) -> np.ndarray:
    return param.detach().double().numpy().copy()


def _moments(state: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    if "exp_avg_codes" in state:
        m = dequantize(state["exp_avg_codes"], state["exp_avg_scales"], signed=True)
        v = dequantize(state["exp_avg_sq_codes"], state["exp_avg_sq_scales"], signed=False)
        return _memory(m), _memory(v)
    return _memory(state["exp_avg"]), _memory(state["exp_avg_sq"])


def _kept(param: torch.Tensor, state: dict[str, torch.Tensor]) -> np.ndarray:
    """Return the parameter with all that is kept of it."""
    if "master" in state:
        return _memory(state["master"])
    lost = state.get("compensation")
    return _memory(param) + (0 if lost is None else _memory(lost))


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("n", [1, 5003, 40_001])
def test_a_step_is_the_equations(name: str, n: int, options: dict[str, Any]) -> None:
    dtype, chosen = FORMATS[name]
    generator = torch.Generator().manual_seed(n)
    weight = torch.nn.Parameter(torch.randn(n, generator=generator).to(dtype))
    optimizer = AdamW([weight], lr=0.01, **(chosen | options))
    for _ in range(3):
        state = optimizer.state[weight]
        before = _kept(weight, state) if state else _memory(weight)
        m, v = _moments(state) if state else (0 * before, 0 * before)
        weight.grad = torch.randn(n, generator=generator).to(dtype)
        optimizer.step()
        state = optimizer.state[weight]
        t, g = int(state["step"]) - 1, _memory(weight.grad)
        words = {"decoupled_weight_decay": "decoupled"}
        plain = {words.get(key, key): value for key, value in options.items()}
        expected, after = adamw_step(before, g, State(t, m, v), lr=0.01, **plain)
        terms = np.abs(m) + np.abs(g) + np.abs(before)
        # Where g and λp cancel, what rounding leaves of them is divided by next to nothing.
        steep = 0.01 / (np.sqrt(after.v) + 1e-8)
        slack = 1e-6 * (np.abs(before) + np.abs(expected - before)) + steep * 2e-7 * terms
        _assert_parameter(weight, state, expected, slack, chosen)
        _assert_moments(state, after, 1e-6 * terms)


def _assert_parameter(
    weight: torch.Tensor, state: Any, expected: np.ndarray, slack: np.ndarray, chosen: Any
) -> None:
    unit = ROUNDING[weight.dtype] * (2 if chosen.get("stochastic_rounding") else 1)
    least = 2**-25 if weight.dtype == torch.float16 else 0.0
    assert (np.abs(_memory(weight) - expected) <= unit * np.abs(expected) + slack + least).all()
    if "master" in state or "compensation" in state:
        # A master loses nothing; parameter and compensation have 16 bits together.
        rest = 0.0 if "master" in state else 2**-16
        assert (np.abs(_kept(weight, state) - expected) <= rest * np.abs(expected) + slack).all()


def _assert_moments(state: Any, after: State, slack: np.ndarray) -> None:
    m, v = _moments(state)
    square = slack * (1 + np.abs(after.m))
    if "exp_avg_codes" not in state:
        unit = 2**-8 if state["exp_avg"].dtype == torch.bfloat16 else 0.0
        assert (np.abs(m - after.m) <= unit * np.abs(after.m) + slack).all()
        assert (np.abs(v - after.v) <= unit * after.v + square).all()
        return
    # Of m, half the widest cell is 0.9 / 64 / 2 of the scale; of v half of that, and a v below
    # the least positive code is lifted to it. Nearer to 0 the cells are finer.
    for found, true, width in ((m, after.m, 0.9 / 64), (v, after.v, 0.9 / 128)):
        blocks = np.array_split(np.arange(len(found)), range(256, len(found), 256))
        scale = np.concatenate([np.full(len(b), np.abs(true[b]).max()) for b in blocks])
        assert (np.abs(found - true) <= scale * width * 0.51 + square).all()
        fine = np.abs(true) < scale / 1000
        assert (np.abs(found - true) <= scale / 1000 * 0.1 + square)[fine].all()


@pytest.mark.parametrize("name", FORMATS)
def test_threads_give_the_same_bits(name: str) -> None:
    dtype, chosen = FORMATS[name]
    threads, found = torch.get_num_threads(), []
    start = torch.randn((1 << 21) + 77, generator=torch.Generator().manual_seed(0))
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            torch.manual_seed(1)
            weight = torch.nn.Parameter(start.to(dtype, copy=True))
            optimizer = AdamW([weight], **chosen)
            for _ in range(2):
                weight.grad = (start.flip(0) ** 3).to(dtype)
                optimizer.step()
            found.append([weight.detach(), *_tensors(optimizer, weight)])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def _tensors(optimizer: Adam, weight: torch.Tensor) -> list[torch.Tensor]:
    return [value for _, value in sorted(optimizer.state[weight].items())]


@pytest.mark.parametrize("name", FORMATS)
def test_a_poisoned_gradient_spoils_its_own_element_alone(name: str) -> None:
    dtype, chosen = FORMATS[name]
    found = []
    for poison in (False, True):
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 5001).to(dtype))
        optimizer = AdamW([weight], lr=0.01, **chosen)
        for _ in range(3):
            weight.grad = torch.randn(5001).to(dtype)
            # Small enough not to be a block's largest, whose scale would be another without it.
            weight.grad[[7, 8, 4999]] = 0
            if poison:
                weight.grad[[7, 8, 4999]] = torch.tensor(
                    [float("nan"), float("inf"), float("-inf")], dtype=dtype
                )
            optimizer.step()
        found.append(weight.detach())
    spoilt = found[1].isnan()
    assert spoilt.nonzero().flatten().tolist() == [7, 8, 4999]
    assert torch.equal(found[0][~spoilt], found[1][~spoilt])


def test_every_bfloat16_number_can_be_stepped() -> None:
    # All patterns as gradients, moments and parameters: NaN stays NaN, no number becomes one.
    patterns = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    for chosen in ({"stochastic_rounding": True}, {"state_dtype": "bf16"}):
        weight = torch.nn.Parameter(patterns.clone())
        optimizer = AdamW([weight], lr=0.0, weight_decay=0.0, **chosen)
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
        assert torch.equal(weight.isnan(), patterns.isnan())
        number = ~patterns.isnan()
        assert torch.equal(weight[number], patterns[number])
        weight.grad = patterns.clone()
        optimizer.step()
        gone = weight.isnan() & ~patterns.isnan()
        assert not (gone & patterns.isfinite()).any()


def test_an_unaligned_parameter_is_stepped_alike() -> None:
    # A view one element into a buffer: pairs of bfloat16 then lie across four-byte borders.
    found = []
    for offset in (0, 1):
        torch.manual_seed(0)
        values, grads = torch.randn(3001), torch.randn(3001)
        buffer = torch.zeros(3001 + offset, dtype=torch.bfloat16)
        weight = torch.nn.Parameter(buffer[offset:])
        with torch.no_grad():
            weight.copy_(values)
        weight.grad = torch.zeros_like(buffer)[offset:].copy_(grads)
        optimizer = AdamW([weight], stochastic_rounding=True)
        optimizer.step()
        found.append(weight.detach().clone())
    assert torch.equal(*found)


def test_clipping_and_skipping_see_gradients_of_any_format() -> None:
    for dtype, chosen in FORMATS.values():
        weight = torch.nn.Parameter(torch.zeros(5001, dtype=dtype))
        optimizer = AdamW([weight], max_grad_norm=1.0, skip_nonfinite=True, **chosen)
        weight.grad = torch.full_like(weight, 2.0)
        optimizer.step()
        assert optimizer.grad_norm == pytest.approx(2 * 5001**0.5, rel=1e-12)
        before = weight.detach().clone()
        weight.grad[4000] = float("nan")
        optimizer.step()
        assert optimizer.skipped_steps == 1 and torch.equal(before, weight)
