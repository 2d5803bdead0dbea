"""One-side sampling: the article's factor, unbiased sums, and rates that do not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.ensemble import goss_sample
from drivetrain.ensemble.reference import goss as reference


def test_the_factor_is_the_articles():
    g = np.random.default_rng(0).normal(size=1000)
    rows, factors = goss_sample(g, 0.2, 0.1, random_state=0)
    assert len(rows) == 300 and (factors == 1).sum() == 200
    assert set(factors) == {1.0, reference.factor(0.2, 0.1)} == {1.0, 8.0}
    # With a n and b n whole, what the rows stand for is all of them.
    assert factors.sum() == 1000


@settings(max_examples=40)
@given(
    st.integers(0, 2**31), st.integers(1, 200), st.floats(0, 1), st.floats(0.01, 1), st.booleans()
)
def test_kept_are_the_largest_and_drawn_are_of_the_others(seed, n, a, b, tied):
    b = min(b, 1 - a)
    if b <= 0:
        a, b = 1.0, 0.0
    g = np.random.default_rng(seed).normal(size=n)
    g = np.round(g) if tied else g
    rows, factors = goss_sample(g, a, b, random_state=seed)
    assert (np.diff(rows) > 0).all() and rows.min() >= 0 and rows.max() < n
    top = max(1, int(a * n * (1 + 2.0**-50))) if a else 0
    large, rest = reference.split_rows(g, top)
    assert set(large) <= set(rows)
    drawn = np.setdiff1d(rows, large)
    assert set(drawn) <= set(rest)
    assert (factors[np.isin(rows, large)] == 1).all()
    if a < 1:
        assert (factors[np.isin(rows, drawn)] == reference.factor(a, b)).all()
        assert len(drawn) == min(max(1, int(b * n * (1 + 2.0**-50))), n - top)


def test_sums_are_unbiased():
    rng = np.random.default_rng(1)
    g = rng.standard_t(3, size=400)
    part = rng.random(400) < 0.3
    times, sums = 4000, []
    stream = np.random.default_rng(2)
    for _ in range(times):
        rows, factors = goss_sample(g, 0.1, 0.2, stream)
        sums.append((g[rows] * factors)[part[rows]].sum())
    # Five standard errors of the mean.
    assert abs(np.mean(sums) - g[part].sum()) < 5 * np.std(sums) / times**0.5


def test_the_variance_is_below_that_of_uniform_rows():
    g = np.random.default_rng(3).standard_t(2, size=1000)
    spread = []
    for a, b in ((0.2, 0.1), (0.0, 0.3)):
        stream = np.random.default_rng(4)
        sums = []
        for _ in range(300):
            rows, factors = goss_sample(g, a, b, stream)
            sums.append((g[rows] * factors).sum())
        spread.append(np.std(sums))
    assert spread[0] < spread[1] / 2


def test_the_same_seed_draws_the_same_rows():
    g = np.random.default_rng(0).normal(size=(50, 3))
    one, two = (goss_sample(g, 0.1, 0.3, random_state=7) for _ in range(2))
    assert np.array_equal(one.rows, two.rows)
    assert not np.array_equal(one.rows, goss_sample(g, 0.1, 0.3, random_state=8).rows)


def test_several_outputs_are_ranked_by_their_sizes_together():
    g = np.array([[1.0, -1.0], [1.5, 0.0], [0.1, 0.1]])
    assert goss_sample(g, 0.34, 0.3, 0).rows[0] == 0


@pytest.mark.parametrize(
    ("a", "b", "counts"),
    [(1.0, 0.0, (10, 0)), (0.0, 1.0, (0, 10)), (0.5, 0.5, (5, 5)), (0.01, 0.01, (1, 1))],
)
def test_rates_at_the_edges(a, b, counts):
    rows, factors = goss_sample(np.arange(10.0), a, b, random_state=0)
    kept = len(rows) if a == 1 else int((rows >= 10 - counts[0]).sum()) if a else 0
    assert len(rows) == sum(counts) and kept >= counts[0]
    assert factors.max() == (1.0 if b == 0 else (1 - a) / b)


def test_one_row_and_a_share_that_is_no_binary_fraction():
    assert goss_sample([3.0], 0.2, 0.1).rows.tolist() == [0]
    # 0.29 * 100 is 28.999999999999996 in float64.
    assert (goss_sample(np.arange(100.0), 0.29, 0.01, 0).factors == 1).sum() == 29


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"top_rate": 0.6, "other_rate": 0.5}, r"top_rate \+ other_rate must be <= 1. Got 0.6"),
        ({"top_rate": -0.1}, "top_rate must be >= 0 and <= 1. Got -0.1"),
        ({"other_rate": 1.1}, "other_rate must be >= 0 and <= 1. Got 1.1"),
        ({"top_rate": 0.5, "other_rate": 0}, "other_rate must be > 0 unless top_rate is 1"),
        ({"gradients": []}, "gradients must have a row at least"),
        ({"gradients": [1.0, np.nan]}, "gradients must be finite. Got nan at position 1"),
        ({"gradients": np.zeros((2, 2, 2))}, "gradients must be 1-d or 2-d"),
    ],
)
def test_what_does_not_fit_is_named(given_, words):
    with pytest.raises(ValueError, match=words):
        goss_sample(**({"gradients": [1.0, 2.0, 3.0]} | given_))
