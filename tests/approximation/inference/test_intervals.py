"""Random scaling, batch means and plug-in against their definitions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation.inference import (
    BatchMeans,
    PlugIn,
    RandomScaling,
    path_estimate,
    reference,
    shard_estimate,
)
from drivetrain.approximation.inference.batches import increasing_ends

EPS = np.finfo(np.float64).eps


def walk(n, p, seed=0, offset=0.0, scale=0.1):
    return offset + scale * np.random.default_rng(seed).standard_normal((n, p)).cumsum(axis=0)


def exact_scaling(column):
    """V̂_n of one coordinate in rational arithmetic."""
    total, sums = Fraction(0), []
    for value in column:
        total += Fraction(float(value))
        sums.append(total)
    n, mean = len(sums), total / len(sums)
    return float(sum((c - (s + 1) * mean) ** 2 for s, c in enumerate(sums)) / n**2)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_random_scaling_keeps_its_digits_far_from_zero(offset):
    path = 0.1 * np.random.default_rng(3).standard_normal((2000, 1)) + offset
    exact = exact_scaling(path[:, 0])
    found = RandomScaling(0.0).update(path).covariance()[0, 0] * len(path)
    # Differences from the anchor are exact; the anchor is β̄ to an ulp of the offset, which the
    # recursion accounts for; what is left is the rounding of 2,000 sums of offset-free numbers,
    # and the last anchor's distance from β̄: (n·ulp)²·n against V̂·n², V̂ about 1e-3.
    ulp = EPS * max(offset, 0.1)
    assert found == pytest.approx(exact, rel=2000 * EPS + 2000 * ulp / 0.1)


def test_the_references_own_recursion_is_the_definition():
    path = walk(300, 3)
    np.testing.assert_allclose(
        reference.random_scaling_centred(path), reference.random_scaling(path), rtol=1e-11
    )
    assert reference.random_scaling(path)[1, 1] == pytest.approx(
        exact_scaling(path[:, 1]), rel=1e-12
    )


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(2, 700),
    p=st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 13]),
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, 700), max_size=4),
)
def test_random_scaling_is_the_definition_and_blocks_are_single_updates(n, p, seed, cuts):
    path = walk(n, p, seed)
    whole = RandomScaling(np.zeros(p)).update(path)
    expected = reference.random_scaling(path)
    # n sums of n terms: n·eps relative to the largest entry, for the reference as for us.
    np.testing.assert_allclose(
        whole.covariance() * n, expected, rtol=0, atol=4 * n * EPS * np.abs(expected).max()
    )
    np.testing.assert_allclose(whole.estimate().value, path.mean(axis=0), rtol=1e-12, atol=1e-14)
    parts = RandomScaling(np.zeros(p))
    for block in np.split(path, sorted(min(c, n) for c in cuts)):
        parts.update(block)
    assert np.array_equal(parts.covariance(), whole.covariance())
    assert np.array_equal(parts.estimate().value, whole.estimate().value)


def test_a_hundred_coordinates():
    path = walk(500, 100)
    expected = reference.random_scaling(path)
    found = RandomScaling(np.zeros(100)).update(path).covariance() * 500
    np.testing.assert_allclose(found, expected, rtol=0, atol=2000 * EPS * np.abs(expected).max())
    assert np.array_equal(found, found.T)
    few = RandomScaling(np.zeros(100)).update(path[:50]).estimate()
    assert np.isfinite(few.interval().array()).all()
    with pytest.raises(ValueError, match="singular"):
        few.test()


def test_asking_in_between_changes_nothing():
    path = walk(400, 3)
    asked, silent = RandomScaling(np.zeros(3)), RandomScaling(np.zeros(3))
    for beta in path:
        asked.update(beta)
        asked.interval(0.9)
        silent.update(beta)
    assert np.array_equal(asked.covariance(), silent.covariance())


@pytest.mark.parametrize("kind", [RandomScaling, BatchMeans])
def test_state_round_trip_goes_on_with_the_same_bits(kind):
    path = walk(3000, 2)
    whole = kind(np.zeros(2)).update(path)
    half = kind(np.zeros(2)).update(path[:1111])
    again = kind.from_state(half.state_dict()).update(path[1111:])
    assert np.array_equal(again.covariance(), whole.covariance())
    assert np.array_equal(again.estimate().value, whole.estimate().value)


@pytest.mark.parametrize("kind", [RandomScaling, BatchMeans])
def test_too_little_path_says_so_by_nan(kind):
    empty = kind([0.0, 0.0]).estimate()
    assert np.isnan(empty.value).all()
    assert np.isnan(empty.interval().array()).all()
    one = kind([0.0, 0.0]).update([1.0, 2.0]).estimate()
    assert one.value.tolist() == [1.0, 2.0]
    assert np.isnan(one.interval().array()).all()


@pytest.mark.parametrize("kind", [RandomScaling, BatchMeans])
def test_hostile_paths_are_named(kind):
    made = kind([0.0, 0.0])
    with pytest.raises(ValueError, match=r"position \(1, 0\)"):
        made.update([[1.0, 2.0], [np.nan, 1.0]])
    with pytest.raises(ValueError, match="2 coordinates"):
        made.update([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="real numbers"):
        made.update(["a", "b"])
    assert made.n == 0
    every_other = np.asfortranarray(np.arange(40.0).reshape(10, 4))[::2, ::2].astype(np.float32)
    assert made.update(every_other).n == 5


def test_merging_random_scaling_raises():
    with pytest.raises(ValueError, match="cannot be merged"):
        RandomScaling(0.0).merge(RandomScaling(0.0))


@pytest.mark.parametrize("exponent", [0.505, 0.6, 0.75])
@pytest.mark.parametrize("n", [40, 333, 1024])
def test_increasing_batches_are_those_of_the_paper(n, exponent):
    ends = reference.increasing_ends(n, exponent)
    assert np.array_equal(increasing_ends(n, exponent), ends)
    assert ends[-1] == n
    path = walk(n, 3)
    batches = BatchMeans(np.zeros(3), design="increasing", exponent=exponent).update(path)
    M = len(ends) - 1
    if M < 2:
        assert np.isnan(batches.covariance()).all()
        return
    # The paper divides by M; one less is unbiased for M batches, and Student's t wants that.
    expected = reference.batch_means(path, ends) * M / (M - 1)
    np.testing.assert_allclose(batches.covariance() * n, expected, rtol=1e-9, atol=1e-12)
    assert batches.estimate().pivot.freedom == M - 1


def test_golden_batch_ends():
    # n = 10^4, a = 1/2: M = 10, N = 100/11, e_k = floor(((k+1)·100/11)²).
    expected = [int(((k + 1) * 100 / 11) ** 2) for k in range(10)] + [10_000]
    assert increasing_ends(10_000, 0.5).tolist() == expected


@pytest.mark.parametrize("n", [16, 100, 1024, 1025, 5000, 20_000])
def test_equal_batches_are_the_definition(n):
    path = walk(n, 2)
    found = BatchMeans(np.zeros(2), correct=False).update(path)
    assert found.length == max(1, 1 << max(0, (n - 1).bit_length() - 10))
    ends = np.rint(np.linspace(0, n, 9) / found.length).astype(int) * found.length
    ends[-1] = n
    gaps = [path[a:b].mean(axis=0) - path.mean(axis=0) for a, b in pairwise(ends)]
    lengths = np.diff(ends)
    expected = sum(m * np.outer(g, g) for m, g in zip(lengths, gaps)) / 7
    np.testing.assert_allclose(found.covariance() * n, expected, rtol=1e-9, atol=1e-12)


def test_correction_never_narrows_and_keeps_correlations():
    path = walk(4000, 3)
    plain = BatchMeans(np.zeros(3), correct=False).update(path).covariance()
    wide = BatchMeans(np.zeros(3)).update(path).covariance()
    assert (np.diagonal(wide) >= np.diagonal(plain)).all()
    d, e = np.sqrt(np.diagonal(plain)), np.sqrt(np.diagonal(wide))
    np.testing.assert_allclose(wide / np.outer(e, e), plain / np.outer(d, d), rtol=1e-12)


def test_batch_settings_are_checked():
    with pytest.raises(ValueError, match="n_batches"):
        BatchMeans(0.0, n_batches=1)
    with pytest.raises(ValueError, match="design"):
        BatchMeans(0.0, design="equl")
    with pytest.raises(ValueError, match="exponent"):
        BatchMeans(0.0, design="increasing", exponent=1.0)


def test_plug_in_is_the_sandwich_also_without_symmetry():
    rng = np.random.default_rng(0)
    hessians = rng.standard_normal((200, 3, 3)) * 0.1 + np.array([[2, 1, 0], [0, 1, 0], [0, 0, 3]])
    gradients = rng.standard_normal((200, 3))
    found = PlugIn(3).update(hessians, gradients)
    expected = reference.plug_in(hessians, gradients)
    np.testing.assert_allclose(found.covariance() * 200, expected, rtol=1e-12, atol=1e-14)
    parts = PlugIn(3).update(hessians[:50], gradients[:50])
    parts.merge(PlugIn(3).update(hessians[50:], gradients[50:]))
    np.testing.assert_allclose(parts.covariance(), found.covariance(), rtol=1e-12, atol=1e-16)
    again = PlugIn.from_state(found.state_dict())
    assert np.array_equal(again.covariance(), found.covariance())


def test_plug_in_hostile_input():
    assert np.isnan(PlugIn(2).covariance()).all()
    with pytest.raises(ValueError, match="singular"):
        PlugIn(2).update(np.ones((2, 2)), np.ones(2)).covariance()
    with pytest.raises(ValueError, match="as many"):
        PlugIn(2).update(np.ones((3, 2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="same dimension"):
        PlugIn(2).merge(PlugIn(3))
    # Units are no singularity.
    tiny = PlugIn(2).update(np.diag([1e-12, 1e12]), np.array([1e-6, 1e6]))
    assert np.isfinite(tiny.covariance()).all()


def test_shards_are_averaged_with_students_t():
    rows = np.random.default_rng(0).standard_normal((5, 2))
    found = shard_estimate(rows)
    np.testing.assert_allclose(found.value, rows.mean(axis=0))
    np.testing.assert_allclose(found.covariance, np.cov(rows.T) / 5)
    assert found.pivot.freedom == 4
    with pytest.raises(ValueError, match="at least two"):
        shard_estimate(rows[:1])
    # A shard of twice the size counts like its two halves when they agree.
    halves = shard_estimate(rows[[0, 1, 1]])
    assert np.array_equal(shard_estimate(rows[:2], [1.0, 2.0]).value, halves.value)
    with pytest.raises(ValueError, match="sizes must be 5 numbers > 0"):
        shard_estimate(rows, [1.0, 2.0, 3.0, 4.0, 0.0])


def test_path_estimate_is_the_accumulators():
    path = walk(900, 2)
    scaled = path_estimate(path)
    np.testing.assert_allclose(scaled.covariance, RandomScaling(path[0]).update(path).covariance())
    equal = path_estimate(path, "batch_means")
    np.testing.assert_allclose(equal.covariance, BatchMeans(path[0]).update(path).covariance())
    grown = path_estimate(path, "batch_means", exponent=0.6)
    assert grown.pivot != equal.pivot
    assert path_estimate(path[:, 0]).value.shape == (1,)
    with pytest.raises(ValueError, match="Did you mean 'random_scaling'"):
        path_estimate(path, "random_scalin")
    with pytest.raises(ValueError, match="at least one"):
        path_estimate(np.empty((0, 2)))
