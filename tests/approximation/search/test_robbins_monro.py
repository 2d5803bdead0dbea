"""Robbins-Monro: the article's paths, its divergence, and the cures."""

import json
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation import Gain, GainWarning
from drivetrain.approximation.search import (
    Average,
    Box,
    DirectionWarning,
    DivergenceError,
    RobbinsMonro,
    Truncation,
    reference,
    robbins_monro,
    simulate,
)


def cubic(w):
    return w**3 - 5


ROOT = 5.0 ** (1.0 / 3.0)

# Golden values of the article's examples.


def test_tanh_path() -> None:
    r = robbins_monro(lambda w: np.tanh(w - 1), 3.0, steps=2000)
    golden = [3, 2.035972419924183, 1.6478261074486602, 1.4577578750468403]
    golden += [1.3506941108083053, 1.2832959160577775]
    # np.tanh may differ from C's by an ulp; the map contracts, so errors do not add up.
    assert r.path[:6].tolist() == pytest.approx(golden, rel=1e-15)
    assert r.x == pytest.approx(1.000719807516865, rel=1e-15)


def test_cubic_path_without_noise() -> None:
    r = robbins_monro(cubic, 0.0, steps=4)
    assert r.path.tolist() == [0.0, 5.0, -55.0, 55405.0, -42519376333375.0]


@pytest.mark.parametrize(
    ("gain", "median", "deviation"),
    [
        (Gain(0.2), 1.7096308613463256, 0.0029198829359869958),
        (Gain(A=10.0), 1.710366575520271, 0.0056550790473548825),
        (Gain(0.1, 0.6), 1.7103556855109412, 0.008113987562904944),
    ],
)
def test_stated_gains_tame_the_cubic(gain: Gain, median: float, deviation: float) -> None:
    options = {"steps": 2000, "noise": 1.0, "gain": gain, "keep_path": False}
    x = [robbins_monro(cubic, 0.0, random_state=seed, **options).x for seed in range(100)]
    assert float(np.median(x)) == median
    # 1e-15 absolute is the rounding of a mean of 100 numbers near 1.7, a few 1e-16 each.
    assert float(np.std(x)) == pytest.approx(deviation, rel=0, abs=1e-15)
    study = simulate(cubic, 0.0, steps=2000, replicas=range(100), gain=gain)
    assert study.x.tolist() == pytest.approx(x, rel=1e-13)
    assert not study.diverged.any()


def test_one_over_k_diverges_on_199_of_200_seeds() -> None:
    study = simulate(cubic, 0.0, steps=50, replicas=range(200), limit=1e6)
    assert int(study.diverged.sum()) == 199
    for seed in (0, 1, 2):
        with pytest.raises(DivergenceError) as caught:
            robbins_monro(cubic, 0.0, steps=50, noise=1.0, random_state=seed, limit=1e6)
        assert caught.value.step == study.diverged_at[seed]
        assert caught.value.value == pytest.approx(abs(study.last[seed]), rel=1e-12)
        assert caught.value.gain == Gain().at(caught.value.step)


@pytest.mark.parametrize(
    ("cure", "most"),
    [({"project": Box(-3.0, 3.0)}, 0), ({"truncate": Truncation(2.0, 2.0)}, 2)],
)
def test_projection_and_truncation_cure_all_200(cure, most: int) -> None:
    study = simulate(cubic, 0.0, steps=2000, replicas=range(200), **cure)
    assert not study.diverged.any()
    assert round(float(np.median(study.x)), 10) == 1.7095571039
    assert round(study.x.min(), 5) == 1.69594
    assert round(study.x.max(), 5) == 1.72752
    assert study.truncations.max() == most
    one = robbins_monro(cubic, 0.0, steps=2000, noise=1.0, random_state=7, **cure)
    assert one.x == pytest.approx(study.x[7], rel=1e-13)
    assert one.truncations == study.truncations[7]


