"""States of small parameters lie side by side, and are tensors of their own all the same."""

import copy

import torch

from drivetrain.core import checkpoint
from drivetrain.optim import Adam, AdamW

SHAPES = ((3, 5), (7,), (), (0, 2), (1 << 16,))


def stepped(cls=AdamW, dtype=torch.float32, **options):
    ps = [torch.nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in SHAPES]
    for p in ps:
        p.grad = torch.ones_like(p)
    optimizer = cls(ps, **options)
    optimizer.step()
    return optimizer, ps


def test_small_states_share_one_memory_and_large_ones_do_not():
    optimizer, ps = stepped(amsgrad=True)
    for key in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
        states = [optimizer.state[p][key] for p in ps]
        homes = [state.untyped_storage().data_ptr() for state in states]
        assert homes[0] == homes[1] == homes[2] and homes[4] != homes[0]
        assert all(s.shape == p.shape and s.stride() == p.stride() for s, p in zip(states, ps))
        # No line of 64 bytes holds two of them.
        assert len({state.data_ptr() // 64 for state in states[:3]}) == 3


def test_writing_one_leaves_its_neighbours():
    optimizer, ps = stepped(Adam, torch.complex128)
    before = copy.deepcopy(optimizer.state_dict()["state"])
    optimizer.state[ps[1]]["exp_avg"].fill_(9.0)
    after = optimizer.state_dict()["state"]
    for i in (0, 2):
        assert torch.equal(after[i]["exp_avg"], before[i]["exp_avg"])
    assert (after[1]["exp_avg"] == 9.0).all()


def test_they_can_be_stored_as_safetensors(tmp_path):
    optimizer, _ = stepped()
    kept = {
        f"{i}.{key}": value
        for i, entry in optimizer.state_dict()["state"].items()
        for key, value in entry.items()
    }
    checkpoint.save(tmp_path / "state", kept, {})
    loaded, _ = checkpoint.load(tmp_path / "state", "torch")
    assert all(torch.equal(loaded[name], value) for name, value in kept.items())


def test_a_later_group_gets_its_own():
    optimizer, _ = stepped()
    late = torch.nn.Parameter(torch.ones(4))
    late.grad = torch.ones(4)
    optimizer.add_param_group({"params": [late], "amsgrad": True})
    optimizer.step()
    assert optimizer.state[late]["step"] == 1 and "max_exp_avg_sq" in optimizer.state[late]
