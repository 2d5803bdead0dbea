"""The table of addresses: whatever moves, the step writes where the tensors are now."""

import gc
import threading
import time
import weakref

import pytest
import torch

from drivetrain.optim import SGD, AdamW, gather, handles
from drivetrain.optim.table import THREAD_WORK, chunks_of, in_threads

SHAPES = ((6, 4), (9,), (1,), ())


def pair():
    """Ours and torch's on equal parameters, three steps done."""
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(s, generator=generator) for s in SHAPES]
    sets = [[torch.nn.Parameter(v.clone()) for v in values] for _ in range(2)]
    optimizers = AdamW(sets[0], lr=0.1), torch.optim.AdamW(sets[1], lr=0.1, foreach=False)
    for _ in range(3):
        both_step(sets, optimizers, generator)
    return sets, optimizers, generator


def both_step(sets, optimizers, generator):
    for a, b in zip(*sets):
        a.grad = torch.randn(a.shape, generator=generator, dtype=a.dtype)
        b.grad = a.grad.clone()
    for optimizer in optimizers:
        optimizer.step()


def assert_equal(sets):
    for a, b in zip(*sets):
        # Ten steps of numbers near 2: a random walk of float32 roundings, 8 sigma of it.
        torch.testing.assert_close(a, b, rtol=0, atol=8 * 10**0.5 * 2**-23 * 2)


def data_moves(sets, optimizers):
    for ps in sets:
        ps[0].data = ps[0].data.clone()


