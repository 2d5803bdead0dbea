"""The functional face: lists of tensors in, stepped in place."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.optim import adamw_

SHAPES = ((5, 3), (17,), (), (0,))


def lists(dtype=torch.float64, seed=0, amsgrad=False):
    """params, grads, exp_avgs, exp_avg_sqs, steps (and the largest v so far) after seven steps."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: [torch.randn(s, generator=generator, dtype=dtype) for s in SHAPES]  # noqa: E731
    squares = lambda: [x.abs().to(dtype) for x in draw()]  # noqa: E731
    found = [draw(), draw(), draw(), squares(), [torch.tensor(7.0) for _ in SHAPES]]
    return [*found, squares()] if amsgrad else found


@given(
    seed=st.integers(0, 1000),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    backend=st.sampled_from(["numba", "torch", None]),
    decay=st.sampled_from(["lr", "schedule"]),
)
@settings(deadline=None, max_examples=40)
def test_backends_equal_the_reference(seed, flags, backend, decay):
    amsgrad, maximize, decoupled = flags
    answers = []
    for chosen in ("reference", backend):
        (*tensors,) = lists(seed=seed, amsgrad=amsgrad)
        extra = {"max_exp_avg_sqs": tensors.pop()} if amsgrad else {}
        adamw_(*tensors, backend=chosen, lr=0.1, weight_decay=0.2, maximize=maximize, decay=decay,
               initial_lr=0.2, decoupled_weight_decay=decoupled, **extra)  # fmt: skip
        answers.append([*tensors[0], *tensors[2], *tensors[3], *tensors[4]])
    for a, b in zip(*answers):
        # One step of some ten float64 roundings; a small v may magnify m by 1/√v, 1e3 here.
        torch.testing.assert_close(a, b, rtol=1e-11, atol=10 * 2**-52 * 1e3)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_equals_torchs_functional(dtype):
    from torch.optim.adamw import adamw

    ours, theirs = lists(dtype), lists(dtype)
    adamw_(*ours, lr=0.1)
    p, g, m, v, steps = theirs
    adamw(p, g, m, v, [], steps, foreach=False, amsgrad=False, beta1=0.9,
          beta2=0.999, lr=0.1, weight_decay=0.01, eps=1e-8, maximize=False)  # fmt: skip
    for one, other in zip(ours, theirs):
        for a, b in zip(one, other):
            # A complex v has an imaginary part of 0 and so one of β2·0 + (1 - β2)·g²; the rest
            # is one step of float32 roundings of numbers near 4.
            torch.testing.assert_close(a, b, rtol=8 * 2**-23, atol=8 * 2**-23 * 4)


def test_empty_lists_do_nothing():
    adamw_([], [], [], [], [])


def change(index, value):
    def apply(tensors):
        tensors[index][1] = value

    return apply


@pytest.mark.parametrize(
    ("spoil", "options", "error", "words"),
    [
        (lambda t: t[1].pop(), {}, ValueError, r"grads must be 4, one a parameter. Got 3."),
        (lambda t: t[2].pop(), {}, ValueError, r"exp_avg must be 4, one a parameter. Got 3."),
        (lambda t: t[4].pop(), {}, ValueError, r"state_steps must be 4, one a parameter. Got 3."),
        (change(4, torch.zeros(1)), {}, ValueError, r"0-d float32 .* shape \(1,\) at 1."),
        (change(4, torch.tensor(3)), {}, ValueError, r"0-d float32 .* Got torch.int64"),
        (change(2, torch.zeros(16)), {}, ValueError, r"exp_avg must be laid out as its parameter"),
        (change(3, torch.zeros(34)[::2].double()), {}, None, ""),
        (change(3, torch.zeros(34).double()[::2]), {}, ValueError, r"exp_avg_sq must be laid out"),
        (change(1, torch.zeros(17)), {}, ValueError, r"a gradient's dtype"),
        (change(1, torch.zeros(16).double()), {}, ValueError, r"a gradient's shape"),
        (lambda t: None, {"lr": -1.0}, ValueError, r"lr must be >= 0. Got -1."),
        (lambda t: None, {"rate": 1.0}, TypeError, r"Unknown option 'rate'"),
        (lambda t: None, {"backend": "nunba"}, ValueError, r"Did you mean 'numba'\?"),
        (lambda t: t[0].__setitem__(1, t[0][0].view(-1)[:17]), {}, ValueError, r"shape|laid out"),
    ],
)
def test_bad_lists(spoil, options, error, words):
    tensors = lists()
    spoil(tensors)
    if error is None:
        adamw_(*tensors, **options)
        return
    with pytest.raises(error, match=words):
        adamw_(*tensors, **options)


def test_parameters_that_share_memory():
    base = torch.zeros(6, dtype=torch.float64)
    p = [base[:4], base[2:]]
    other = [[torch.zeros(4, dtype=torch.float64) for _ in p] for _ in range(3)]
    with pytest.raises(ValueError, match="share memory"):
        adamw_(p, *other, [torch.zeros(()) for _ in p])
