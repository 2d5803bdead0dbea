"""The whole optimizer by the Triton backend, interpreted on the CPU, against torch's optimizers."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from drivetrain.core import backend as backends
from drivetrain.core.backend import use
from drivetrain.optim import Adam, AdamW
from drivetrain.optim.by_torch import step_by_reference, step_by_torch
from drivetrain.optim.dispatch import squarer, stepper
from drivetrain.optim.functional import adamw_
from drivetrain.optim.lowbit.formats import format_of
from drivetrain.optim.on_gpu import squares_by_triton, step_by_triton
from drivetrain.optim.options import DEFAULTS

pytest.importorskip("triton")

STEPS, BETAS, U = 4, (0.9, 0.99), 2.0**-24
SHAPES = (((5,), (40, 70), ()), ((0,), (2048,), (3, 7)))


def job(kind: str = "AdamW", own: tuple[dict, ...] = ({}, {}), **options) -> dict:
    random = torch.Generator().manual_seed(1)
    shapes = SHAPES[: len(own)]
    params = [[torch.randn(shape, generator=random) for shape in part] for part in shapes]
    return {
        "kind": kind,
        "params": params,
        "groups": own,
        "options": {"betas": BETAS, **options},
        "grads": [
            [torch.randn(p.shape, generator=random) for part in params for p in part]
            for _ in range(STEPS)
        ],
        "lrs": [[0.01 * 0.5**t, 0.02][: len(own)] for t in range(STEPS)],
        "backends": ["triton"] * STEPS,
    }


def scaled(made: dict, scale: float) -> dict:
    grads = [[g * scale for g in grads] for grads in made["grads"]]
    return {**made, "grads": grads, "scale": scale, "found_inf": [2]}


def low(made: dict, dtype: torch.dtype, **more) -> dict:
    params = [[p.to(dtype) for p in part] for part in made["params"]]
    grads = [[g.to(dtype) for g in grads] for grads in made["grads"]]
    return {**made, "params": params, "grads": grads, **more}


def low_jobs() -> dict[str, dict]:
    sr = low(job(stochastic_rounding=True, state_dtype="fp32"), torch.bfloat16)
    bf16 = low(job(master_weights=True), torch.bfloat16)
    return {
        "sr": sr,
        "sr reloaded": {**sr, "reload": 2},
        "sr other": {**sr, "seed": 1},
        "sr clipped": low(
            job(stochastic_rounding=True, state_dtype="fp32", max_grad_norm=0.5), torch.bfloat16
        ),
        "master": bf16,
        "master reloaded": {**bf16, "reload": 2},
        "master to numba": {**bf16, "backends": ["triton", "triton", "numba", "numba"]},
        "master from numba": {**bf16, "backends": ["numba", "numba", "triton", "triton"]},
        "master float16": low(job(master_weights=True), torch.float16),
    }


def all_jobs() -> dict[str, dict]:
    jobs = {
        "groups": job(own=({"weight_decay": 0.1}, {"weight_decay": 0.0, "betas": (0.5, 0.99)})),
        "l2 amsgrad maximize": job("Adam", weight_decay=0.1, amsgrad=True, maximize=True),
        "one group maximizes": job("Adam", own=({"maximize": True}, {"amsgrad": True})),
        "schedule": job(decay="schedule", own=({"initial_lr": 0.01}, {"initial_lr": 0.02})),
        "clip": job(max_grad_norm=0.5),
        "scaler": scaled(job(max_grad_norm=0.5, skip_nonfinite=True), 1024.0),
        "to numba": {**job(), "backends": ["triton", "triton", "numba", "numba"]},
        "from numba": {**job(), "backends": ["numba", "numba", "triton", "triton"]},
        "from torch": {**job(), "backends": ["torch", "torch", "triton", "triton"]},
        "function": {**job("adamw_", own=({},)), "options": {"betas": BETAS, "weight_decay": 0.1}},
    }
    # The second step is left out for what is in the gradients, the third by the scaler's verdict.
    jobs["scaler"]["grads"][1][1][3, 4] = float("nan")
    mixed = job()
    wide = {"params": [[p.double() for p in part] for part in mixed["params"]]}
    wide["grads"] = [[g.double() for g in grads] for grads in mixed["grads"]]
    return jobs | {"float64": {**mixed, **wide}}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("triton")
    jobs = all_jobs() | low_jobs()
    torch.save(list(jobs.values()), folder / "jobs")
    child = Path(__file__).with_name("interpreted_optimizer.py")
    command = [sys.executable, str(child), str(folder / "jobs"), str(folder / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(jobs, torch.load(folder / "answers"), strict=True))


def by_torch(made: dict) -> dict:
    """torch's for-loop on the same gradients, unscaled and clipped by torch's own functions."""
    groups = [[torch.nn.Parameter(p.clone()) for p in part] for part in made["params"]]
    params = [p for part in groups for p in part]
    options = dict(made["options"])
    norm, schedule = options.pop("max_grad_norm", None), options.pop("decay", "lr") == "schedule"
    for word in ("skip_nonfinite", "stochastic_rounding", "state_dtype", "master_weights"):
        options.pop(word, None)
    kind = torch.optim.Adam if made["kind"] == "Adam" else torch.optim.AdamW
    pairs = zip(groups, made["groups"], strict=True)
    optimizer = kind([{"params": p, **own} for p, own in pairs], foreach=False, **options)
    decay, largest = optimizer.param_groups[0]["weight_decay"], 0.0
    for t, grads in enumerate(made["grads"]):
        for p, g in zip(params, grads, strict=True):
            p.grad = g / made.get("scale", 1.0)
        finite = all(bool(p.grad.isfinite().all()) for p in params)
        if t in made.get("found_inf", []) or not finite:
            continue
        largest = max(largest, *(float(p.grad.abs().max()) for p in params if p.numel()))
        if norm is not None:
            torch.nn.utils.clip_grad_norm_(params, norm)
        for group, lr in zip(optimizer.param_groups, made["lrs"][t]):
            group["lr"] = lr
            if schedule:  # The paper's η λ, where torch multiplies λ by lr.
                group["weight_decay"] = decay / group["initial_lr"]
        optimizer.step()
    return {
        "params": [p.detach() for p in params],
        "state": optimizer.state_dict()["state"],
        "largest": largest,
    }


def bounds(ours: dict, theirs: dict) -> tuple[float, float, float]:
    """How far θ, m and v may be from torch's."""
    # First-order bounds with u = 2^-24, for each of the two sides, and M the largest |g| (with
    # the L2 term). The factor of clipping is good to 60 u (a sum in fp32 of 10 levels, its root,
    # the division, and torch's norm of norms). A step adds 4 u M to the error of m (the constant,
    # a difference, a product, a sum), and 4 u v to that of v (the same, of positive terms).
    size = max(float(p.abs().max()) for p in ours["params"] if p.numel())
    m = 2 * (4 * STEPS + 60) * U * (theirs["largest"] + 0.1 * size)
    v = m * 2 * (theirs["largest"] + 0.1 * size)
    # p: three roundings of θ a step, and lr times the error of m̂ / √v̂: that is below
    # 1/√(1 - β2) = 10 and its relative error below (60 + 4 T) u of m's, half of v's doubled, and
    # 9 u of its own, where β1 = 0.9 leaves 1/(1 - β1^t) <= 10 of what cancels in m.
    p = 2 * STEPS * U * (3 * size + 0.02 * 10 * 2 * (60 + 4 * STEPS + 9))
    return p, m, v


