"""Target statistics: the paper's formula row by row, the leak, and scikit-learn's face."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from drivetrain.ensemble import TargetStatistics, target_statistics
from drivetrain.ensemble.reference import target_statistics as reference


def table(seed, n=60, categories=6):
    rng = np.random.default_rng(seed)
    return rng.integers(0, categories, n), rng.normal(3, 2, n)


def near(n):
    # n sums of numbers below 2^4, each of which rounds once, in both ways of summing.
    return {"rtol": 0, "atol": 4 * n * 16 * 2.0**-52}


def test_golden():
    x, y = ["a", "b", "a", "a"], [1.0, 1.0, 0.0, 1.0]
    # P = 3/4: (2 + 3/4) / (3 + 1) and (1 + 3/4) / (1 + 1).
    assert target_statistics(x, y, "greedy").tolist() == [0.6875, 0.875, 0.6875, 0.6875]
    with pytest.warns(UserWarning, match="leak the target"):
        found = target_statistics(x, y, "leave_one_out")
    assert np.allclose(found, [1.75 / 3, 0.75, 2.75 / 3, 1.75 / 3], **near(4))


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 70), st.integers(1, 8), st.floats(0.01, 20))
def test_every_method_is_the_papers(seed, n, categories, a):
    x, y = table(seed, n, categories)
    near_ = near(n)
    near_["atol"] /= min(a, 1)
    told = target_statistics(x, y, "greedy", smoothing=a)
    assert np.allclose(told, reference.greedy(x, y, a), **near_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        told = target_statistics(x, y, "leave_one_out", smoothing=a)
    assert np.allclose(told, reference.leave_one_out(x, y, a), **near_)
    told = target_statistics(x, y, smoothing=a, permutations=3, random_state=seed)
    rng = np.random.default_rng(seed)
    orders = [reference.ordered(x, y, a, rng.permutation(n)) for _ in range(3)]
    assert np.allclose(told, np.mean(orders, axis=0), **near_)


def test_holdout_takes_each_part_from_the_other():
    x, y = table(4)
    told = target_statistics(x, y, "holdout", holdout=0.25, random_state=9)
    first = np.random.default_rng(9).permutation(60)[:15]
    rest = np.setdiff1d(np.arange(60), first)
    wanted = reference.holdout(x, y, 1.0, rest.tolist())
    assert np.allclose(told[first], wanted[first], **near(60))
    wanted = reference.holdout(x, y, 1.0, first.tolist())
    assert np.allclose(told[rest], wanted[rest], **near(60))


@pytest.mark.parametrize(("method", "leaks"), [("greedy", True), ("ordered", False),
                                              ("holdout", False)])  # fmt: skip
def test_a_category_a_row_leaks_unless_the_row_is_left_out(method, leaks):
    y = np.random.default_rng(0).normal(size=400)
    told = target_statistics(np.arange(400), y, method, random_state=0)
    assert (np.std(told) > 0) == leaks
    if leaks:
        assert np.corrcoef(told, y)[0, 1] > 0.999
    else:
        # Nothing but the prior is known of a category seen once.
        assert np.allclose(told, y.mean(), atol=1e-15, rtol=0)


def test_leave_one_out_separates_classes_where_all_rows_share_a_category():
    y = np.array([0.0, 1.0] * 50)
    with pytest.warns(UserWarning, match="leak"):
        told = target_statistics(["same"] * 100, y, "leave_one_out")
    assert told[y == 1].max() < told[y == 0].min()


def test_orders_say_less_as_they_are_averaged():
    x, y = table(1, 100, 3)
    spread = []
    for orders in (1, 16):
        told = [target_statistics(x, y, permutations=orders, random_state=k) for k in range(60)]
        spread.append(np.std(told, axis=0).mean())
    # A mean of 16 draws has a quarter of their deviation; 60 of them tell it to a tenth.
    assert 0.2 < spread[1] / spread[0] < 0.3


def test_the_same_seed_gives_the_same_bits():
    x, y = table(2)
    one, two = (target_statistics(x, y, random_state=3) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, target_statistics(x, y, random_state=4))


@pytest.mark.filterwarnings("ignore:leave_one_out statistics leak")
@pytest.mark.parametrize(
    ("method", "passed"),
    [("greedy", 46), ("holdout", 40), ("leave_one_out", 40), ("ordered", 40)],
)
def test_scikit_learns_checks(method, passed):
    found = check_estimator(
        TargetStatistics(method=method, random_state=0), on_fail=None, on_skip=None
    )
    status = [one["status"] for one in found]
    # Skipped: checks of the array API, and those that want fit_transform to be transform.
    assert status.count("failed") == status.count("xfail") == 0
    assert status.count("passed") >= passed


def test_unknown_categories_get_the_prior_and_known_ones_all_rows():
    frame = pd.DataFrame({"who": ["UA", "AA", "UA", None], "hour": [5, 5, 6, 7]})
    y = np.array([1.0, 2.0, 4.0, 7.0])
    encoder = TargetStatistics(method="ordered", random_state=0).fit(frame, y)
    new = pd.DataFrame({"who": ["UA", "XX", None], "hour": [5, 9, 6]})
    told = encoder.transform(new)
    prior = 3.5
    wanted = [
        [(5 + prior) / 3, (3 + prior) / 3],
        [prior, prior],
        [(7 + prior) / 2, (4 + prior) / 2],
    ]
    assert np.allclose(told, wanted, **near(4))
    assert encoder.get_feature_names_out().tolist() == ["who", "hour"]


def test_words_as_target_are_classes():
    x = [["a"], ["a"], ["b"], ["b"]]
    encoder = TargetStatistics(method="greedy").fit(x, ["no", "yes", "yes", "yes"])
    assert np.allclose(encoder.transform([["a"]]), (1 + 0.75) / 3)
    encoder = clone(encoder).fit(x, ["no", "yes", "maybe", "yes"])
    told = encoder.transform([["b"], ["new"]])
    assert told.shape == (2, 3) and np.allclose(told.sum(axis=1), 1)
    assert encoder.get_feature_names_out().tolist() == ["x0_maybe", "x0_no", "x0_yes"]


def test_it_stands_in_a_pipeline():
    x, y = table(3, 200)
    words = np.array(list("abcdef"), object)[x][:, None]
    told = make_pipeline(TargetStatistics(random_state=0), LinearRegression()).fit(words, y)
    assert told.predict(words).shape == (200,)


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"method": "orderd"}, "Did you mean 'ordered'"),
        ({"smoothing": 0}, "smoothing must be > 0. Got 0"),
        ({"permutations": 0}, "permutations must be >= 1. Got 0"),
        ({"holdout": 1.0}, "holdout must be > 0 and < 1. Got 1"),
        ({"y": [1.0, np.nan]}, "y must be finite"),
        ({"y": [1.0]}, "inconsistent numbers of samples"),
        ({"categories": [["a"], ["b"]]}, "categories must be 1-d"),
        ({"categories": [], "y": []}, "categories must have a row at least"),
    ],
)
def test_what_does_not_fit_is_named(given_, words):
    with pytest.raises(ValueError, match=words):
        target_statistics(**({"categories": ["a", "b"], "y": [1.0, 2.0]} | given_))


@pytest.mark.parametrize("method", ["greedy", "holdout", "ordered"])
def test_one_row_gets_the_prior(method):
    assert target_statistics(["a"], [2.0], method).tolist() == [2.0]


def test_fit_takes_no_more_than_it_knows():
    with pytest.raises(TypeError, match="fit takes X and y only"):
        TargetStatistics().fit_transform([["a"]], [1.0], weight=[1.0])
