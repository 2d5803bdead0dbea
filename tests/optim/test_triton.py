"""The Triton kernels, interpreted on the CPU against torch, and compiled ahead of time for sm_90.

There is no GPU in these tests: they prove the arithmetic and that the code compiles, not speed.
"""

import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from drivetrain.optim import reference

pytest.importorskip("triton")

EPS = 2.0**-23
SHAPES = ((7,), (33, 80), (1,), (6000,), (0,), (2500,))
STEPS = 4
BASE = {
    "lr": 0.01,
    "betas": (0.9, 0.99),
    "eps": 1e-8,
    "weight_decay": 0.1,
    "decoupled": True,
    "amsgrad": False,
    "maximize": False,
    "stochastic": False,
    "copy": [],
    "control": (1.0, 0.0),
    "aligned": False,
    "seed": 5,
}


def job(dtype: torch.dtype = torch.float32, moments: torch.dtype | None = None, **options) -> dict:
    made = {**BASE, **options}
    random = torch.Generator().manual_seed(3)
    p = [torch.randn(shape, generator=random).to(dtype) for shape in SHAPES]
    zeros = [torch.zeros_like(x, dtype=moments or dtype) for x in p]
    made["grads"] = [
        [torch.randn(x.shape, generator=random).to(options.get("g_dtype", dtype)) for x in p]
        for _ in range(STEPS)
    ]
    if made["copy"]:
        made["copy"] = [x.to(torch.bfloat16) for x in p]
    for name in ("m", "v", "vmax"):
        made[name] = [x.clone() for x in zeros]
    return {**made, "p": p}


