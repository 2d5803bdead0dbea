"""Kiefer-Wolfowitz and SPSA: the equations, the faces, the advice."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation import Gain, GainWarning
from drivetrain.approximation.search import (
    SPSA,
    Box,
    Curvature,
    DivergenceError,
    KieferWolfowitz,
    check_widths,
    gradient_descent,
    kiefer_wolfowitz,
    ode_path,
    reference,
    robbins_monro,
    simulate,
    spsa,
    spsa_gains,
)

H = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
CENTRE = np.array([1.0, -1.0, 2.0])


def bowl(w):
    return float((w - CENTRE) @ H @ (w - CENTRE) / 2 + 0.1 * np.sum((w - CENTRE) ** 4))


GAIN, WIDTH = Gain(0.2, 0.8, 5.0), Gain(0.3, 1 / 6)


def test_kiefer_wolfowitz_equals_the_equations() -> None:
    r = kiefer_wolfowitz(bowl, np.zeros(3), steps=40, gain=GAIN, width=WIDTH)
    expected = reference.kiefer_wolfowitz(bowl, np.zeros(3), GAIN, WIDTH, 40)
    assert r.path == pytest.approx(np.array(expected), rel=1e-13, abs=1e-13)


@given(seed=st.integers(0, 2**32), p=st.integers(1, 6))
@settings(deadline=None, max_examples=25)
def test_spsa_equals_the_equations(seed: int, p: int) -> None:
    f = lambda w: float(np.sum(np.arange(1, p + 1) * (w - 1.0) ** 2) + w[0] ** 3 / 9)  # noqa: E731
    search, used = SPSA(np.zeros(p), gain=GAIN, width=WIDTH, random_state=seed), []
    path = [search.x]
    for _ in range(20):
        points = search.points()
        assert np.array_equal(points, search.points())
        used.append(np.sign(points[0] - points[1]))
        path.append(search.update([f(w) for w in points]).x)
    expected = reference.spsa(f, np.zeros(p), GAIN, WIDTH, used)
    # The difference of two values of size <= 100 is right to 1e-14, over 2c >= .3; 20 steps.
    assert np.array(path) == pytest.approx(np.array(expected), rel=1e-11, abs=1e-11)
    assert np.all(np.abs(used) == 1.0)


def test_second_order_equals_spalls_hessian() -> None:
    search = SPSA(
        np.zeros(3), gain=GAIN, width=WIDTH, curvature=Curvature(initial=2.0), random_state=0
    )
    average = 2.0 * np.eye(3)
    for k in range(1, 15):
        points, x, c = search.points(), search.x, WIDTH(k)
        delta, tilde = (points[0] - x) / c, (points[2] - points[0]) / c
        average = k / (k + 1) * average + reference.adaptive_spsa_hessian(
            bowl, x, c, delta, tilde
        ) / (k + 1)
        gradient = (bowl(points[0]) - bowl(points[1])) / (2 * c * delta)
        root = np.linalg.cholesky(average @ average + 1e-6 / k * np.eye(3))
        assert root.shape == (3, 3)
        values, vectors = np.linalg.eigh(average @ average + 1e-6 / k * np.eye(3))
        step = vectors @ np.diag(values**-0.5) @ vectors.T @ gradient
        search.update([bowl(w) for w in points])
        # Second differences lose 1e-15·100/c², c >= .2; the inverse another factor of about 100.
        assert search.curvature.hessian == pytest.approx(average, rel=1e-9, abs=1e-10)
        assert search.x == pytest.approx(x - GAIN(k) * step, rel=1e-7, abs=1e-7)


def test_the_running_hessian_approaches_the_hessian() -> None:
    quadratic = lambda w: float((w - CENTRE) @ H @ (w - CENTRE) / 2)  # noqa: E731
    search = SPSA(
        np.zeros(3), gain=Gain(1.0, 0.8, 20), width=WIDTH, curvature=Curvature(warmup=200),
        random_state=0,
    )  # fmt: skip
    search.run(quadratic, 6000, random_state=1)
    # An entry of Ĥ_k has a deviation of about the sum of the off-diagonals, 3; averaged, .04.
    assert search.curvature.hessian == pytest.approx(H, abs=0.2)
    assert search.x == pytest.approx(CENTRE, abs=1e-3)


def test_second_order_beats_first_order_on_a_valley() -> None:
    scales = np.array([1.0, 100.0])
    f = lambda w: float(np.sum(scales * w**2) / 2)  # noqa: E731
    start, options = np.array([2.0, 0.5]), {"steps": 800, "noise": 0.01, "random_state": 0}
    options["project"] = Box(-3.0, 3.0)
    first = spsa(f, start, gain=Gain(0.02, 0.602, 80), width=Gain(0.1, 0.101), **options)
    second = spsa(
        f, start, gain=Gain(1.0, 0.602, 80), width=Gain(0.1, 0.101),
        second_order=Curvature(initial=100.0, warmup=100),
        **options,
    )  # fmt: skip
    assert f(second.x) < f(first.x) / 10


@pytest.mark.parametrize("search", [kiefer_wolfowitz, spsa])
def test_a_maximum_by_sign(search) -> None:
    r = search(
        lambda w: -((w - 1.0) ** 2), 0.0, steps=500, sign=-1, gain=Gain(0.5), noise=0.1,
        width=Gain(0.5, 1 / 6), random_state=0,
    )  # fmt: skip
    assert abs(r.x - 1.0) < 0.1
    assert isinstance(r.x, float)
    assert r.observations.shape == (500,)


def test_projection_and_divergence_reach_through() -> None:
    with pytest.raises(DivergenceError):
        kiefer_wolfowitz(lambda w: w**4, 20.0, steps=50)
    r = kiefer_wolfowitz(lambda w: w**4, 2.0, steps=300, project=Box(-2.0, 2.0))
    assert abs(r.x) < 0.3
    with pytest.raises(DivergenceError):
        spsa(lambda w: math.exp(abs(w)), 800.0, steps=5)


@pytest.mark.parametrize("kind", ["kw", "spsa", "2spsa"])
def test_resume_equals_the_uninterrupted_run(kind: str) -> None:
    def make():
        options = {"gain": GAIN, "width": WIDTH, "average": "polyak"}
        if kind == "kw":
            return KieferWolfowitz(np.zeros(3), **options)
        curvature = Curvature(initial=3.0) if kind == "2spsa" else None
        return SPSA(np.zeros(3), random_state=4, curvature=curvature, **options)

    whole, part = make(), make()
    for k in range(40):
        points = whole.points()
        assert np.array_equal(points, part.points())
        if k % 7 == 3:  # between the question and the answer, the worst moment
            state = json.loads(json.dumps(part.state_dict(), default=np.ndarray.tolist))
            part = type(part).from_state(state)
            assert np.array_equal(points, part.points())
        values = [bowl(w) for w in points]
        whole.update(values)
        part.update(values)
    assert np.array_equal(whole.x, part.x)
    assert np.array_equal(whole.root.averaged, part.root.averaged)


def test_states_are_told_apart() -> None:
    state = KieferWolfowitz(0.0, width=lambda k: 1 / k**0.2).state_dict()
    with pytest.raises(ValueError, match="Not an SPSA state"):
        SPSA.from_state(state)
    with pytest.raises(ValueError, match="pass width= again"):
        KieferWolfowitz.from_state(state)
    assert KieferWolfowitz.from_state(state, width=lambda k: 1 / k**0.2).k == 0
    with pytest.raises(ValueError, match="Not a KieferWolfowitz state"):
        KieferWolfowitz.from_state(SPSA(0.0).state_dict())


def test_same_seed_same_bits() -> None:
    options = {"steps": 100, "noise": 1.0, "gain": GAIN, "width": WIDTH}
    runs = [spsa(bowl, np.zeros(3), random_state=s, **options).x for s in (0, 0, 1)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_widths_are_checked() -> None:
    report = check_widths(Gain(alpha=0.602), Gain(alpha=0.101))
    assert report.ok
    assert check_widths(Gain(alpha=1.0), Gain(alpha=1 / 6)).ok
    with pytest.warns(GainWarning, match="stays"):
        assert not check_widths(Gain(), 0.1).ok
    with pytest.warns(GainWarning, match=r"sum a_k\^2/c_k\^2 = inf"):
        assert not check_widths(Gain(alpha=0.6), Gain(alpha=0.2)).ok
    assert check_widths(lambda k: 1 / k, 0.1) is None


def test_gains_from_a_pilot_run() -> None:
    f = lambda w: float(np.sum(50.0 * (w - 1.0) ** 2))  # noqa: E731
    x0 = np.full(4, 3.0)
    advice = spsa_gains(f, x0, steps=2000, move=0.05, noise=0.5, random_state=0)
    assert (advice.gain.alpha, advice.width.alpha, advice.gain.A) == (0.602, 0.101, 200.0)
    # Twenty values know a standard deviation to 16 %, the slope of 200 to 1/sqrt(20)·sqrt(3).
    assert advice.noise == pytest.approx(0.5, rel=0.5)
    assert advice.width.a == advice.noise
    assert advice.slope == pytest.approx(200.0, rel=0.8)
    assert advice.gain.at(1) * advice.slope == pytest.approx(0.05, rel=1e-12)
    assert advice.evaluations == 60
    r = spsa(f, x0, steps=2000, noise=0.5, random_state=1, **advice.options())
    assert r.x == pytest.approx(np.ones(4), abs=0.05)
    calm = spsa_gains(f, x0, steps=100, move=0.1, random_state=0)
    assert calm.width.a == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: spsa_gains(lambda w: 1.0, 0.0, steps=10), "f must vary near x0"),
        (lambda: spsa_gains(lambda w: math.nan, 0.0, steps=10), "values at x0 must be finite"),
        (lambda: spsa_gains(abs, 0.0, steps=0), "steps must be >= 1"),
        (lambda: spsa_gains(abs, 0.0, steps=9, move=0.0), "move must be > 0"),
        (lambda: KieferWolfowitz(np.zeros((2, 2))), "number or a vector"),
        (lambda: KieferWolfowitz(0.0).update([1.0, 2.0, 3.0]), "one value for each of the 2"),
        (lambda: SPSA([0.0, 0.0]).update([1.0, 2.0]), "must follow points"),
        (lambda: spsa(lambda w: math.nan, 0.0, steps=3), "NaN at step 1"),
        (lambda: kiefer_wolfowitz(abs, 0.0, width=-1.0), "must be > 0"),
        (lambda: spsa(abs, 0.0, gian=Gain()), "Did you mean 'gain'"),
        (lambda: Curvature(regularization=0.0), "regularization must be > 0"),
    ],
)
def test_bad_input_is_named(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_a_curvature_serves_one_search() -> None:
    curvature = Curvature()
    SPSA([0.0, 0.0], curvature=curvature)
    with pytest.raises(ValueError, match="belongs to another search"):
        SPSA([0.0, 0.0], curvature=curvature)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: spsa(3.0, 0.0), "f must be a function. Got float"),
        (lambda: robbins_monro(None, 0.0), "f must be a function. Got NoneType"),
        (lambda: simulate("x", 0.0, steps=1), "f must be a function. Got str"),
        (lambda: gradient_descent([1.0], 0.0, gradient=1), "gradient must be a function"),
        (lambda: ode_path(1.0, 0.0, [0.0]), "g must be a function"),
        (lambda: spsa(lambda w: None, 0.0, steps=1), "f.x. must hold real numbers"),
        (lambda: spsa(abs, 0.0, second_order="yes"), "second_order must be True, False or"),
        (lambda: spsa(abs, 0.0, steps="9"), "steps must be an integer"),
        (lambda: kiefer_wolfowitz(abs, 0.0, noise="a"), "noise must be a real number"),
    ],
)
def test_what_is_no_function_is_named(call, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call()


def test_a_value_is_one_number() -> None:
    with pytest.raises(ValueError, match=r"f\(x\) must be 0-d. Got shape \(2,\)"):
        kiefer_wolfowitz(lambda w: w, np.zeros(2), steps=1)
    whole = kiefer_wolfowitz(lambda w: int(w > 0), 0.5, steps=5, keep_path=False)
    assert whole.path is None
    assert spsa(abs, 1.0, steps=5, keep_path=False, random_state=0).observations is None


def test_intervals_of_a_minimum() -> None:
    """On a quadratic two-sided differences have no bias, so averages are centred on the root."""
    hits = dict.fromkeys(("random_scaling", "batch_means", "plug_in"), 0)
    for seed in range(60):
        r = spsa(
            lambda w: float((w - 1.0) @ (w - 1.0)), np.zeros(2), steps=1500, noise=0.5,
            random_state=seed, gain=Gain(0.2, 0.6, 10.0), width=Gain(0.5, 0.05), average="tail",
        )  # fmt: skip
        for method in hits:
            hessian = 2.0 * np.eye(2) if method == "plug_in" else None
            hits[method] += int(r.ci(0.95, method, hessian=hessian).contains([1.0, 1.0]).sum())
    # Binomial(120, .95) lies below 106 with probability 0.2 %; short runs cost some percent.
    assert all(count >= 104 for count in hits.values()), hits
