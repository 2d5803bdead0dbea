"""The same states as bitsandbytes' 8-bit AdamW, the same bits as torch's bfloat16 one."""

from typing import Any

import pytest
import torch

from drivetrain.optim import Adam, AdamW


def _run(make: Any, start: torch.Tensor, steps: int) -> tuple[torch.Tensor, dict[str, Any]]:
    weight = torch.nn.Parameter(start.clone())
    optimizer = make([weight])
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        noise = torch.randn(start.shape, generator=generator)
        # Heavy tails: numbers of many magnitudes share a block.
        size = torch.rand(start.shape, generator=generator) ** 4
        weight.grad = (noise * size).to(start.dtype)
        optimizer.step()
    return weight.detach(), optimizer.state[weight]


@pytest.mark.peer
def test_the_states_of_8_bits_are_those_of_bitsandbytes() -> None:
    peer = pytest.importorskip("bitsandbytes")
    start = torch.randn(20_011, generator=torch.Generator().manual_seed(0))
    options = {"lr": 0.01, "weight_decay": 0.1}
    ours, state = _run(lambda p: AdamW(p, state_dtype="8bit-bitsandbytes", **options), start, 30)
    theirs, other = _run(lambda p: peer.optim.AdamW8bit(p, **options), start, 30)
    # The moments are computed by the same operations, so no rounding differs and no code.
    assert torch.equal(state["exp_avg_codes"], other["state1"])
    assert torch.equal(state["exp_avg_sq_codes"], other["state2"])
    assert torch.equal(state["exp_avg_scales"], other["absmax1"])
    assert torch.equal(state["exp_avg_sq_scales"], other["absmax2"])
    # The parameter's quotient is folded into one division: two or three roundings of an update
    # of at most some lr, and one of p, 30 times.
    bound = 30 * (4 * 2**-24 * 0.1 + 2**-24 * theirs.abs())
    assert ((ours - theirs).abs() <= bound).all()


@pytest.mark.parametrize(
    "options",
    [{}, {"amsgrad": True}, {"maximize": True}, {"betas": (0.3, 0.9)}, {"weight_decay": 0.0}],
    ids=str,
)
@pytest.mark.parametrize("n", [7, 4096, 20_011])
def test_bfloat16_has_the_bits_of_torchs_single_tensor_step(n: int, options: Any) -> None:
    start = torch.randn(n, generator=torch.Generator().manual_seed(0)).bfloat16()
    options = {"lr": 0.01, "weight_decay": 0.1} | options
    ours, state = _run(lambda p: AdamW(p, **options), start, 100)
    theirs, other = _run(lambda p: torch.optim.AdamW(p, foreach=False, **options), start, 100)
    # Each operation is the same and rounds alike; torch's loops over the last few elements, which
    # fill no vector, are compiled without fused products and may differ by one unit there.
    whole = n - n % 32
    assert torch.equal(ours[:whole], theirs[:whole])
    for key in state:
        assert torch.equal(state[key].reshape(-1)[:whole], other[key].reshape(-1)[:whole])
    torch.testing.assert_close(ours, theirs, rtol=2**-6, atol=2**-9)


def test_bfloat16_with_l2_has_the_bits_of_torchs_too() -> None:
    start = torch.randn(8192, generator=torch.Generator().manual_seed(0)).bfloat16()
    options = {"lr": 0.01, "weight_decay": 0.1}
    ours, state = _run(lambda p: Adam(p, **options), start, 100)
    theirs, other = _run(lambda p: torch.optim.Adam(p, foreach=False, **options), start, 100)
    assert torch.equal(ours, theirs)
    assert torch.equal(state["exp_avg"], other["exp_avg"])


def test_bfloat16_runs_on_in_torch_with_the_same_bits() -> None:
    start = torch.randn(4096, generator=torch.Generator().manual_seed(0)).bfloat16()
    weight, same = (torch.nn.Parameter(start.clone()) for _ in range(2))
    ours, theirs = AdamW([weight]), torch.optim.AdamW([same], foreach=False)
    for step in range(20):
        generator = torch.Generator().manual_seed(step)
        weight.grad = torch.randn(4096, generator=generator).bfloat16()
        same.grad = weight.grad.clone()
        if step == 7:
            swapped = torch.optim.AdamW([weight], foreach=False)
            swapped.load_state_dict(ours.state_dict())
            ours = swapped
        elif step == 14:
            back = AdamW([weight])
            back.load_state_dict(ours.state_dict())
            ours = back
        ours.step()
        theirs.step()
    assert torch.equal(weight, same)