def all_jobs() -> dict[str, dict]:
    jobs = {
        f"{'decoupled' if decoupled else 'l2'} amsgrad={amsgrad} maximize={maximize}": job(
            decoupled=decoupled, amsgrad=amsgrad, maximize=maximize
        )
        for decoupled, amsgrad, maximize in product((True, False), repeat=3)
    }
    jobs["beta1 = 0"] = job(betas=(0.0, 0.99))
    jobs["scaled"] = job(control=(0.25, 0.0))
    jobs["skipped"] = job(control=(1.0, 1.0))
    jobs["aligned"] = job(aligned=True)
    jobs["master"] = job(copy=True, g_dtype=torch.bfloat16)
    jobs["bf16"] = job(torch.bfloat16)
    jobs["bf16 sr"] = job(torch.bfloat16, torch.float32, stochastic=True)
    jobs["bf16 sr again"] = job(torch.bfloat16, torch.float32, stochastic=True)
    jobs["bf16 sr other"] = job(torch.bfloat16, torch.float32, stochastic=True, seed=99)
    jobs["bf16 sr once"] = job(torch.bfloat16, torch.float32, stochastic=True)
    jobs["bf16 sr once"]["grads"] = jobs["bf16 sr once"]["grads"][:1]
    jobs["poisoned"] = job()
    for bad, place in ((float("nan"), 5), (float("inf"), 2600)):
        jobs["poisoned"]["grads"][1][3][place] = bad
    jobs["sr edges"] = job(torch.bfloat16, torch.float32, stochastic=True)
    edges = torch.tensor([float("inf"), -float("inf"), float("nan"), 0.0, -0.0, 3.3895e38, 1.0])
    jobs["sr edges"] |= {"p": [edges.bfloat16()], "m": [torch.zeros(7)], "v": [torch.zeros(7)]}
    jobs["sr edges"] |= {"weight_decay": 0.0, "grads": [[torch.zeros(7).bfloat16()]] * STEPS}
    many = torch.ones(5000, dtype=torch.bfloat16)
    jobs["sr decay"] = job(torch.bfloat16, torch.float32, stochastic=True) | {
        "p": [many], "m": [torch.zeros(5000)], "v": [torch.zeros(5000)], "lr": 1e-3,
        "grads": [[torch.zeros_like(many)]] * 100,
    }  # fmt: skip
    return jobs


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("triton")
    jobs = all_jobs()
    torch.save(list(jobs.values()), folder / "jobs")
    child = Path(__file__).with_name("interpreted_adam.py")
    command = [sys.executable, str(child), str(folder / "jobs"), str(folder / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(jobs, torch.load(folder / "answers"), strict=True))


def by_torch(made: dict, *, factor: float = 1.0) -> dict[str, list[torch.Tensor]]:
    """torch's for-loop on the same inputs; odd parameters have one step behind them."""
    params = [torch.nn.Parameter(p.clone()) for p in made["p"]]
    kind = torch.optim.AdamW if made["decoupled"] else torch.optim.Adam
    names = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")
    optimizer = kind(params, foreach=False, **{name: made[name] for name in names})
    for i, p in enumerate(params):
        state = optimizer.state[p]
        state |= {"step": torch.tensor(float(i % 2)), "exp_avg": made["m"][i].clone()}
        state |= {"exp_avg_sq": made["v"][i].clone(), "max_exp_avg_sq": made["vmax"][i].clone()}
    for grads in made["grads"]:
        for p, g in zip(params, grads):
            p.grad = g.to(p.dtype) * factor
        optimizer.step()
    keys = {"m": "exp_avg", "v": "exp_avg_sq", "vmax": "max_exp_avg_sq"}
    moments = {k: [optimizer.state[p][key] for p in params] for k, key in keys.items()}
    return {"p": [p.detach() for p in params], **moments}


def assert_ulp_near(ours: dict, theirs: dict, made: dict) -> None:
    # A step rounds p, m and v a handful of times, relative to values of the size of the largest;
    # m/√v stays below 1/√(1 − β2) = 10, and its errors enter p times lr.
    for name in ("p", "m", "v", *(["vmax"] if made["amsgrad"] else [])):
        for a, b in zip(ours[name], theirs[name], strict=True):
            size = float(b.abs().max()) if b.numel() else 0.0
            torch.testing.assert_close(a, b, rtol=0, atol=STEPS * 8 * EPS * max(size, 1.0))


EXACT = [name for name in all_jobs() if name.startswith(("decoupled", "l2", "beta1", "aligned"))]


@pytest.mark.parametrize("name", EXACT)
def test_interpreted_equals_torch(answers: dict, name: str) -> None:
    made = all_jobs()[name]
    assert_ulp_near(answers[name], by_torch(made), made)


def test_factor_of_unscale_and_clip_enters_once(answers: dict) -> None:
    made = all_jobs()["scaled"]
    assert_ulp_near(answers["scaled"], by_torch(made, factor=0.25), made)


def test_skip_touches_nothing(answers: dict) -> None:
    made = all_jobs()["skipped"]
    for name in ("p", "m", "v"):
        assert all(torch.equal(a, b) for a, b in zip(answers["skipped"][name], made[name]))


def test_master_is_stepped_in_fp32_and_copied_out(answers: dict) -> None:
    made, ours = all_jobs()["master"], answers["master"]
    assert_ulp_near(ours, by_torch(made), made)
    assert all(torch.equal(c, cut(p)) for c, p in zip(ours["copy"], ours["p"]))


def test_norm_and_verdict(answers: dict) -> None:
    made = all_jobs()["scaled"]
    for (norm, spoiled), grads in zip(answers["scaled"]["norms"], made["grads"], strict=True):
        exact = torch.cat([g.flatten().double() for g in grads]).norm()
        # fp32 sums of at most a block's repeats and a tree: far below 100 roundings.
        torch.testing.assert_close(norm, exact, rtol=100 * EPS, atol=0)
        assert not spoiled
    assert [bool(bad) for _, bad in answers["poisoned"]["norms"]] == [False, True, False, False]


def test_nonfinite_gradient_poisons_its_own_elements_only(answers: dict) -> None:
    made, ours = all_jobs()["poisoned"], answers["poisoned"]
    theirs = by_torch(made)
    for a, b in zip(ours["p"], theirs["p"]):
        assert torch.equal(a.isnan(), b.isnan())
    assert sum(int(a.isnan().sum()) for a in ours["p"]) == 2


def cut(x: torch.Tensor) -> torch.Tensor:
    """bf16 of fp32 by cutting bits off, as the interpreter does it; the GPU's conversion rounds to
    nearest, which the compiled code is searched for below."""
    return ((x.view(torch.int32) >> 16) << 16).view(torch.float32).bfloat16()


class Emulated(NamedTuple):
    """One step in float32, in the kernel's order of operations, before anything is stored."""

    p: torch.Tensor
    m: torch.Tensor
    v: torch.Tensor


def emulated(made: dict, before: Emulated, g: torch.Tensor, t: int) -> Emulated:
    """Each operation rounds once and none is fused: as the interpreter, which is NumPy, does it."""
    p, m, v = (x.float().numpy() for x in before)
    (beta1, beta2), lr, gi = made["betas"], made["lr"], g.float().numpy()
    constants = (1 - lr * made["weight_decay"], 1 - beta1, beta2, 1 - beta2, made["eps"])
    shrink, lerp, beta2_32, rest2, eps = map(np.float32, constants)
    size, root = np.float32(lr / (1 - beta1**t)), np.float32(np.sqrt(1 - beta2**t))
    m = m + lerp * (gi - m)
    v = v * beta2_32 + rest2 * gi * gi
    p = p * shrink - size * m / (np.sqrt(v) / root + eps)
    return Emulated(*map(torch.from_numpy, (p, m, v)))


def assert_near_equations(made: dict, before: Emulated, g: torch.Tensor, t: int) -> None:
    """One emulated step against the paper's equations in float64, element by element.

    With u = 2^-24, M = max(|m|, |g|), and to first order: m' is a constant, a difference, a
    product and a sum, 4 u M. v' has the same of positive terms, 4 u v'. The root halves that and
    adds its own u, the corrected one has two more, the sum with ε one: the denominator is good to
    6 u of itself, and step_size m' / denominator to 9 u of itself besides what m' brings. θ' has
    two roundings of θ·shrink and the last one. A thousandth covers the second order.
    """
    wide = Emulated(*(x.double() for x in before))
    names = ("lr", "betas", "eps", "weight_decay", "decoupled")
    θ, after = reference.adamw_step(
        wide.p, g.double(), reference.State(t - 1, wide.m, wide.v), **{k: made[k] for k in names}
    )
    m, v = after[1:3]
    (beta1, beta2), u = made["betas"], 1.001 * 2.0**-24
    denominator = v.sqrt() / (1 - beta2**t) ** 0.5 + made["eps"]
    rate = made["lr"] / (1 - beta1**t) / denominator
    loose = 4 * u * torch.maximum(wide.m.abs(), g.double().abs())
    bounds = (
        (2 * wide.p.abs() + θ.abs() + 9 * (rate * m).abs()) * u + rate * loose,
        loose,
        4 * u * v,
    )
    for found, exact, bound in zip(emulated(made, before, g, t), (θ, m, v), bounds, strict=True):
        assert bool(((found.double() - exact).abs() <= bound).all())


def test_bf16_is_computed_in_fp32(answers: dict) -> None:
    # The kernel's bits are those of the emulation, each value cut once when it is stored; the
    # emulation in turn is held to the equations.
    made, ours = all_jobs()["bf16"], answers["bf16"]
    for i, p in enumerate(made["p"]):
        state = Emulated(p, made["m"][i], made["v"][i])
        for t, grads in enumerate(made["grads"]):
            assert_near_equations(made, state, grads[i], t + 1 + i % 2)
            state = Emulated(*map(cut, emulated(made, state, grads[i], t + 1 + i % 2)))
        for name, expected in zip("pmv", state):
            assert ours[name][i].dtype == torch.bfloat16
            assert torch.equal(ours[name][i], expected)


def test_stochastic_rounding_takes_a_neighbour(answers: dict) -> None:
    made, ours = all_jobs()["bf16 sr once"], answers["bf16 sr once"]
    raised = total = 0
    expected, variance = 0.0, 0.0
    for i, p in enumerate(made["p"]):
        state = Emulated(p, made["m"][i], made["v"][i])
        after = emulated(made, state, made["grads"][0][i], 1 + i % 2)
        assert torch.equal(ours["m"][i], after.m) and torch.equal(ours["v"][i], after.v)
        bits = after.p.view(torch.int32)
        taken = ours["p"][i].view(torch.int16).int() & 0xFFFF
        # 16 random bits are added to the pattern: the next one up in magnitude, or that below.
        up = taken - ((bits >> 16) & 0xFFFF)
        chance = (bits & 0xFFFF).double() / 2**16
        assert bool(((up == 0) | (up == 1)).all())
        assert not bool(up[chance == 0].any())
        raised, total = raised + int(up.sum()), total + up.numel()
        expected += float(chance.sum())
        variance += float((chance * (1 - chance)).sum())
    # Independent draws, each with its own chance: five standard deviations of their count.
    assert total > 10000
    assert abs(raised - expected) < 5 * variance**0.5


def test_stochastic_rounding_is_seeded(answers: dict) -> None:
    first, again, other = (answers[f"bf16 sr{word}"]["p"] for word in ("", " again", " other"))
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert any(not torch.equal(a, b) for a, b in zip(first, other))


def test_stochastic_rounding_is_unbiased(answers: dict) -> None:
    # 100 steps of decay by 1e-4 on 1.0: to nearest it would stay at 1. Each step falls an ulp
    # (2^-8) with probability 0.0256: a deviation of 0.0062 after 100 steps, 8.8e-5 in the mean
    # of 5000; four of those, and 0.99005 exactly.
    (p,) = answers["sr decay"]["p"]
    assert abs(float(p.float().mean()) - (1 - 1e-4) ** 100) < 4 * 8.8e-5
    assert p.unique().numel() > 2
    # Programs of different chunks must not draw the same numbers.
    assert not torch.equal(p[:2500], p[2500:])


def test_stochastic_rounding_keeps_the_edges(answers: dict) -> None:
    (p,) = answers["sr edges"]["p"]
    assert p[:2].tolist() == [float("inf"), -float("inf")]
    assert p[2].isnan()
    assert p[3:5].tolist() == [0.0, 0.0]
    assert p[5].isfinite()
    assert p[6] == 1.0


VARIANTS = {
    "fp32": ("fp32", "fp32", "fp32", "fp32", -1, -1, False),
    "fp32 amsgrad": ("fp32", "fp32", "fp32", "fp32", 5, -1, False),
    "bf16 sr": ("bf16", "bf16", "bf16", "bf16", -1, -1, True),
    "master": ("fp32", "bf16", "fp32", "bf16", -1, 5, False),
}


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
def test_compiles_for_hopper_without_spills(variant: str, aligned: bool) -> None:
    import triton
    import triton.language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from drivetrain.optim import _triton

    words = {"fp32": tl.float32, "bf16": tl.bfloat16}
    *dtypes, vmax, copy, stochastic = VARIANTS[variant]
    kernel = _triton.adam_kernel
    constants = dict(zip(("P", "G", "M", "C"), (words[word] for word in dtypes)))
    constants |= {"P_COLUMN": 0, "G_COLUMN": 1, "M_COLUMN": 3, "V_COLUMN": 4}
    constants |= {"VMAX_COLUMN": vmax, "COPY_COLUMN": copy, "STOCHASTIC": stochastic}
    constants |= {"ALIGNED": aligned, "ROW": 6, "CASE": 12, "CHUNK": 16384, "BLOCK": 1024}
    pointers = dict.fromkeys(("chunks", "rows", "case_of"), "*i64")
    pointers |= {"cases": "*fp32", "control": "*fp32", "seed": "i32"}
    signature = {name: pointers.get(name, "constexpr") for name in kernel.arg_names}
    source = ASTSource(kernel, signature, constants)
    ptx = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
    assert ".entry adam_kernel" in ptx
    # Spilled registers live in local memory.
    assert not re.search(r"\b(ld|st)\.local", ptx)
    assert ("ld.global.v4" in ptx) == aligned
    # Divisions and roots are rounded correctly, as torch's are.
    assert "div.rn.f32" in ptx and "sqrt.rn.f32" in ptx
    assert "div.full" not in ptx and "approx" not in ptx
    assert ("cvt.rn.bf16" in ptx) == ("bf16" in dtypes[::3] + dtypes[2:3])


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
def test_norm_compiles_for_hopper() -> None:
    import triton
    import triton.language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from drivetrain.optim import _triton

    signature = dict.fromkeys(_triton.norm_kernel.arg_names, "constexpr")
    signature |= {"chunks": "*i64", "rows": "*i64", "squares": "*fp32", "spoiled": "*i32"}
    constants = {"G": tl.bfloat16, "G_COLUMN": 1, "ROW": 5, "CHUNK": 16384, "BLOCK": 1024}
    source = ASTSource(_triton.norm_kernel, signature, constants)
    assert "cubin" in triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm
