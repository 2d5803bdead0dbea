"""The streaming covariance matrix: the vector loop, the matrix products, merging, state."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation.streams import Covariance
from drivetrain.approximation.streams import reference as ref
from drivetrain.approximation.streams.covariance import _numba
from drivetrain.core.errors import CheckpointError

# Golden values.


def test_three_points_by_hand() -> None:
    s = Covariance().update([[1.0, 2.0], [2.0, 1.0], [6.0, 9.0]])
    assert s.mean.tolist() == [3.0, 4.0]
    assert s.cov.tolist() == [[7.0, 11.0], [11.0, 19.0]]
    assert s.corr[0, 1] == pytest.approx(11 / math.sqrt(7 * 19), rel=1e-15)
    assert (s.count, s.weight, s.get().shape) == (3, 3.0, (2, 2))


def test_an_offset_of_1e9_costs_no_digit() -> None:
    x = 1e9 + np.random.default_rng(0).standard_normal((20000, 2)) @ [[1.0, 0.5], [0.0, 1.0]]
    parts = [[Fraction(v) for v in column] for column in x.T.tolist()]
    means = [sum(column) / len(column) for column in parts]
    cross = sum((a - means[0]) * (b - means[1]) for a, b in zip(*parts)) / len(x)
    got = Covariance(ddof=0).update(x).cov[0, 1]
    assert abs(Fraction(float(got)) / cross - 1) <= 1e-14


# The kernel against its plain twin and the reference.


@pytest.mark.parametrize("p", range(1, 9))
@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 63, 64, 1000])
def test_vector_loop_equals_the_plain_loop(p: int, n: int) -> None:
    rng = np.random.default_rng(p * 1000 + n)
    # A guard of NaN right behind the rows: reading it would show in no lane that counts.
    room = np.full(n * p + 8, np.nan)
    room[: n * p] = rng.integers(-50, 50, n * p)
    x, centre = room[: n * p].reshape(n, p), rng.integers(-5, 5, p).astype(float)
    s, c, s2, c2 = np.zeros(p), np.zeros((p, p)), np.zeros(p), np.zeros((p, p))
    _numba.vector_products(x, centre, np.empty(8), np.empty((6, 8)), s, c)
    _numba.plain_products(x, centre, s2, c2)
    # Whole numbers, so no order of summing rounds.
    np.testing.assert_array_equal(s, s2)
    np.testing.assert_array_equal(c, c2)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 300), st.booleans(), st.integers(0, 99))
def test_equals_reference(p: int, n: int, weighted: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((n, p)) + 3, rng.random(n) + 0.1 if weighted else None
    s = Covariance(ddof=0).update(x, weights=w)
    mean, comoment = ref.covariance(x, w)
    np.testing.assert_allclose(s.mean, mean, rtol=1e-13)
    # n terms of size 10 at most, each rounded a few times.
    np.testing.assert_allclose(s.cov * s.weight, comoment, rtol=1e-12, atol=1e-13 * n)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 10), st.integers(0, 99))
def test_merge_is_associative_and_commutative(p: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = [rng.standard_normal((rng.integers(1, 50), p)) + rng.normal() for _ in range(3)]
    a, b, c = (Covariance(p, ddof=0).update(block) for block in blocks)
    d, e, f = (Covariance(p, ddof=0).update(block) for block in blocks)
    left, right = a.merge(b).merge(c), f.merge(e.merge(d))
    np.testing.assert_allclose(left.cov, right.cov, rtol=1e-13, atol=5e-15)
    whole = Covariance(p, ddof=0).update(np.concatenate(blocks))
    np.testing.assert_allclose(left.cov, whole.cov, rtol=1e-13, atol=5e-15)
    assert left.count == whole.count


@pytest.mark.parametrize("p", [2, 9])
def test_batch_equals_the_loop(p: int) -> None:
    x = np.random.default_rng(1).standard_normal((3000, p)) + 1
    loop, rows = Covariance(p), Covariance()
    for row in x:
        loop.update(tuple(row.tolist()))
        rows.update(row)
    whole = Covariance().update(x)
    # Blocks reorder the sums.
    np.testing.assert_allclose(loop.cov, whole.cov, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(rows.cov, whole.cov, rtol=1e-12, atol=1e-14)
    assert loop.count == rows.count == 3000


def test_whole_weights_repeat_rows() -> None:
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((500, 3)), rng.integers(0, 3, 500)
    got = Covariance().update(x, weights=w)
    np.testing.assert_allclose(got.cov, np.cov(np.repeat(x, w, axis=0).T), rtol=1e-12)
    assert got.count == np.count_nonzero(w)


# State and edges.


@pytest.mark.parametrize("p", [3, 9])
def test_resuming_continues_to_the_bit(tmp_path, p: int) -> None:
    x = np.random.default_rng(3).standard_normal((500, p))
    through = Covariance().update(x[:100]).update(tuple(x[100].tolist())).update(x[101:])
    Covariance().update(x[:100]).update(tuple(x[100].tolist())).save(tmp_path)
    assert np.array_equal(Covariance.load(tmp_path).update(x[101:]).cov, through.cov)


@pytest.mark.parametrize("p", [2, 9])
def test_nan_policies(p: int) -> None:
    x = np.random.default_rng(4).standard_normal((50000, p))
    stream = Covariance().update(x)
    before = stream.cov
    bad = x.copy()
    bad[40000, 1], bad[45000, 0] = math.nan, math.inf
    with pytest.raises(ValueError, match=r"Got nan at position \(40000, 1\)"):
        stream.update(bad)
    with pytest.raises(ValueError, match=r"Got inf at position \(0, 0\)"):
        stream.update(tuple([math.inf] * p))
    assert np.array_equal(stream.cov, before) and stream.count == 50000
    good = bad[np.isfinite(bad).all(axis=1)]
    omit = Covariance(nan_policy="omit").update(bad)
    np.testing.assert_allclose(omit.cov, np.cov(good.T), rtol=1e-11, atol=1e-13)
    assert omit.count == len(good)
    assert np.isnan(Covariance(nan_policy="propagate").update(bad).cov[0, 1])


def test_empty_one_row_and_a_constant_column() -> None:
    with pytest.warns(RuntimeWarning, match="empty stream"):
        assert np.isnan(Covariance(2).mean).all()
    with pytest.warns(RuntimeWarning, match="weight above ddof=1"):
        assert np.isnan(Covariance().update([1.0, 2.0]).cov).all()
    with pytest.warns(RuntimeWarning, match="does not vary"):
        corr = Covariance().update([[1.0, 2.0], [1.0, 3.0]]).corr
    assert np.isnan(corr[0, 1]) and corr[1, 1] == pytest.approx(1.0, rel=1e-15)


def test_strides_dtypes_and_iterators() -> None:
    x = np.random.default_rng(5).integers(0, 9, (4000, 3))
    want = np.cov(x.T)
    for given_x in (x, x.astype(np.float32), np.asfortranarray(x), iter(np.array_split(x, 5))):
        np.testing.assert_allclose(Covariance().update(given_x).cov, want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(Covariance().update(x[::-2, ::2]).cov, np.cov(x[::-2, ::2].T))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Covariance(0), ValueError, "columns must be >= 1"),
        (lambda: Covariance(2).update((1.0, "a")), TypeError, "real numbers"),
        (lambda: Covariance(2).update((1.0, 2.0, 3.0)), ValueError, r"\(n, 2\)"),
        (lambda: Covariance(2).update(np.ones((4, 3))), ValueError, r"\(4, 3\)"),
        (lambda: Covariance(2).update(np.ones((4, 2)), weights=-1), ValueError, "position 0"),
        (lambda: Covariance(2).merge(Covariance(3).update((1.0, 2.0, 3.0))), ValueError, "2"),
        (lambda: Covariance(2).merge(0), TypeError, "int"),
        (lambda: Covariance.from_state({}), CheckpointError, "Missing: columns"),
    ],
)
def test_hostile_input_gets_one_line(call, error, words) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.peer
def test_agrees_with_river() -> None:
    stats = pytest.importorskip("river.stats")
    ours, theirs = Covariance(2), stats.Cov()
    for a, b in np.random.default_rng(6).standard_normal((300, 2)).tolist():
        ours.update((a, b))
        theirs.update(a, b)
    assert ours.cov[0, 1] == pytest.approx(theirs.get(), rel=1e-11)
