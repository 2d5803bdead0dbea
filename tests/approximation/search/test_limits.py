"""What theory expects of the error, and what searches show."""

import math

import numpy as np
import pytest

from drivetrain.approximation import Gain
from drivetrain.approximation.search import (
    SPSA,
    Box,
    Truncation,
    averaged_limit,
    difference_limit,
    kiefer_wolfowitz,
    linear_mean_square,
    quadratic_spsa_mean_square,
    robbins_monro,
    robbins_monro_limit,
    simulate,
    simulate_minimum,
)

R = 4000
# A mean of R squares of normals has a relative standard error of sqrt(2/R) = 2.2 %; four of those.
MONTE_CARLO = 4.0 * math.sqrt(2.0 / R)
SIXTH = 1.0 / 6.0


def ratio(x: np.ndarray, expected: float) -> float:
    return float(np.mean(x**2)) / expected


@pytest.mark.parametrize("a", [1.0, 2.0, 0.6])
def test_robbins_monro_has_its_mean_square(a: float) -> None:
    n = 1000
    exact = linear_mean_square(Gain(a), n, slope=1.0, noise=1.0, start=1.0)
    study = simulate(lambda w: w, 1.0, steps=n, replicas=R, gain=Gain(a), random_state=0)
    assert ratio(study.x, exact[-1]) == pytest.approx(1.0, abs=MONTE_CARLO)


def test_averages_have_the_least_mean_square() -> None:
    n = 5000
    study = simulate(
        lambda w: 2.0 * w, 0.0, steps=n, replicas=R, gain=Gain(0.5, 0.7), average="polyak",
        random_state=0,
    )  # fmt: skip
    # Away from the limit by O(n^-(1-α)·...): 3 % at n = 5000, on top of the sampling error.
    limit = averaged_limit(slope=2.0, noise=1.0).mean_square
    assert ratio(study.x, limit / n) == pytest.approx(1.0, abs=MONTE_CARLO + 0.03)


def test_kiefer_wolfowitz_has_its_mean_square() -> None:
    n, gain, width = 1000, Gain(1.0), Gain(1.0, SIXTH)
    exact = linear_mean_square(gain, n, slope=1.0, noise=1.0, start=1.0, width=width)
    study = simulate_minimum(
        lambda w: w * w / 2, 1.0, steps=n, replicas=R, gain=gain, width=width,
        noise_and_seed=(1.0, 0),
    )  # fmt: skip
    assert ratio(study.x, exact[-1]) == pytest.approx(1.0, abs=MONTE_CARLO)


def test_spsa_has_its_mean_square() -> None:
    n, gain, width, h = 1000, Gain(1.0), Gain(1.0, SIXTH), np.array([1.0, 2.0, 0.5])
    exact = quadratic_spsa_mean_square(
        gain, width, n, curvatures=h, noise=1.0, start=np.array([1.0, 0.0, -1.0])
    )
    study = simulate_minimum(
        lambda w: np.sum(h * w * w, axis=-1) / 2, [1.0, 0.0, -1.0], steps=n, replicas=R,
        method="spsa", gain=gain, width=width, noise_and_seed=(1.0, 0),
    )  # fmt: skip
    assert np.mean(study.x**2, axis=0) / exact[-1] == pytest.approx(1.0, abs=MONTE_CARLO)


def test_kiefer_wolfowitz_has_its_bias() -> None:
    """f = e^w - w has f'' = f''' = 1 at 0, so a mean error of about -a·c²/6/(a - 1/3)·n^(-1/3)."""
    n, a, c = 2000, 1.0, 1.0
    limit = difference_limit(a, c, slope=1.0, noise=0.2, third=1.0)
    study = simulate_minimum(
        lambda w: np.exp(w) - w, 0.0, steps=n, replicas=R, gain=Gain(a), width=Gain(c, SIXTH),
        noise_and_seed=(0.2, 0),
    )  # fmt: skip
    scaled = study.x * n ** (1 / 3)
    # Next order: μ² and c^4·f^(5) terms, of relative size n^(-1/3) = 8 %, twice.
    assert scaled.mean() == pytest.approx(limit.bias, rel=0.17)
    assert scaled.var() == pytest.approx(limit.variance, rel=0.17)


def test_exact_mean_squares_reach_their_limits() -> None:
    n = 50_000
    for a in (1.0, 2.0):
        exact = linear_mean_square(Gain(a), n, slope=1.0, noise=1.0, start=1.0)[-1]
        limit = robbins_monro_limit(a, slope=1.0, noise=1.0).mean_square
        assert n * exact == pytest.approx(limit, rel=1e-4)
    # ab = .6: the bias decays like n^-.2 = 11 % at n = 5e4, and is the whole difference.
    slow = linear_mean_square(Gain(0.6), n, slope=1.0, noise=1.0, start=0.0)[-1]
    limit = robbins_monro_limit(0.6, slope=1.0, noise=1.0).mean_square
    assert 0.84 < n * slow / limit < 0.94
    width = Gain(0.7, SIXTH)
    exact = linear_mean_square(Gain(1.5), n, slope=1.0, noise=2.0, start=1.0, width=width)[-1]
    limit = difference_limit(1.5, 0.7, slope=1.0, noise=2.0).mean_square
    assert n ** (2 / 3) * exact == pytest.approx(limit, rel=1e-3)
    h = np.array([1.0, 3.0])
    exact = quadratic_spsa_mean_square(
        Gain(1.5), width, n, curvatures=h, noise=2.0, start=np.ones(2)
    )[-1]
    limits = [difference_limit(1.5, 0.7, slope=b, noise=2.0).mean_square for b in h]
    assert n ** (2 / 3) * exact == pytest.approx(limits, rel=1e-3)


