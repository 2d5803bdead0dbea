"""Parity with torch's own Adam and AdamW, flag by flag and over a thousand steps."""

import itertools

import pytest
import torch

from drivetrain.optim import Adam, AdamW

SHAPES = ((33, 7), (5,), (), (1, 1), (16384 + 3,), (0,))
REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}


def twins(dtype=torch.float32, shapes=SHAPES, seed=0):
    """Two equal sets of parameters."""
    generator = torch.Generator().manual_seed(seed)
    values = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    return tuple([torch.nn.Parameter(value.clone()) for value in values] for _ in range(2))


def give_gradients(ours, theirs, generator):
    """The same gradients to both, in new memory as after ``zero_grad(set_to_none=True)``."""
    for a, b in zip(ours, theirs):
        a.grad = torch.randn(a.shape, generator=generator, dtype=a.dtype)
        b.grad = a.grad.clone()


def assert_close(ours, theirs, *, steps, lr):
    """Both round θ each step, and θ's update is some 4 roundings of a quotient <= 1 (torch's
    root is within an ulp, ours exact): the errors add as a random walk, of which 8 sigma.
    """
    for a, b in zip(ours, theirs):
        eps = torch.finfo(a.dtype).eps
        size = float(b.detach().abs().max()) if b.numel() else 0.0
        bound = 8 * steps**0.5 * eps * (size + 4 * lr)
        assert float((a - b).detach().abs().max() if b.numel() else 0.0) <= bound


FLAGS = list(itertools.product((False, True), repeat=3))


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
@pytest.mark.parametrize(("amsgrad", "maximize", "decoupled"), FLAGS)
def test_every_flag_against_torch(dtype, amsgrad, maximize, decoupled):
    ours, theirs = twins(dtype)
    cls, peer = (AdamW, torch.optim.AdamW) if decoupled else (Adam, torch.optim.Adam)
    options = {"lr": 0.01, "weight_decay": 0.1, "amsgrad": amsgrad, "maximize": maximize}
    a, b = cls(ours, **options), peer(theirs, foreach=False, **options)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        give_gradients(ours, theirs, generator)
        a.step()
        b.step()
    assert_close(ours, theirs, steps=20, lr=0.01)
    for p, q in zip(ours, theirs):
        mine, other = a.state[p], b.state[q]
        assert mine.keys() == other.keys()
        assert mine["step"] == other["step"] == 20
        for key in mine:
            assert mine[key].dtype == other[key].dtype and mine[key].shape == other[key].shape


@pytest.mark.peer
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.4, 0.5), (0.0, 0.0), (0.5, 0.99)])
@pytest.mark.parametrize("eps", [1e-8, 0.1, 0.0])
def test_betas_and_eps_against_torch(betas, eps):
    ours, theirs = twins()
    a = AdamW(ours, lr=0.01, betas=betas, eps=eps)
    b = torch.optim.AdamW(theirs, lr=0.01, betas=betas, eps=eps, foreach=False)
    generator = torch.Generator().manual_seed(2)
    for _ in range(10):
        give_gradients(ours, theirs, generator)
        a.step()
        b.step()
    # Without momentum the quotient g/(|g| + ε) is still <= 1, but β2 < β1² lets it reach
    # 1/√(1-β2) <= 1.5 here; the bound's factor of 4 covers it.
    assert_close(ours, theirs, steps=10, lr=0.01)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("decoupled", [False, True])
def test_a_thousand_steps_stay_within_ulps_of_torch(dtype, foreach, decoupled):
    ours, theirs = twins(dtype, ((257,), (8, 8)))
    cls, peer = (AdamW, torch.optim.AdamW) if decoupled else (Adam, torch.optim.Adam)
    a = cls(ours, lr=1e-3, weight_decay=0.01)
    b = peer(theirs, lr=1e-3, weight_decay=0.01, foreach=foreach)
    generator = torch.Generator().manual_seed(3)
    for _ in range(1000):
        give_gradients(ours, theirs, generator)
        a.step()
        b.step()
    assert_close(ours, theirs, steps=1000, lr=1e-3)


@pytest.mark.peer
def test_groups_with_their_own_options_and_steps():
    ours, theirs = twins(shapes=((6,), (7,), (8,)))

    def groups(ps):
        return [
            {"params": ps[:1], "lr": 0.1, "weight_decay": 0.0},
            {"params": ps[1:2], "betas": (0.5, 0.9), "maximize": True},
            {"params": ps[2:], "eps": 1e-3, "amsgrad": True},
        ]

    a, b = AdamW(groups(ours)), torch.optim.AdamW(groups(theirs), foreach=False)
    generator = torch.Generator().manual_seed(4)
    for step in range(12):
        give_gradients(ours, theirs, generator)
        if step % 3:
            # A parameter left out: its step stands still and it does not decay.
            ours[1].grad = theirs[1].grad = None
        a.step()
        b.step()
    assert_close(ours, theirs, steps=12, lr=0.1)
    assert [int(a.state[p]["step"]) for p in ours] == [12, 4, 12]


@pytest.mark.peer
def test_mixed_dtypes_in_one_optimizer():
    sets = [
        twins(dtype, ((9,), (3, 4))) for dtype in (torch.float32, torch.float64, torch.complex64)
    ]
    ours = [p for pair in sets for p in pair[0]]
    theirs = [p for pair in sets for p in pair[1]]
    a, b = AdamW(ours, lr=0.01), torch.optim.AdamW(theirs, lr=0.01, foreach=False)
    generator = torch.Generator().manual_seed(5)
    for _ in range(10):
        give_gradients(ours, theirs, generator)
        a.step()
        b.step()
    assert_close(ours, theirs, steps=10, lr=0.01)
    assert len(a._table.launches) == 3


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_dtypes_step_as_torch_does(dtype):
    ours, theirs = twins(dtype, ((40,),))
    a, b = (
        AdamW(ours, lr=0.01, eps=1e-3),  # 1e-8 is 0 in float16
        torch.optim.AdamW(theirs, lr=0.01, eps=1e-3, foreach=False),
    )
    generator = torch.Generator().manual_seed(6)
    for _ in range(10):
        give_gradients(ours, theirs, generator)
        a.step()
        b.step()
    assert_close(ours, theirs, steps=10, lr=0.01)


@pytest.mark.peer
def test_schedulers_drive_it():
    ours, theirs = twins(shapes=((11,),))
    a, b = AdamW(ours, lr=0.1), torch.optim.AdamW(theirs, lr=0.1, foreach=False)
    schedules = [torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.2, total_steps=20) for o in (a, b)]
    generator = torch.Generator().manual_seed(7)
    for _ in range(20):
        give_gradients(ours, theirs, generator)
        for optimizer, schedule in zip((a, b), schedules):
            optimizer.step()
            if schedule.last_epoch < 19:
                schedule.step()
    assert_close(ours, theirs, steps=20, lr=0.2)


@pytest.mark.peer
def test_a_thread_more_changes_no_bit():
    from drivetrain.optim import table

    shape = ((2 * table.THREAD_WORK + 12345,), (77,))
    begin, results = twins(shapes=shape)[0], []
    gradients = [torch.randn_like(p) for p in begin]
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            ps = [torch.nn.Parameter(p.detach().clone()) for p in begin]
            optimizer = AdamW(ps, lr=0.1, max_grad_norm=1.0)
            for _ in range(3):
                for p, g in zip(ps, gradients):
                    p.grad = g
                optimizer.step()
            results.append([p.detach() for p in ps])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(x, y) for x, y in zip(results[0], other))
