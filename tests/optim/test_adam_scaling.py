"""Loss scales, clipping by global norm and the leaving out of non-finite steps, all in the step."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.backend import use
from drivetrain.optim import Adam, AdamW

P = torch.nn.Parameter
SHAPES = ((7, 5), (16384 + 9,), ())
# θ near 4, steps of 0.1: what eight sigma of a few float32 roundings come to.
CLOSE = {"rtol": 0, "atol": 8 * 4**0.5 * 2**-23 * 4}


def pair(cls=AdamW, dtype=torch.float32, scale=1.0, seed=0, **options):
    """Ours and torch's on equal parameters with equal gradients, multiplied by ``scale``."""
    generator = torch.Generator().manual_seed(seed)
    values = [torch.randn(s, generator=generator, dtype=dtype) for s in SHAPES]
    ours, theirs = ([P(v.clone()) for v in values] for _ in range(2))
    peer = getattr(torch.optim, cls.__name__)(theirs, lr=0.1, foreach=False)
    give(ours, theirs, generator, scale)
    return cls(ours, lr=0.1, **options), peer, ours, theirs, generator


def give(ours, theirs, generator, scale=1.0):
    for a, b in zip(ours, theirs):
        a.grad = torch.randn(a.shape, generator=generator, dtype=a.dtype) * scale
        b.grad = a.grad.clone()


@pytest.mark.parametrize("backend", ["numba", "torch", "reference"])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 1e9, math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_clipping_is_torchs(max_norm, backend, dtype):
    optimizer, peer, ours, theirs, generator = pair(dtype=dtype, max_grad_norm=max_norm)
    for _ in range(4):
        before = [p.grad.clone() for p in ours]
        norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm, foreach=False)
        with use(backend):
            optimizer.step()
        peer.step()
        # torch sums squares in float32 by pairs: some dozen roundings of the norm.
        assert optimizer.grad_norm == pytest.approx(float(norm), rel=16 * 2**-23)
        assert all(torch.equal(p.grad, g) for p, g in zip(ours, before))
        give(ours, theirs, generator)
    # A norm off by k roundings changes every gradient alike, which Adam's quotient cancels.
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, **CLOSE)


@given(scale=st.sampled_from([1.0, 2.0**10, 2.0**16, 3.0]), max_norm=st.floats(0.01, 200.0))
@settings(deadline=None, max_examples=25)
def test_unscale_and_clip_are_torchs_sequence(scale, max_norm):
    optimizer, peer, ours, theirs, generator = pair(scale=scale, max_grad_norm=max_norm)
    for _ in range(4):
        for p in theirs:
            p.grad /= scale
        torch.nn.utils.clip_grad_norm_(theirs, max_norm, foreach=False)
        optimizer.grad_scale = torch.tensor(scale)
        optimizer.step()
        peer.step()
        give(ours, theirs, generator, scale)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [(0, 3), (1, 16384), (1, 16392), (2, 0)])
@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_non_finite_step_is_left_out_and_counted(bad, where, clip, backend):
    optimizer, _, ours, _, _ = pair(skip_nonfinite=True, max_grad_norm=clip)
    with use(backend):
        optimizer.step()
        before = [p.detach().clone() for p in ours]
        moments = [entry["exp_avg"].clone() for entry in optimizer.state.values()]
        ours[where[0]].grad.reshape(-1)[where[1]] = bad
        optimizer.step()
        assert optimizer.skipped_steps == 1
        assert all(torch.equal(p, b) for p, b in zip(ours, before))
        kept = optimizer.state.values()
        assert all(torch.equal(entry["exp_avg"], m) for entry, m in zip(kept, moments))
        assert [int(entry["step"]) for entry in optimizer.state.values()] == [1, 1, 1]
        ours[where[0]].grad.reshape(-1)[where[1]] = 0.0
        optimizer.step()
    assert optimizer.skipped_steps == 1
    assert [int(entry["step"]) for entry in optimizer.state.values()] == [2, 2, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_but_finite_gradients_are_not_skipped(dtype):
    optimizer, _, ours, _, _ = pair(dtype=dtype, skip_nonfinite=True)
    huge = torch.finfo(dtype).max / 2
    for p in ours:
        p.grad.fill_(huge)
    optimizer.step()
    assert optimizer.skipped_steps == 0
    assert all(int(entry["step"]) == 1 for entry in optimizer.state.values())


def test_without_skipping_a_nan_norm_is_handed_on_as_torch_does():
    optimizer, peer, ours, theirs, _ = pair(max_grad_norm=1.0)
    for ps in (ours, theirs):
        ps[0].grad[0, 0] = math.nan
    torch.nn.utils.clip_grad_norm_(theirs, 1.0, foreach=False)
    optimizer.step()
    peer.step()
    assert all(torch.isnan(a).all() and torch.isnan(b).all() for a, b in zip(ours, theirs))


@pytest.mark.parametrize("cls", [Adam, AdamW])
def test_grad_scaler_hands_its_scale_to_the_step(cls):
    optimizer, peer, ours, theirs, generator = pair(cls)
    scalers = [torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=2) for _ in range(2)]
    for step in range(6):
        for ps, o, scaler in ((ours, optimizer, scalers[0]), (theirs, peer, scalers[1])):
            o.zero_grad()
            generator.manual_seed(step)
            loss = sum((p * torch.randn(p.shape, generator=generator)).sum() for p in ps)
            scaler.scale(loss * (math.inf if step == 3 else 1.0)).backward()
            scaler.step(o)
            scaler.update()
    assert scalers[0].get_scale() == scalers[1].get_scale()
    assert optimizer.skipped_steps == 1
    assert [int(optimizer.state[p]["step"]) for p in ours] == [5, 5, 5]
    assert "grad_scale" not in vars(optimizer)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, **CLOSE)


def test_unscaling_by_hand_before_the_step_is_respected():
    optimizer, peer, ours, theirs, generator = pair(max_grad_norm=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for _ in range(3):
        optimizer.zero_grad()
        weights = [torch.randn(p.shape, generator=generator) for p in ours]
        scaler.scale(sum((p * w).sum() for p, w in zip(ours, weights))).backward()
        scaler.unscale_(optimizer)
        for b, w in zip(theirs, weights):
            b.grad = w.clone()
        torch.nn.utils.clip_grad_norm_(theirs, 1.0, foreach=False)
        scaler.step(optimizer)
        scaler.update()
        peer.step()
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, **CLOSE)


def test_the_norm_is_that_of_all_groups_and_kinds_together():
    """Kernel-stepped, torch-stepped (a gap in the strides) and complex ones in one norm."""
    gap = P(torch.zeros(4, 2)[:, 0])
    ps = [P(torch.zeros(3)), gap, P(torch.zeros(2, dtype=torch.complex64))]
    optimizer = AdamW([{"params": [p]} for p in ps], max_grad_norm=1.0)
    for p in ps:
        p.grad = torch.full_like(p, 2.0)
    ps[2].grad = torch.full((2,), 3.0 + 4.0j)
    optimizer.step()
    assert optimizer.grad_norm == pytest.approx(math.sqrt(3 * 4 + 4 * 4 + 2 * 25), rel=1e-12)