def test_log_log_slopes() -> None:
    """MSE falls like n^-1 and n^(-2/3), here without Monte Carlo error."""
    n = np.array([10**4, 10**5])
    rm = linear_mean_square(Gain(1.0), 10**5, slope=1.0, noise=1.0)[n]
    kw = linear_mean_square(Gain(1.0), 10**5, slope=1.0, noise=1.0, width=Gain(1, SIXTH))[n]
    assert math.log10(rm[1] / rm[0]) == pytest.approx(-1.0, abs=0.001)
    assert math.log10(kw[1] / kw[0]) == pytest.approx(-2 / 3, abs=0.001)


def test_limits_name_bad_input() -> None:
    with pytest.raises(ValueError, match=r"noise must be >= 0\. Got nan"):
        robbins_monro_limit(1.0, slope=1.0, noise=math.nan)
    with pytest.raises(TypeError, match="noise must be a real number"):
        averaged_limit(slope=1.0, noise="a")
    with pytest.raises(TypeError, match="slope must be a real number"):
        linear_mean_square(1.0, 2, slope="a", noise=0.0)
    with pytest.raises(ValueError, match="curvatures and start must have the same length"):
        quadratic_spsa_mean_square(1.0, 1.0, 2, curvatures=[1.0], noise=0.0, start=[1.0, 2.0])


def test_limits_refuse_what_is_slower() -> None:
    with pytest.raises(ValueError, match=r"a\*slope must be > 0.5"):
        robbins_monro_limit(0.5, slope=1.0, noise=1.0)
    with pytest.raises(ValueError, match=r"a\*slope must be > 0.3333"):
        difference_limit(0.3, 1.0, slope=1.0, noise=1.0)


# A study is many searches.


@pytest.mark.parametrize("x0", [0.5, np.array([0.5, -1.0])])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"average": "suffix"},
        {"project": Box(-0.6, 0.6), "target": 0.25},
        {"truncate": Truncation(0.8, 1.1), "sign": -1},
    ],
)
def test_a_study_equals_its_searches(x0, options) -> None:
    f = lambda w: 2.0 * w * w * w + w  # noqa: E731
    options = {"gain": Gain(0.3, 0.7), "limit": 50.0, **options}
    study = simulate(f, x0, steps=300, replicas=range(5), keep_path=True, **options)
    for seed in range(5):
        if study.diverged[seed]:
            continue
        r = robbins_monro(f, x0, steps=300, noise=1.0, random_state=seed, **options)
        assert np.array_equal(r.path, study.path[:, seed])
        assert np.array_equal(r.x, study.x[seed])
        assert r.truncations == study.truncations[seed]


def test_differences_side_by_side_equal_single_searches() -> None:
    f = lambda w: np.sum(w**4, axis=-1) + w[..., 0]  # noqa: E731
    options = {"gain": Gain(0.1, 0.8), "width": Gain(0.3, SIXTH)}
    study = simulate_minimum(
        f, [1.0, 0.5], steps=50, replicas=3, noise_and_seed=(0.0, 0), **options
    )
    one = kiefer_wolfowitz(f, [1.0, 0.5], steps=50, **options)
    assert study.x == pytest.approx(np.tile(one.x, (3, 1)), rel=1e-12)
    study = simulate_minimum(
        f, [1.0, 0.5], steps=50, replicas=1, method="spsa", noise_and_seed=(0.0, 9), **options
    )
    search = SPSA([1.0, 0.5], random_state=9, **options)
    assert search.run(f, 50).x == pytest.approx(study.x[0], rel=1e-9)


def test_diverged_searches_stand_still_and_others_go_on() -> None:
    study = simulate(
        lambda w: w**3, 1.5, steps=200, replicas=50, gain=Gain(0.8), noise=1.0, random_state=0,
        keep_path=True, limit=100.0,
    )  # fmt: skip
    for i in np.flatnonzero(study.diverged):
        at = study.diverged_at[i]
        assert abs(study.path[at, i]) > 150.0
        assert np.all(study.path[at:, i] == study.path[at, i])
        assert np.all(np.abs(study.path[:at, i]) <= 150.0)
    assert 0 < study.diverged.sum() < 50
    assert np.all(np.isfinite(study.x[~study.diverged]))


def test_bad_studies_are_named() -> None:
    for replicas in (0, -1, []):
        with pytest.raises(ValueError, match="replicas must be >= 1"):
            simulate(lambda w: w, 0.0, steps=3, replicas=replicas)
    with pytest.raises(ValueError, match=r"f\(x\) must have shape \(4,\) here\. Got \(4, 1\)"):
        simulate(lambda w: w[:, None], 0.0, steps=3, replicas=4)
    with pytest.raises(ValueError, match=r"f\(x\) must have shape \(2, 4\) here\. Got \(\)"):
        simulate_minimum(lambda w: 3.0, 0.0, steps=3, width=1.0, replicas=4)
    with pytest.raises(ValueError, match="project must be a Box in a study"):
        simulate(lambda w: w, 0.0, steps=3, project=lambda w: w)
    with pytest.raises(TypeError, match="noise must be a real number"):
        simulate(lambda w: w, 0.0, steps=3, noise=lambda rng, w: 0.0)
    assert simulate(lambda w: w, 0.0, steps=3, replicas=np.arange(3)).x.shape == (3,)
    assert simulate(lambda w: w, 0.0, steps=3, replicas=np.int64(3), random_state=0).x.shape == (3,)
    with pytest.raises(ValueError, match="sign must be 1 or -1 in a study"):
        simulate(lambda w: w, 0.0, steps=3, sign="auto")
    with pytest.raises(ValueError, match="method must be one of"):
        simulate_minimum(lambda w: w, 0.0, steps=3, method="newton", width=1.0)
