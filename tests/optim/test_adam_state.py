"""State dictionaries: torch's layout, exchanged in the middle of a run, in both directions."""

import copy
import io
import pickle

import pytest
import torch

from drivetrain.optim import Adam, AdamW

TORCH_KEYS = {
    "lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "foreach", "capturable",
    "differentiable", "fused", "decoupled_weight_decay", "params",
}  # fmt: skip
SHAPES = ((13, 3), (7,), ())


def parameters(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in SHAPES]


def run(optimizer, steps, generator):
    for _ in range(steps):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        optimizer.step()
    return [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]


PAIRS = [(AdamW, torch.optim.AdamW), (Adam, torch.optim.Adam)]


@pytest.mark.parametrize(("ours", "peer"), PAIRS)
@pytest.mark.parametrize("options", [{}, {"amsgrad": True}, {"maximize": True}, {"fused": True}])
@pytest.mark.parametrize("order", ["torch, ours, torch", "ours, torch, ours"])
def test_swapped_in_mid_run_both_ways(ours, peer, options, order):
    """One unbroken run of torch's against one that changes hands after 5 and after 10 steps."""
    options = {"lr": 0.05, "weight_decay": 0.1, **options}
    whole = run(peer(parameters(), **options), 15, torch.Generator().manual_seed(1))
    generator, ps, state = torch.Generator().manual_seed(1), parameters(), None
    for word in order.split(", "):
        optimizer = (ours if word == "ours" else peer)(ps, **options)
        if state is not None:
            optimizer.load_state_dict(copy.deepcopy(state))
        broken = run(optimizer, 5, generator)
        state = optimizer.state_dict()
    # 15 steps of some ten float64 roundings each, of numbers below 4.
    for a, b in zip(whole, broken):
        torch.testing.assert_close(a, b, rtol=0, atol=15 * 10 * 2**-52 * 4)
    assert int(state["state"][0]["step"]) == 15


@pytest.mark.parametrize(("ours", "peer"), PAIRS)
def test_layout_is_torchs(ours, peer):
    a, b = ours(parameters(), amsgrad=True), peer(parameters(), amsgrad=True)
    for optimizer in (a, b):
        run(optimizer, 1, torch.Generator())
    mine, theirs = a.state_dict(), b.state_dict()
    assert mine["state"].keys() == theirs["state"].keys()
    for i in mine["state"]:
        assert list(mine["state"][i]) == list(theirs["state"][i])
        step = mine["state"][i]["step"]
        assert step.shape == () and step.dtype == torch.float32
    assert mine["param_groups"][0].keys() >= TORCH_KEYS
    assert theirs["param_groups"][0].keys() == TORCH_KEYS
    assert theirs["param_groups"][0]["params"] == mine["param_groups"][0]["params"]


def test_torchs_group_keys_survive_a_round_trip():
    options = {
        "lr": 0.03,
        "betas": (0.8, 0.95),
        "eps": 1e-6,
        "weight_decay": 0.2,
        "maximize": True,
        "foreach": True,
    }
    first = torch.optim.AdamW(parameters(), **options)
    run(first, 2, torch.Generator())
    middle = AdamW(parameters())
    middle.load_state_dict(first.state_dict())
    last = torch.optim.AdamW(parameters())
    last.load_state_dict(middle.state_dict())
    for key in TORCH_KEYS - {"params"}:
        assert last.param_groups[0][key] == first.param_groups[0][key], key


def test_a_foreign_state_leaves_our_own_options_as_they_were():
    foreign = torch.optim.Adam(parameters())
    run(foreign, 1, torch.Generator())
    ours = AdamW(parameters(), decay="schedule")
    ours.load_state_dict(foreign.state_dict())
    assert ours.param_groups[0]["decay"] == "schedule"
    assert ours.param_groups[0]["decoupled_weight_decay"]


@pytest.mark.parametrize("step", [7, 7.0, torch.tensor(7), torch.tensor(7.0, dtype=torch.float64)])
def test_an_old_step_loads(step):
    source = torch.optim.AdamW(parameters(), foreach=False)
    generator = torch.Generator().manual_seed(3)
    run(source, 7, generator)
    state = copy.deepcopy(source.state_dict())
    for entry in state["state"].values():
        entry["step"] = step
    ps = [torch.nn.Parameter(p.detach().clone()) for p in source.param_groups[0]["params"]]
    ours = AdamW(ps)
    ours.load_state_dict(state)
    after = copy.deepcopy(generator.get_state())
    expected = run(source, 1, generator)
    generator.set_state(after)
    for a, b in zip(run(ours, 1, generator), expected):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-15)
    kept = ours.state[ps[0]]["step"]
    assert kept.dtype == torch.float32 and kept.item() == 8


def test_every_parameter_has_a_step_of_its_own():
    optimizer = AdamW(parameters())
    run(optimizer, 3, torch.Generator())
    steps = [entry["step"] for entry in optimizer.state.values()]
    steps[0].fill_(100)
    assert [int(step) for step in steps] == [100, 3, 3]
    run(optimizer, 1, torch.Generator())
    assert [int(step) for step in steps] == [101, 4, 4]


@pytest.mark.parametrize("through", ["pickle", "deepcopy", "torch.save"])
def test_copies_go_on_alike(through):
    optimizer = AdamW(parameters(), max_grad_norm=2.0, skip_nonfinite=True)
    generator = torch.Generator().manual_seed(4)
    run(optimizer, 2, generator)
    if through == "pickle":
        twin = pickle.loads(pickle.dumps(optimizer))
    elif through == "deepcopy":
        twin = copy.deepcopy(optimizer)
    else:
        file = io.BytesIO()
        torch.save(optimizer.state_dict(), file)
        file.seek(0)
        ps = [p.detach().clone() for p in optimizer.param_groups[0]["params"]]
        twin = AdamW([torch.nn.Parameter(p) for p in ps], max_grad_norm=2.0, skip_nonfinite=True)
        twin.load_state_dict(torch.load(file, weights_only=True))
    assert (twin.max_grad_norm, twin.skip_nonfinite) == (2.0, True)
    state = generator.get_state()
    ours = run(optimizer, 2, generator)
    generator.set_state(state)
    assert all(torch.equal(a, b) for a, b in zip(ours, run(twin, 2, generator)))


def test_moments_of_another_dtype_are_brought_over():
    source = torch.optim.AdamW(parameters(dtype=torch.float64))
    run(source, 3, torch.Generator())
    ours = AdamW(parameters(dtype=torch.float32))
    ours.load_state_dict(source.state_dict())
    run(ours, 1, torch.Generator())
    assert all(entry["exp_avg"].dtype == torch.float32 for entry in ours.state.values())


def test_a_state_of_other_shapes_is_refused():
    source = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))])
    run(source, 1, torch.Generator())
    p = torch.nn.Parameter(torch.zeros(4))
    ours = AdamW([p])
    ours.load_state_dict(source.state_dict())
    p.grad = torch.ones(4)
    with pytest.raises(ValueError, match=r"state 'exp_avg' must have its parameter's shape \(4,\)"):
        ours.step()


def test_hooks_run_around_step_and_state_dict():
    optimizer, seen = AdamW(parameters()), []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.register_state_dict_pre_hook(lambda _: seen.append("saving"))
    optimizer.register_load_state_dict_post_hook(lambda _: seen.append("loaded"))
    run(optimizer, 1, torch.Generator())
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["before", "after", "saving", "loaded"]


def test_names_of_parameters_are_kept():
    model = torch.nn.Linear(2, 2)
    optimizer = AdamW(model.named_parameters())
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
