"""What every neighbour owes as a torch optimizer, and what it says to bad input."""

import copy
import io

import pytest
import torch
from torch import nn

from drivetrain.core.backend import use
from drivetrain.optim.neighbours import SGD, Adagrad, AdamWScheduleFree, Lion, NAdamW, RMSprop

KINDS = [SGD, Lion, AdamWScheduleFree, NAdamW, RMSprop, Adagrad]
every = pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])


def make(kind, params, **options) -> torch.optim.Optimizer:
    optimizer = kind(params, **options)
    if kind is AdamWScheduleFree:
        optimizer.train()
    return optimizer


def parameter(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    torch.manual_seed(0)
    p = nn.Parameter(torch.randn(shape, dtype=dtype))
    p.grad = torch.ones_like(p)
    return p


@every
def test_is_a_torch_optimizer_and_learns(kind) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    x = torch.randn(64, 8)
    y = x[:, :1] * 2 - x[:, 1:2]
    optimizer = make(kind, net.parameters(), lr=0.003)
    assert isinstance(optimizer, torch.optim.Optimizer)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        return loss

    first = float(closure().detach())
    for _ in range(80):
        last = float(optimizer.step(closure).detach())
    assert last < first


@every
def test_hooks_scheduler_and_named_parameters(kind) -> None:
    net = nn.Linear(3, 3)
    optimizer = make(kind, list(net.named_parameters()), lr=0.5)
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    schedule.step()
    assert calls == ["before", "after"]
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


@every
def test_parameter_without_gradient_is_left_alone(kind) -> None:
    p, q = parameter(4), parameter(4)
    q.grad = None
    before = q.detach().clone()
    optimizer = make(kind, [p, q], weight_decay=0.5)
    optimizer.step()
    assert torch.equal(q, before)
    assert not optimizer.state.get(q)


@every
def test_nothing_to_do_is_fine(kind) -> None:
    p = nn.Parameter(torch.ones(2))
    optimizer = make(kind, [p])
    optimizer.step()
    assert torch.equal(p.detach(), torch.ones(2))


@every
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_nonfinite_gradient_poisons_its_own_element_only(kind, bad: float) -> None:
    p, q = parameter(10), parameter(10)
    p.grad[3] = bad
    make(kind, [p]).step()
    make(kind, [q]).step()
    others = torch.arange(10) != 3
    assert torch.equal(p[others], q[others])
    if kind is not Lion:  # the sign of infinity is 1
        assert not p[3].isfinite()


@every
def test_skip_nonfinite_counts_and_leaves_everything(kind) -> None:
    p, q = parameter(10), parameter(10)
    optimizer = make(kind, [p, q], skip_nonfinite=True)
    optimizer.step()
    before = copy.deepcopy((optimizer.state_dict(), p.detach()))
    q.grad[0] = float("nan")
    optimizer.step()
    assert optimizer.skipped_steps == 1
    assert torch.equal(p, before[1])
    after = optimizer.state_dict()
    assert after["param_groups"] == before[0]["param_groups"]
    for index, state in before[0]["state"].items():
        for key, value in state.items():
            assert torch.equal(after["state"][index][key], value)


@every
def test_tensor_learning_rate_is_read_each_step(kind) -> None:
    lr = torch.tensor(0.5)
    p, q = parameter(4), parameter(4)
    a, b = make(kind, [p], lr=lr), make(kind, [q], lr=0.5)
    a.step()
    b.step()
    lr.fill_(0.125)
    b.param_groups[0]["lr"] = 0.125
    a.step()
    b.step()
    torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-6)


@every
def test_moved_memory_is_noticed(kind) -> None:
    p, q = parameter(50), parameter(50)
    a, b = make(kind, [p]), make(kind, [q])
    for step in range(4):
        a.step()
        b.step()
        p.data = p.data.clone()
        p.grad = p.grad.clone() * (step + 2)
        q.grad = p.grad.clone()
        a.load_state_dict(copy.deepcopy(a.state_dict()))
    assert torch.equal(p, q)


