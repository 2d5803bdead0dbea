"""Optimizer states on disk: bits kept, damage told, low precision taken out."""

from pathlib import Path

import pytest
import torch

from drivetrain.core.checkpoint import save
from drivetrain.core.errors import CheckpointError
from drivetrain.optim import SGD, AdamW, AdamWScheduleFree, NAdamW
from drivetrain.optim.saved import load_state, plain_state, save_state


def trained(kind, dtype: torch.dtype = torch.float32, steps: int = 3, **options):
    torch.manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(n, dtype=dtype)) for n in (5000, 7)]
    optimizer = kind(params, **options)
    if kind is AdamWScheduleFree:
        optimizer.train()
    advance(optimizer, steps)
    return optimizer


def advance(optimizer: torch.optim.Optimizer, steps: int, seed: int = 1) -> None:
    random = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in params_of(optimizer):
            p.grad = torch.randn(p.shape, generator=random).to(p.dtype)
        optimizer.step()


def params_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


KINDS = [
    (AdamW, torch.float32, {}),
    (AdamW, torch.float32, {"state_dtype": "8bit", "lr": torch.tensor(0.01)}),
    (AdamW, torch.bfloat16, {"stochastic_rounding": True}),
    (AdamW, torch.bfloat16, {"master_weights": True}),
    (SGD, torch.float32, {"momentum": 0.9}),
    (NAdamW, torch.float64, {}),
    (AdamWScheduleFree, torch.float32, {"warmup_steps": 10}),
    (torch.optim.RMSprop, torch.float32, {}),
]


@pytest.mark.parametrize(("kind", "dtype", "options"), KINDS)
def test_an_interrupted_run_goes_on_bit_for_bit(kind, dtype, options, tmp_path: Path) -> None:
    whole = trained(kind, dtype, **options)
    save_state(whole.state_dict(), tmp_path)
    values = [p.detach().clone() for p in params_of(whole)]
    advance(whole, 2, seed=5)
    resumed = kind([torch.nn.Parameter(value) for value in values])
    resumed.load_state_dict(load_state(tmp_path))
    advance(resumed, 2, seed=5)
    for a, b in zip(params_of(whole), params_of(resumed), strict=True):
        assert torch.equal(a, b)


def test_options_keep_their_types(tmp_path: Path) -> None:
    optimizer = trained(AdamW, lr=torch.tensor(0.25), betas=(0.5, 0.75))
    save_state(optimizer.state_dict(), tmp_path)
    group = load_state(tmp_path)["param_groups"][0]
    before = optimizer.state_dict()["param_groups"][0]
    assert group == before
    assert isinstance(group["lr"], torch.Tensor) and isinstance(group["betas"], tuple)


@pytest.mark.parametrize(("kind", "dtype", "options"), KINDS[:4])
def test_torch_goes_on_from_the_plain_state(kind, dtype, options, tmp_path: Path) -> None:
    ours = trained(kind, dtype, **options)
    before = ours.state_dict()
    plain = plain_state(before)
    for index, state in plain["state"].items():
        assert sorted(state) == ["exp_avg", "exp_avg_sq", "step"]
        assert all(value.dtype == torch.float32 for value in state.values())
        if dtype == torch.bfloat16 and "exp_avg" in before["state"][index]:
            kept = before["state"][index]["exp_avg"]
            assert torch.equal(state["exp_avg"], kept.float())
    assert plain["param_groups"][0].get("state_dtype") is None
    theirs = torch.optim.AdamW([torch.nn.Parameter(p.detach().float()) for p in params_of(ours)])
    theirs.load_state_dict(plain)
    advance(theirs, 1)
    assert all(p.isfinite().all() for p in params_of(theirs))


def test_codes_become_what_they_stand_for() -> None:
    full, low = trained(AdamW), trained(AdamW, state_dtype="8bit")
    a, b = full.state_dict()["state"][0], plain_state(low.state_dict())["state"][0]
    # The dynamic map's steps are at most a fourteenth of a number, and three steps add up.
    for key in ("exp_avg", "exp_avg_sq"):
        scale = a[key].abs().max()
        assert float((a[key] - b[key]).abs().max()) < 3 * float(scale) / 14


def test_damage_and_strangers(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No checkpoint"):
        load_state(tmp_path / "nowhere")
    save(tmp_path / "model", {"weight": torch.ones(2)}, {"layers": 2})
    with pytest.raises(CheckpointError, match="holds no optimizer state"):
        load_state(tmp_path / "model")
    save_state(trained(AdamW).state_dict(), tmp_path / "state")
    file = tmp_path / "state" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        load_state(tmp_path / "state")


def test_an_option_that_json_does_not_hold(tmp_path: Path) -> None:
    state = trained(SGD).state_dict()
    state["param_groups"][0]["lr"] = torch.ones(3)
    with pytest.raises(TypeError, match="must have one element"):
        save_state(state, tmp_path)