def test_mean_estimation_is_robbins_monro() -> None:
    """With a_k = 1/k each step gives the sample mean: g~ = w - x."""
    x = np.random.default_rng(0).standard_normal(500)
    search = RobbinsMonro(100.0)
    for k, value in enumerate(x, start=1):
        search.update(search.x - value)
        assert search.x == pytest.approx(math.fsum(x[:k]) / k, abs=4e-15 * k)


# Against the equations.

noises = st.lists(st.floats(-3, 3), min_size=1, max_size=40)


@given(eta=noises, w1=st.floats(-4, 4), alpha=st.sampled_from([1.0, 0.7]))
@settings(deadline=None, max_examples=40)
def test_equals_the_equations(eta: list[float], w1: float, alpha: float) -> None:
    gain = Gain(0.3, alpha, 1.0)
    g = lambda w: 2.0 * (w - 1.0)  # noqa: E731
    runs = {
        "plain": ({}, reference.robbins_monro(g, w1, gain, eta)),
        "box": ({"project": Box(-1.5, 1.5)}, reference.projected(g, w1, gain, eta, -1.5, 1.5)),
        "chen": (
            {"truncate": Truncation(1.2, 1.5)},
            reference.truncated(g, w1, gain, eta, 1.2, 1.5)[0],
        ),
    }
    for options, expected in runs.values():
        values = iter(eta)
        r = robbins_monro(
            g, w1, gain=gain, steps=len(eta), noise=lambda rng, w, v=values: next(v), **options
        )
        assert r.path.tolist() == expected


@given(eta=noises)
@settings(deadline=None, max_examples=30)
def test_averages_equal_the_equations(eta: list[float]) -> None:
    path = reference.robbins_monro(lambda w: w, 5.0, Gain(0.5, 0.6), eta)

    def run(average):
        values = iter(eta)
        return robbins_monro(
            lambda w: w,
            5.0,
            gain=Gain(0.5, 0.6),
            steps=len(eta),
            noise=lambda rng, w: next(values),
            average=average,
        )

    # A running mean of n numbers of size <= 10 is right to about n ulp of 10.
    close = {"rel": 0.0, "abs": 2e-15 * len(eta) * 10}
    assert run("polyak").x == pytest.approx(reference.polyak_ruppert(path), **close)
    assert run("weighted").x == pytest.approx(reference.weighted_average(path, 3.0), **close)
    left = len(eta) // 2
    assert run("suffix").x == pytest.approx(reference.polyak_ruppert(path[left:]), **close)
    left = int(len(eta) * 0.1)
    tail = run("tail")
    assert tail.x == pytest.approx(reference.polyak_ruppert(path[left:]), **close)
    assert (tail.last, tail.average, tail.left_out) == (path[-1], "tail", left)


def test_burn_in_restarts_average_and_counter() -> None:
    search = RobbinsMonro(0.0, gain=Gain(0.5, 0.7), average=Average("tail", burn_in=10))
    for k in range(15):
        search.update(-1.0)
        assert (search.averaged is None) == (k < 10)
    assert search._running.count == 5


# Faces.


def test_vectors_targets_and_signs() -> None:
    H = np.array([[2.0, 0.5], [0.5, 1.0]])
    target = np.array([1.0, -1.0])
    r = robbins_monro(
        lambda w: H @ w, np.zeros(2), target=target, steps=3000, noise=0.1, random_state=0
    )
    assert r.path.shape == (3001, 2)
    assert r.observations.shape == (3000, 2)
    # Theory: standard deviation about 0.1/sqrt(3000)·a few; ten of those.
    assert r.x == pytest.approx(np.linalg.solve(H, target), abs=0.05)
    falling = robbins_monro(
        lambda w: -(H @ w), np.zeros(2), target=-target, sign=-1, steps=3000, noise=-0.1,
        random_state=0,
    )  # fmt: skip
    assert falling.path.tolist() == r.path.tolist()