@pytest.mark.parametrize("name", all_jobs())
def test_equals_torch(name: str, answers: dict[str, dict]) -> None:
    made, ours = all_jobs()[name], answers[name]
    theirs = by_torch(made)
    assert ours["state"].keys() == theirs["state"].keys()
    p, m, v = bounds(ours, theirs)
    for a, b in zip(ours["params"], theirs["params"], strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=0, atol=p)
    for i, expected in theirs["state"].items():
        found = ours["state"][i]
        assert found.keys() == expected.keys()
        assert float(found["step"]) == float(expected["step"])
        torch.testing.assert_close(found["exp_avg"], expected["exp_avg"], rtol=0, atol=m)
        for key in found.keys() & {"exp_avg_sq", "max_exp_avg_sq"}:
            torch.testing.assert_close(found[key], expected[key], rtol=0, atol=v)


@pytest.mark.parametrize(
    ("name", "count"),
    [("groups", 2 * STEPS), ("scaler", 2 * 2), ("to numba", 2 * 2), ("from numba", 2 * 2)],
)
def test_one_launch_a_group(name: str, count: int, answers: dict[str, dict]) -> None:
    assert answers[name]["launches"] == [(*[torch.float32] * 4, False)] * count


def test_what_no_kernel_covers_is_torchs(answers: dict[str, dict]) -> None:
    assert answers["float64"]["launches"] == []


def test_skipped_steps_are_counted_and_norms_kept(answers: dict[str, dict]) -> None:
    made, ours = all_jobs()["scaler"], answers["scaler"]
    assert ours["skipped"] == 2
    first, second, third, last = ours["norms"]
    assert second != second and third != third  # Kept from the second: the third has none.
    for found, grads in ((first, made["grads"][0]), (last, made["grads"][3])):
        exact = float(torch.cat([g.double().flatten() for g in grads]).norm()) / 1024
        # fp32 sums of two terms a lane and a tree of ten levels, then a root.
        assert found == pytest.approx(exact, rel=30 * U)


def test_autograd_sees_the_change(answers: dict[str, dict]) -> None:
    assert all(change >= STEPS for change in answers["groups"]["changes"])


def assert_moments_near(ours: dict, theirs: dict) -> None:
    _, m, v = bounds(ours, theirs)
    for i, expected in theirs["state"].items():
        found = ours["state"][i]
        assert float(found["step"]) == float(expected["step"])
        torch.testing.assert_close(found["exp_avg"], expected["exp_avg"], rtol=0, atol=m)
        torch.testing.assert_close(found["exp_avg_sq"], expected["exp_avg_sq"], rtol=0, atol=v)


@pytest.mark.parametrize("name", [name for name in low_jobs() if name.startswith("master")])
def test_masters_are_stepped_as_float32(name: str, answers: dict[str, dict]) -> None:
    made, ours = low_jobs()[name], answers[name]
    theirs = by_torch(low(made, torch.float32))
    assert_moments_near(ours, theirs)
    dtype = made["params"][0][0].dtype
    kernel = [(torch.float32, dtype, torch.float32, dtype, False)]
    assert ours["launches"] == kernel * (2 * made["backends"].count("triton"))
    atol, _, _ = bounds(ours, theirs)
    for i, (copy, expected) in enumerate(zip(ours["params"], theirs["params"], strict=True)):
        master = ours["state"][i]["master"]
        torch.testing.assert_close(master, expected, rtol=0, atol=atol)
        # The GPU rounds to nearest; the interpreter cuts bits off bf16: in either case less than
        # an ulp, 2^-7 of bf16 and 2^-10 of fp16, of which nothing accumulates.
        ulp = 2.0**-7 if dtype == torch.bfloat16 else 2.0**-10
        assert copy.dtype == dtype
        torch.testing.assert_close(copy.float(), master, rtol=ulp, atol=2.0**-24)


def test_a_master_survives_a_reload_bit_by_bit(answers: dict[str, dict]) -> None:
    first, second = answers["master"], answers["master reloaded"]
    assert all(torch.equal(a, b) for a, b in zip(first["params"], second["params"], strict=True))


@pytest.mark.parametrize("name", ["sr", "sr clipped"])
def test_stochastic_rounding_stays_within_an_ulp_a_step(
    name: str, answers: dict[str, dict]
) -> None:
    made, ours = low_jobs()[name], answers[name]
    theirs = by_torch(low(made, torch.float32))
    assert_moments_near(ours, theirs)
    kernel = [(torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16, True)]
    assert ours["launches"] == kernel * (2 * STEPS)
    atol, _, _ = bounds(ours, theirs)
    for a, b in zip(ours["params"], theirs["params"], strict=True):
        # The gradients are given, so θ does not feed back but through 1 - lr λ < 1: each step adds
        # less than an ulp, 2^-7 of the largest that an element has been: its end, the steps since
        # (lr 0.01 to 0.02, times m̂ / √v̂ < 10) and the decay.
        largest = b.abs() * (1 + STEPS * 0.02 * 0.01) + STEPS * 0.02 * 10
        assert bool(((a.float() - b).abs() <= STEPS * 2.0**-7 * largest + atol).all())


def test_stochastic_rounding_resumes_and_is_seeded(answers: dict[str, dict]) -> None:
    first, again, other = (answers[f"sr{word}"]["params"] for word in ("", " reloaded", " other"))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_formats_for_a_gpu() -> None:
    group = {**DEFAULTS, "amsgrad": False}
    with FakeTensorMode():
        param = torch.empty(5000, dtype=torch.bfloat16, device="cuda")
    for word in ("stochastic_rounding", "master_weights"):
        found = format_of(param, {**group, word: True})
        assert found is not None and found.by_triton
        with pytest.raises(ValueError, match=f"8bit.*{word}.*on the CPU. Got cuda"):
            format_of(param, {**group, word: True, "state_dtype": "8bit"})
    with pytest.raises(ValueError, match=r"kahan=True is for parameters on the CPU. Got cuda"):
        format_of(param, {**group, "kahan": True})


MESSAGE = "needs tensors on a GPU, or Triton's interpreter .* TRITON_INTERPRET=1 .* Got .*'cpu'"


def test_without_gpu_or_interpreter_it_says_what_is_needed() -> None:
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    for kind in (Adam, AdamW):
        optimizer = kind([p])
        with use("triton"), pytest.raises(RuntimeError, match=MESSAGE) as caught:
            optimizer.step()
        assert "\n" not in str(caught.value)
        assert p.tolist() == [1.0, 1.0, 1.0]
        assert float(optimizer.state[p]["step"]) == 0
        optimizer.step()
        assert p[0] != 1.0
        p.data.fill_(1.0)


def test_function_without_gpu_or_interpreter_says_what_is_needed() -> None:
    p, g, m, v, step = torch.ones(3), torch.ones(3), torch.zeros(3), torch.zeros(3), torch.zeros(())
    with pytest.raises(RuntimeError, match=MESSAGE):
        adamw_([p], [g], [m], [v], [step], backend="triton")
    assert p.tolist() == [1.0, 1.0, 1.0] and step == 0


def test_default_follows_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 1)
    assert stepper(cpu) is step_by_torch
    assert stepper(gpu) is step_by_triton and squarer(gpu) is squares_by_triton
    for word, expected in (("torch", step_by_torch), ("reference", step_by_reference)):
        assert stepper(gpu, word) is expected
        with use(word):
            assert stepper(gpu) is expected and squarer(gpu) is not squares_by_triton
    find = backends.find_spec
    monkeypatch.setattr(
        backends, "find_spec", lambda name: None if name == "triton" else find(name)
    )
    assert stepper(gpu) is step_by_torch