@every
def test_pickles_and_deep_copies(kind) -> None:
    p = parameter(6)
    optimizer = make(kind, [p], skip_nonfinite=True)
    optimizer.step()
    twin = copy.deepcopy(optimizer)
    other = twin.param_groups[0]["params"][0]
    other.grad = p.grad.clone()
    optimizer.step()
    twin.step()
    assert torch.equal(p, other)
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    optimizer.load_state_dict(torch.load(buffer))


@every
def test_autograd_sees_that_parameters_changed(kind) -> None:
    p = parameter(3)
    out = (p * p).sum()
    make(kind, [p]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


@every
def test_gradients_are_left_as_they_were(kind) -> None:
    p = parameter(2000)
    before = p.grad.clone()
    make(kind, [p], weight_decay=0.1).step()
    assert torch.equal(p.grad, before)


@every
def test_sizes_around_a_chunk(kind) -> None:
    sizes = (0, 1, 16383, 16384, 16385, 40000)
    parts = [parameter(size) for size in sizes]
    whole = nn.Parameter(torch.cat([p.detach() for p in parts]))
    whole.grad = torch.ones_like(whole)
    a, b = make(kind, parts), make(kind, [whole])
    for _ in range(2):
        a.step()
        b.step()
    assert torch.equal(torch.cat([p.detach() for p in parts]), whole.detach())


@every
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": -1.0}, ValueError, "lr must be >= 0. Got -1"),
        ({"lr": float("nan")}, ValueError, "lr must be >= 0"),
        ({"lr": "fast"}, TypeError, "lr must be a real number"),
        ({"lr": torch.ones(2)}, ValueError, "lr must have one element"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay must be >= 0"),
        ({"maximise": True}, TypeError, "Did you mean 'maximize'"),
    ],
)
def test_bad_options_are_named(kind, options, error, words) -> None:
    with pytest.raises(error, match=words):
        kind([parameter(2)], **options)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (SGD, {"momentum": -0.1}, "momentum must be >= 0"),
        (SGD, {"dampening": 1.5, "momentum": 0.9}, "dampening must be <= 1"),
        (SGD, {"nesterov": True}, "nesterov needs momentum > 0"),
        (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "nesterov needs"),
        (Lion, {"betas": (1.0, 0.9)}, r"betas\[0\] must be >= 0 and < 1"),
        (Lion, {"betas": (0.9,)}, "betas must be two numbers"),
        (Lion, {"betas": 0.9}, "betas must be two numbers"),
        (NAdamW, {"betas": (0.9, -0.1)}, r"betas\[1\]"),
        (NAdamW, {"eps": -1e-8}, "eps must be >= 0"),
        (NAdamW, {"momentum_decay": -1}, "momentum_decay must be >= 0"),
        (AdamWScheduleFree, {"betas": (0.0, 0.9)}, r"betas\[0\] must be > 0"),
        (AdamWScheduleFree, {"warmup_steps": -1}, "warmup_steps must be >= 0"),
        (RMSprop, {"alpha": 1.5}, "alpha must be >= 0 and <= 1"),
        (RMSprop, {"momentum": -1}, "momentum must be >= 0"),
        (Adagrad, {"lr_decay": -1}, "lr_decay must be >= 0"),
        (Adagrad, {"initial_accumulator_value": -1}, "initial_accumulator_value must be >= 0"),
    ],
)
def test_bad_options_of_one_are_named(kind, options, words) -> None:
    with pytest.raises(ValueError, match=words):
        kind([parameter(2)], **options)


@every
def test_bad_group_is_refused(kind) -> None:
    optimizer = make(kind, [parameter(2)])
    with pytest.raises(ValueError, match="lr must be >= 0"):
        optimizer.add_param_group({"params": [parameter(2)], "lr": -1})


@every
def test_parameters_given_twice_or_not_at_all(kind) -> None:
    p = parameter(2)
    with pytest.raises(ValueError, match=r"param_groups\[0\] has a parameter that is already"):
        kind([p, p])
    with pytest.raises(ValueError, match=r"param_groups\[1\] has a parameter that is already"):
        kind([{"params": [p]}, {"params": [p]}])
    with pytest.raises(ValueError, match="empty parameter list"):
        kind([])


@every
def test_sparse_gradient(kind) -> None:
    net = nn.Embedding(4, 2, sparse=True)
    net(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse"):
        make(kind, net.parameters()).step()


@every
def test_gradient_of_another_dtype(kind) -> None:
    p = parameter(3)
    optimizer = make(kind, [p])
    p.data = p.data.double()
    with pytest.raises(ValueError, match="dtype must be its parameter's: expected torch"):
        optimizer.step()


@every
def test_zero_elements(kind) -> None:
    p = parameter(0)
    make(kind, [p]).step()
    assert p.numel() == 0


@every
def test_negated_view_of_a_gradient(kind) -> None:
    p, q = parameter(4), parameter(4)
    z = torch.complex(torch.zeros(4), torch.arange(4.0))
    p.grad = z.conj().imag
    assert p.grad.is_neg()
    q.grad = -torch.arange(4.0)
    make(kind, [p]).step()
    make(kind, [q]).step()
    assert torch.equal(p, q)


def test_schedule_free_says_to_train_first() -> None:
    p = parameter(3)
    optimizer = AdamWScheduleFree([p])
    with pytest.raises(RuntimeError, match=r"call train\(\) on the optimizer before step"):
        optimizer.step()


def test_schedule_free_modes_are_idempotent() -> None:
    p = parameter(30)
    optimizer = make(AdamWScheduleFree, [p])
    optimizer.step()
    optimizer.eval()
    at_x = p.detach().clone()
    optimizer.eval()
    assert torch.equal(p, at_x)


@every
def test_a_plan_is_dropped_when_anything_changes(kind) -> None:
    # The same changes on one that plans and one that never does: torch's operations.
    def change(step: int, params: list[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        for i, p in enumerate(params):
            p.grad = torch.full_like(p, 0.1 * (i + 1) * (-1) ** step)
        group = optimizer.param_groups[0]
        if step == 3:
            params[0].grad = None
        if step == 4:
            params[1].data = params[1].data.clone()
        if step == 5:
            group["lr"] = 0.02
        if step == 6:
            params[2].grad = torch.ones(7, 6).mT[:, :7]
        if step == 7:
            fresh = nn.Parameter(torch.full((3,), 0.5))
            fresh.grad = torch.ones(3)
            params.append(fresh)
            optimizer.add_param_group({"params": [fresh], "weight_decay": 0.1})
            if kind is AdamWScheduleFree:
                optimizer.train()
        if step == 8 and kind is SGD:
            group["momentum"] = 0.9
        if step == 9:
            state = optimizer.state[params[2]]
            for key, value in state.items():
                state[key] = value.clone()
        if step == 10:
            group["maximize"] = True

    found = []
    for backend in ("numba", "torch"):
        torch.manual_seed(0)
        params = [nn.Parameter(torch.randn(*shape)) for shape in ((5,), (20000,), (6, 7))]
        optimizer = make(kind, params, lr=0.01)
        with use(backend):
            for step in range(13):
                change(step, params, optimizer)
                optimizer.step()
        found.append([p.detach() for p in params])
    for a, b in zip(*found, strict=True):
        # 13 steps of a few roundings of numbers of order 5.
        torch.testing.assert_close(a, b, rtol=0, atol=13 * 4 * 5 * 2.0**-23)


@every
def test_overlapping_parameters_are_refused(kind) -> None:
    memory = torch.zeros(10)
    p, q = nn.Parameter(memory[:6]), nn.Parameter(memory[4:])
    p.grad, q.grad = torch.ones(6), torch.ones(6)
    optimizer = make(kind, [{"params": [p]}, {"params": [q]}])
    with pytest.raises(ValueError, match=r"param_groups\[0\] and param_groups\[1\] share memory"):
        optimizer.step()
    assert not memory.any()