def test_a_decreasing_function_is_noticed() -> None:
    def falling(w):
        return 2.0 - w

    with pytest.warns(DirectionWarning, match="pass sign=-1"):
        robbins_monro(falling, 0.0, steps=30, noise=0.1, random_state=0)
    with pytest.warns(DirectionWarning, match="starts anew with sign=-1"):
        r = robbins_monro(falling, 0.0, steps=500, noise=0.1, random_state=0, sign="auto")
    assert r.steps == 500
    assert len(r.path) == 501
    assert r.path[0] == 0.0
    assert abs(r.x - 2.0) < 0.05


def test_a_decreasing_function_that_runs_away_at_once_is_turned_round() -> None:
    with pytest.warns(DirectionWarning, match="starts anew"):
        r = robbins_monro(
            lambda w: 5 - w**3, 3.0, gain=Gain(0.2), steps=500, noise=0.1, random_state=0,
            sign="auto",
        )  # fmt: skip
    assert abs(r.x - ROOT) < 0.05


def test_an_increasing_function_is_never_taken_for_a_decreasing_one() -> None:
    """400 searches from the root itself, where only noise is seen, and from afar."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DirectionWarning)
        for seed in range(200):
            for start in (0.0, 20.0):
                robbins_monro(
                    lambda w: w, start, steps=25, noise=1.0, random_state=seed, keep_path=False
                )


def test_iterates_go_on_for_ever() -> None:
    search = RobbinsMonro(3.0)
    first = [x for x, _ in zip(search.iterates(lambda w: w - 1), range(4), strict=False)]
    assert first == [3.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("scalar", [True, False])
@pytest.mark.parametrize("average", ["none", "polyak", "weighted", Average("tail", burn_in=70)])
def test_resume_equals_the_uninterrupted_run(scalar: bool, average) -> None:
    x0 = 1.0 if scalar else np.array([1.0, -2.0])
    options = {"gain": Gain(0.5, 0.7), "average": average, "truncate": Truncation(1.5)}
    options |= {"project": Box(-9.0, 9.0), "target": 0.5}
    whole, part = RobbinsMonro(x0, **options), RobbinsMonro(x0, **options)
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    f = lambda w: w**3  # noqa: E731
    for cut in (0, 5, 60, 100):  # before, within and after the watch for the sign and the burn-in
        whole.run(f, cut, noise=0.5, random_state=rng)
        part.run(f, cut, noise=0.5, random_state=other)
        state = json.loads(json.dumps(part.state_dict(), default=np.ndarray.tolist))
        part = RobbinsMonro.from_state(state)
    assert np.array_equal(whole.x, part.x)
    assert whole.averaged is part.averaged is None or np.array_equal(whole.averaged, part.averaged)
    assert (whole.k, whole.truncations) == (part.k, part.truncations)
    assert type(whole.x) is type(part.x)


def test_state_with_functions_wants_them_again() -> None:
    gain = lambda k: 1.0 / k**0.8  # noqa: E731
    search = RobbinsMonro(1.0, gain=gain, project=lambda w: max(w, 0.1))
    search.update(0.5)
    state = search.state_dict()
    with pytest.raises(ValueError, match="pass gain, project= again"):
        RobbinsMonro.from_state(state)
    again = RobbinsMonro.from_state(state, gain=gain, project=lambda w: max(w, 0.1))
    assert again.update(9.0).x == search.update(9.0).x == 0.1
    with pytest.raises(ValueError, match="Not a RobbinsMonro state"):
        RobbinsMonro.from_state({"kind": "SPSA"})


def test_intervals_hold_the_root() -> None:
    r = robbins_monro(
        lambda w: 2 * (w - 1), 0.0, gain=Gain(0.5, 0.6), steps=4000, noise=1.0, random_state=0,
        average="tail",
    )  # fmt: skip
    for method in ("random_scaling", "batch_means", "plug_in"):
        interval = r.ci(0.99, method=method)
        assert interval.contains(1.0).all()
        assert interval.width[0] < 0.3
    exact = r.ci(0.95, method="plug_in", hessian=2.0)
    # The ideal width 2·1.96·s/(b·sqrt(n)), n = 3600; s is known to 1/sqrt(2n) = 1.2 %.
    assert exact.width[0] == pytest.approx(2 * 1.96 / (2 * 60), rel=0.05)
    assert r.estimate().value[0] == pytest.approx(r.x, rel=1e-12)


def test_plug_in_covers_with_the_fitted_slope() -> None:
    hits = 0
    for seed in range(200):
        r = robbins_monro(
            lambda w: w - 1, 0.0, gain=Gain(0.5, 0.6), steps=2000, noise=1.0, random_state=seed,
            average="polyak",
        )  # fmt: skip
        hits += int(r.ci(0.95, method="plug_in").contains(1.0)[0])
    # Binomial(200, .95) lies below 181 with probability 1 %; a fitted slope costs some percent.
    assert hits >= 176


@pytest.mark.parametrize(
    ("options", "method", "words"),
    [
        ({}, "random_scaling", "plain averages"),
        ({"average": "weighted"}, "plug_in", "plain averages"),
        ({"average": "polyak", "keep_path": False}, "batch_means", "keep_path=True"),
        ({"average": "polyak"}, "bootstrap", "method must be one of"),
    ],
)
def test_intervals_say_what_they_miss(options, method, words) -> None:
    r = robbins_monro(lambda w: w, 1.0, gain=Gain(0.5, 0.7), steps=50, **options)
    with pytest.raises(ValueError, match=words):
        r.ci(method=method)


# Bad input.


def test_divergence_names_step_value_gain_and_cure() -> None:
    with pytest.raises(DivergenceError, match=r"step 5.*gain 0\.2.*project=.*truncate=") as caught:
        robbins_monro(cubic, 0.0, steps=50)
    assert caught.value.step == 5
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.step) == (str(caught.value), 5)


def test_overflow_inside_the_function_is_divergence() -> None:
    with pytest.raises(DivergenceError, match="Diverged at step"):
        robbins_monro(math.exp, 900.0, steps=5)


@pytest.mark.parametrize("x0", [1.0, np.array([1.0, 2.0])])
def test_nan_policies(x0) -> None:
    bad = x0 * np.nan
    with pytest.raises(ValueError, match=r"observation must not be NaN. Got NaN at step 2"):
        RobbinsMonro(x0).update(0.1 * x0).update(bad)
    omitting = RobbinsMonro(x0, nan_policy="omit").update(0.1 * x0)
    before = omitting.x
    assert omitting.update(bad).k == 1
    assert np.array_equal(omitting.x, before)
    assert np.all(np.isnan(RobbinsMonro(x0, nan_policy="propagate").update(bad).x))


def test_nan_without_end_does_not_hang() -> None:
    with pytest.raises(ValueError, match=r"NaN for ever\. Got 1000 in a row at step 1"):
        robbins_monro(lambda w: math.nan, 0.0, steps=5, nan_policy="omit")
    values = iter([math.nan] * 999 + [1.0] + [math.nan] * 999 + [1.0])
    r = robbins_monro(lambda w: next(values), 0.0, steps=2, nan_policy="omit")
    assert r.path.tolist() == [0.0, -1.0, -1.5]


def test_infinite_observations_are_divergence() -> None:
    with pytest.raises(DivergenceError):
        RobbinsMonro(1.0).update(math.inf)
    assert RobbinsMonro(1.0, truncate=Truncation()).update(math.inf).truncations == 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"projct": Box(0, 1)}, ValueError, "Unknown option 'projct'. Did you mean 'project'"),
        ({"project": 3}, TypeError, "project must be a Box or a function"),
        ({"truncate": 2.0}, TypeError, "truncate must be a Truncation"),
        ({"sign": 0}, ValueError, "sign must be 1, -1 or 'auto'"),
        ({"average": "mean"}, ValueError, "average must be one of"),
        ({"nan_policy": "drop"}, ValueError, "nan_policy must be one of"),
        ({"limit": 0.0}, ValueError, "limit must be > 0"),
        ({"gain": -1.0}, ValueError, "gain must be > 0"),
        ({"target": math.nan}, ValueError, "target must be finite"),
        ({"average": "suffix"}, ValueError, "pass steps="),
        ({"average": "tail"}, ValueError, "burn_in="),
    ],
)
def test_bad_options_are_named(options, error, words) -> None:
    with pytest.raises(error, match=words):
        RobbinsMonro(0.0, **options)


def test_more_bad_input() -> None:
    with pytest.raises(ValueError, match="x0 must be finite"):
        RobbinsMonro([0.0, math.inf])
    with pytest.raises(ValueError, match=r"shape of x, \(2,\). Got \(3,\)"):
        RobbinsMonro([0.0, 1.0]).update([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="steps must be >= 0"):
        robbins_monro(cubic, 0.0, steps=-1)
    with pytest.raises(ValueError, match=r"burn_in must be < steps\. Got burn_in=9, steps=5"):
        robbins_monro(cubic, 0.0, steps=5, average=Average("tail", burn_in=9))
    with pytest.raises(ValueError, match="low <= high"):
        Box(1.0, 0.0)
    with pytest.raises(ValueError, match=r"low and high alike\. Got \(2,\) and \(3,\)"):
        Box([0.0, 0.0], [1.0, 1.0, 1.0])
    for x0 in (0.0, [0.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match="Box must fit points of shape"):
            robbins_monro(lambda w: w, x0, steps=1, project=Box([0.0] * 3, 1.0))
    with pytest.raises(
        ValueError, match=r"project\(x\) must have the shape of x, \(\)\. Got \(2,\)"
    ):
        robbins_monro(lambda w: w, 0.0, steps=1, project=lambda w: np.array([w, w]))
    with pytest.raises(TypeError, match=r"project\(x\) must hold real numbers"):
        robbins_monro(lambda w: w, 0.0, steps=1, project=lambda w: None)
    assert robbins_monro(lambda w: w, [1.0], steps=1, project=lambda w: [2]).x == [2.0]
    with pytest.raises(ValueError, match=r"target must be a number or of the shape of x0, \(2,\)"):
        RobbinsMonro([0.0, 0.0], target=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="x0 must hold at least one number"):
        RobbinsMonro([])
    with pytest.raises(TypeError, match="steps must be an integer"):
        RobbinsMonro(0.0, steps=2.5)
    with pytest.raises(ValueError, match="noise must be not NaN"):
        robbins_monro(cubic, 0.0, steps=1, noise=math.nan)
    with pytest.raises(ValueError, match=r"hessian must be \(1, 1\)"):
        robbins_monro(lambda w: w, 0.0, steps=9, average="polyak", noise=1.0, random_state=0).ci(
            method="plug_in", hessian=np.eye(2)
        )
    with pytest.raises(ValueError, match="growth must be > 1"):
        Truncation(growth=1.0)
    with pytest.warns(GainWarning, match="does not settle"):
        robbins_monro(lambda w: w, 1.0, gain=0.1, steps=3)


def test_no_steps_and_odd_arrays() -> None:
    assert robbins_monro(cubic, 2.0, steps=0).x == 2.0
    start = np.arange(8, dtype=np.float32)[::2]
    search = RobbinsMonro(start).update(np.asfortranarray(start)[:])
    assert search.x.tolist() == [0.0, 0.0, 0.0, 0.0]
    assert start.tolist() == [0.0, 2.0, 4.0, 6.0]
    matrix = RobbinsMonro(np.ones((2, 3)), average="polyak").update(np.ones((2, 3)))
    assert matrix.averaged.shape == (2, 3)
    assert Truncation(2.0, 2.0).bound(5000) == math.inf