def data_shrinks_in_place(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        ps[0].data = ps[0].data[:3]
        for key in ("exp_avg", "exp_avg_sq"):
            o.state[ps[0]][key] = o.state[ps[0]][key][:3]


def data_is_turned(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        ps[0].data = ps[0].data.t()
        for key in ("exp_avg", "exp_avg_sq"):
            o.state[ps[0]][key] = o.state[ps[0]][key].t()


def dtype_changes(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        ps[1].data = ps[1].data.double()
        for key in ("exp_avg", "exp_avg_sq"):
            o.state[ps[1]][key] = o.state[ps[1]][key].double()


def moment_is_replaced(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        o.state[ps[1]]["exp_avg"] = torch.ones_like(ps[1])


def moment_data_moves(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        o.state[ps[1]]["exp_avg_sq"].data = torch.ones_like(ps[1])


def step_is_replaced(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        o.state[ps[1]]["step"] = torch.tensor(50.0)


def state_is_cleared(sets, optimizers):
    for o in optimizers:
        o.state.clear()


def state_is_replaced(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        o.state[ps[0]] = {key: value.clone() for key, value in o.state[ps[0]].items()}


def state_is_loaded(sets, optimizers):
    for o in optimizers:
        o.load_state_dict(o.state_dict())


def group_grows(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        ps.append(torch.nn.Parameter(torch.ones(5)))
        o.add_param_group({"params": [ps[-1]], "lr": 0.5})


def group_list_is_edited(sets, optimizers):
    for _ps, o in zip(sets, optimizers):
        o.param_groups[0]["params"].pop()


def options_change(sets, optimizers):
    for o in optimizers:
        o.param_groups[0].update(lr=0.7, betas=(0.3, 0.4), weight_decay=0.3, maximize=True)


def amsgrad_is_turned_on(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        o.param_groups[0]["amsgrad"] = True
        for p in ps:
            o.state[p]["max_exp_avg_sq"] = torch.zeros_like(p)


def tensors_are_swapped(sets, optimizers):
    for ps, o in zip(sets, optimizers):
        other = torch.nn.Parameter(ps[0].detach() + 1)
        torch.utils.swap_tensors(ps[0], other)
        assert ps[0] in o.state


def is_frozen(sets, optimizers):
    for ps in sets:
        ps[0].requires_grad_(False)


MOVES = [
    data_moves, data_shrinks_in_place, data_is_turned, dtype_changes, moment_is_replaced,
    moment_data_moves, step_is_replaced, state_is_cleared, state_is_replaced, state_is_loaded,
    group_grows, group_list_is_edited, options_change, amsgrad_is_turned_on, tensors_are_swapped,
    is_frozen,
]  # fmt: skip


@pytest.mark.parametrize("without_c", [False, True])
@pytest.mark.parametrize("move", MOVES)
def test_follows_whatever_moves(move, without_c, monkeypatch):
    if without_c:
        monkeypatch.setattr("drivetrain.optim.seal.c_interface", lambda: None)
    sets, optimizers, generator = pair()
    for ps in sets:
        for p in ps:
            p.grad = None
    move(sets, optimizers)
    for _ in range(3):
        both_step(sets, optimizers, generator)
    assert_equal(sets)


def test_one_table_serves_as_long_as_nothing_changes_but_gradients():
    sets, optimizers, generator = pair()
    table = optimizers[0]._table
    assert table is not None and table.seal is not None
    for _ in range(3):
        optimizers[0].zero_grad(set_to_none=True)
        both_step(sets, optimizers, generator)
        assert optimizers[0]._table is table
    for p in sets[0]:
        p.grad = None
    both_step(sets, optimizers, generator)
    assert optimizers[0]._table is table
    assert_equal(sets)


def test_a_gradient_that_comes_or_goes_is_seen():
    sets, optimizers, generator = pair()
    for round_ in range(6):
        for a, b in zip(*sets):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        for ps in sets:
            ps[round_ % 4].grad = None
        for optimizer in optimizers:
            optimizer.step()
    assert_equal(sets)


def test_gradients_are_not_kept_alive():
    for shapes in ((3,), (4, 4)):
        # The transposed one goes by torch's operations or by a copy; neither may hold it.
        p = torch.nn.Parameter(torch.zeros(shapes))
        optimizer = AdamW([p])
        for _ in range(2):
            p.grad = torch.randn(shapes).t() if len(shapes) == 2 else torch.randn(shapes)
            optimizer.step()
        kept = weakref.ref(p.grad)
        p.grad = None
        gc.collect()
        assert kept() is None


def test_autograd_sees_the_write():
    p = torch.nn.Parameter(torch.ones(3))
    loss = (p * p).sum()
    p.grad = torch.ones(3)
    AdamW([p]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_c_interface_is_here():
    """Were it missing all else would pass, slowly: this machine's torch is known to have it."""
    abi = handles.c_interface()
    assert abi is not None and abi[0] >= object.__basicsize__


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([0], []),
        ([3], [(0, 0, 3)]),
        ([8], [(0, 0, 8)]),
        ([9, 0, 17], [(0, 0, 8), (0, 8, 1), (2, 0, 8), (2, 8, 8), (2, 16, 1)]),
    ],
)
def test_chunks_cover_every_element_once(lengths, expected):
    import numpy as np

    assert chunks_of(np.array(lengths, dtype=np.int64), 8).tolist() == [list(e) for e in expected]


@pytest.mark.parametrize(
    ("make", "dense"),
    [
        (lambda: torch.zeros(3, 4), True),
        (lambda: torch.zeros(3, 4).t(), True),
        (lambda: torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last), True),
        (lambda: torch.zeros(()), True),
        (lambda: torch.zeros(0, 3), True),
        (lambda: torch.zeros(3, 4)[:, ::2], False),
        (lambda: torch.zeros(3, 1).expand(3, 4), False),
        (lambda: torch.zeros(8)[::2], False),
        (lambda: torch.zeros(5, 1, 2).transpose(0, 1), True),
    ],
)
def test_density(make, dense):
    assert gather.is_dense(make()) is dense


@pytest.mark.parametrize("spoil", ["freed", "zeros"])
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("cls", [AdamW, SGD])
def test_a_gradient_without_memory_is_refused(cls, spoil, warm):
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = cls([p, torch.nn.Parameter(torch.ones(0))])
    if warm:
        p.grad = torch.ones(3)
        optimizer.step()
    p.grad = torch._efficientzerotensor(3) if spoil == "zeros" else torch.ones(3)
    if spoil == "freed":
        p.grad.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match=r"param_groups\[0\].* no memory"):
        optimizer.step()


def test_a_lazy_parameter_may_wait_for_its_first_forward():
    model = torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.LazyLinear(3)])
    optimizer = AdamW(model.parameters())
    for layer in (model[0], model[0], model[1]):
        layer(torch.ones(2, 3)).sum().backward()
        optimizer.step()
    assert optimizer.state[model[0].weight]["step"] == 3
    assert optimizer.state[model[1].weight]["step"] == 1


@pytest.mark.parametrize("default", ["meta", "cpu"])
def test_states_lie_where_the_parameters_do_whatever_the_default_device(default):
    handles.c_interface.cache_clear()
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    optimizer = AdamW([p], lr=0.1, weight_decay=0.0)
    with torch.device(default):
        optimizer.step()
        optimizer.step()
    assert p[0].item() == pytest.approx(0.8, abs=1e-6)
    assert {value.device.type for value in optimizer.state[p].values()} == {"cpu"}


def test_an_interrupt_waits_for_the_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    done = []

    def run(low, high):
        if low == 0:
            raise KeyboardInterrupt
        time.sleep(0.1)
        done.append((low, high))

    with pytest.raises(KeyboardInterrupt):
        in_threads(run, 9, 9 * THREAD_WORK)
    assert sorted(done) == [(3, 6), (6, 9)]


def test_without_threads_to_be_had_all_is_done(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []
    in_threads(lambda low, high: done.append((low, high)), 9, 9 * THREAD_WORK)
    assert sorted(done) == [(0, 3), (3, 6), (6, 9)]
