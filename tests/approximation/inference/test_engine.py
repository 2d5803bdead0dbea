"""The compiled SGD against the reference; streams in pieces; inference kinds side by side."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation import Gain
from drivetrain.approximation.inference import (
    AveragedSGD,
    BatchMeans,
    RandomScaling,
    Recipe,
    SGDDivergenceError,
    merge_shards,
    reference,
)

EPS = np.finfo(np.float64).eps
GAIN = Gain(a=0.2, alpha=0.6)
SHAPES = {"squared": 0.0, "huber": 0.7, "quantile": 0.3, "logistic": 0.0, "hinge": 0.0}
KINDS = ("rs", "rs_diagonal", "plug_in", "batch_means", None)


def samples(loss, n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = X @ np.linspace(-1.0, 1.0, p) + rng.standard_normal(n)
    return X, np.where(y > 0, 1.0, -1.0) if loss in ("logistic", "hinge") else y


def with_constant(X):
    return np.column_stack([X, np.ones(len(X))])


def recipe(loss, inference="rs", **changes):
    known = {"loss": loss, "shape": SHAPES[loss], "gain": GAIN, "inference": inference}
    return Recipe(**(known | changes))


@pytest.mark.parametrize("loss", SHAPES)
@pytest.mark.parametrize("p", [1, 3, 8, 30])
def test_iterates_average_and_scaling_equal_the_reference(loss, p):
    X, y = samples(loss, 700, p)
    path = reference.sgd_path(with_constant(X), y, loss, SHAPES[loss], GAIN.array(700))
    engine = AveragedSGD(p, recipe(loss)).update(X, y)
    # 700 steps, each with a p-term sum, in another order: some 1e3·eps; kinks may not flip.
    np.testing.assert_allclose(engine.iterate, path[-1], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(engine.average, path.mean(axis=0), rtol=1e-11, atol=1e-12)
    expected = reference.random_scaling(path) / 700
    found = engine.estimate().covariance
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_plug_in_equals_the_reference_at_the_running_means(loss, l2):
    n, p = 500, 3
    X, y = samples(loss, n, p)
    path = reference.sgd_path(X, y, loss, SHAPES[loss], GAIN.array(n), l2)
    engine = AveragedSGD(p, recipe(loss, "plug_in", l2=l2, fit_intercept=False)).update(X, y)
    np.testing.assert_allclose(engine.iterate, path[-1], rtol=1e-11, atol=1e-13)
    before = np.vstack([np.zeros(p), np.cumsum(path, axis=0)[:-1] / np.arange(1, n)[:, None]])
    margins = np.sum(X * before, axis=1)
    curved = [reference.loss_curvature(loss, SHAPES[loss], *ym) for ym in zip(y, margins)]
    sloped = [reference.loss_slope(loss, SHAPES[loss], *ym) for ym in zip(y, margins)]
    hessians = np.array(curved)[:, None, None] * X[:, :, None] * X[:, None, :] + l2 * np.eye(p)
    gradients = np.array(sloped)[:, None] * X + l2 * before
    expected = reference.plug_in(hessians, gradients) / n
    np.testing.assert_allclose(engine.estimate().covariance, expected, rtol=1e-9)


@pytest.mark.parametrize("quantile", [0.2, 0.5])
def test_plug_in_of_a_kinked_loss_is_near_the_density(quantile):
    # y = x·b + e, e ~ N(0, 1): H = φ(z_q)·I, S = q(1-q)·I. 40,000 samples, bandwidth ~ n^-1/3:
    # the relative standard error of a diagonal of H is about (3·.28/(φ·h·n))^½ < 4 %; the variance
    # holds its square, and 20 % is two and a half of that.
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 2))
    y = X @ [1.0, -1.0] + rng.standard_normal(len(X))
    z = norm.ppf(quantile)
    settings_ = {"shape": quantile, "gain": Gain(a=1.5, alpha=0.505), "burn_in": 2000}
    engine = AveragedSGD(2, recipe("quantile", "plug_in", **settings_)).update(X, y)
    variance = np.diagonal(engine.estimate().covariance) * engine.averaged
    ideal = quantile * (1 - quantile) / norm.pdf(z) ** 2
    np.testing.assert_allclose(variance, ideal, rtol=0.2)


@settings(deadline=None, max_examples=25)
@given(
    loss=st.sampled_from(list(SHAPES)),
    inference=st.sampled_from(KINDS),
    cuts=st.lists(st.integers(0, 600), max_size=6),
    burn_in=st.sampled_from([0, 1, 37, 599, 700]),
    normalise=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_split_of_a_stream_gives_the_same_bits(loss, inference, cuts, burn_in, normalise, seed):
    X, y = samples(loss, 600, 3, seed)
    weights = np.random.default_rng(seed).random(600)
    chosen = recipe(loss, inference, burn_in=burn_in, normalise=normalise, l2=0.01)
    whole = AveragedSGD(3, chosen).update(X, y, weights)
    parts = AveragedSGD(3, chosen)
    for rows in np.split(np.arange(600), sorted(cuts)):
        parts = AveragedSGD.from_state(parts.state_dict())
        parts.update(X[rows], y[rows], weights[rows])
    for name, array in whole.state.items():
        assert np.array_equal(array, parts.state[name]), name


def test_single_samples_equal_the_batch():
    X, y = samples("squared", 5000, 4)
    whole = AveragedSGD(4, recipe("squared")).update(X, y)
    one = AveragedSGD(4, recipe("squared"))
    for i in range(len(X)):
        one.update(X[i : i + 1], y[i : i + 1])
    assert np.array_equal(one.average, whole.average)
    assert np.array_equal(one.estimate().covariance, whole.estimate().covariance)


def test_late_gains_from_the_series_are_pow_to_a_few_ulp():
    # From step 4096 on a_k is a series about a multiple of 64. With x = 0, y = 0 nothing moves but
    # the intercept, whose only step is that of the one sample with y = -1... so its size is a_k.
    n = 20_000
    gain = Gain(a=0.7, alpha=0.61, A=3.0)
    expected = gain.array(n)
    for k in (4095, 4096, 4097, 4159, 4160, 9999, 20_000):
        engine = AveragedSGD(1, recipe("squared", None, gain=gain))
        y = np.zeros(n)
        y[k - 1] = -1.0
        engine.update(np.zeros((k, 1)), y[:k])
        assert -engine.iterate[1] == pytest.approx(expected[k - 1], rel=4 * EPS)


def test_kinds_agree_with_the_accumulators_on_the_same_path():
    X, y = samples("squared", 3000, 4)
    path = np.empty((3000, 5))
    engine = AveragedSGD(4, recipe("squared", None))
    for i in range(len(X)):
        path[i] = engine.update(X[i : i + 1], y[i : i + 1]).iterate
    whole = AveragedSGD(4, recipe("squared")).update(X, y).estimate()
    np.testing.assert_allclose(
        whole.covariance,
        RandomScaling(np.zeros(5)).update(path).covariance(),
        rtol=1e-9,
        atol=1e-16,
    )
    diagonal = AveragedSGD(4, recipe("squared", "rs_diagonal")).update(X, y).estimate()
    np.testing.assert_allclose(diagonal.standard_error, whole.standard_error, rtol=1e-11)
    assert not diagonal.joint
    batches = AveragedSGD(4, recipe("squared", "batch_means")).update(X, y).estimate()
    expected = BatchMeans(np.zeros(5)).update(path)
    assert np.array_equal(batches.covariance, expected.covariance())


def test_burn_in_restarts_the_average_and_the_counter():
    X, y = samples("squared", 900, 3)
    path = reference.sgd_path(with_constant(X), y, "squared", 0.0, GAIN.array(900))
    engine = AveragedSGD(3, recipe("squared", burn_in=300)).update(X, y)
    assert (engine.steps, engine.averaged) == (900, 600)
    np.testing.assert_allclose(engine.average, path[300:].mean(axis=0), rtol=1e-11)
    expected = reference.random_scaling(path[300:]) / 600
    np.testing.assert_allclose(engine.estimate().covariance, expected, rtol=1e-8)
    still = AveragedSGD(3, recipe("squared", burn_in=300)).update(X[:300], y[:300])
    np.testing.assert_allclose(still.average, path[299], rtol=1e-11)
    assert np.isnan(still.estimate().interval().array()).all()


def test_weights_scale_the_steps():
    X, y = samples("squared", 300, 2)
    doubled = AveragedSGD(2, recipe("squared")).update(X, y, np.full(300, 2.0))
    larger = AveragedSGD(2, recipe("squared", gain=Gain(a=0.4, alpha=0.6))).update(X, y)
    np.testing.assert_allclose(doubled.average, larger.average, rtol=1e-12)
    weights = np.ones(300)
    weights[100:] = 0.0
    frozen = AveragedSGD(2, recipe("squared")).update(X, y, weights)
    np.testing.assert_array_equal(
        frozen.iterate, AveragedSGD(2, recipe("squared")).update(X[:100], y[:100]).iterate
    )


def test_an_order_is_followed():
    X, y = samples("squared", 200, 2)
    order = np.random.default_rng(0).permutation(200)
    by_order = AveragedSGD(2, recipe("squared")).update(X, y, None, order)
    by_rows = AveragedSGD(2, recipe("squared")).update(X[order], y[order])
    assert np.array_equal(by_order.average, by_rows.average)


def test_a_far_path_keeps_its_digits():
    # The same walk about 0 and about 1e5 through the intercept alone.
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(4000)
    gain = Gain(a=1.0, alpha=0.6)
    near = AveragedSGD(1, recipe("squared", gain=gain, burn_in=500))
    far = AveragedSGD(1, recipe("squared", gain=gain, burn_in=500))
    near.update(np.zeros((4000, 1)), noise)
    far.update(np.zeros((4000, 1)), noise + 1e5)
    # The path itself is rounded to ulp(1e5) = 1.5e-11 a step against steps of 1e-2.
    assert far.estimate().covariance[1, 1] == pytest.approx(
        near.estimate().covariance[1, 1], rel=1e-7
    )


@pytest.mark.parametrize("normalise", [False, True])
def test_divergence_is_said_and_loses_nothing(normalise):
    X, y = samples("squared", 400, 3)
    X[200:] *= 1e6
    gain = Gain.constant(6.0 if normalise else 0.1)
    engine = AveragedSGD(3, recipe("squared", normalise=normalise, gain=gain))
    with pytest.raises(SGDDivergenceError, match=r"step \d+.*gain = .*eta0") as caught:
        engine.update(X, y)
    assert engine.steps == caught.value.step - 1
    assert np.isfinite(engine.iterate).all()
    untouched = AveragedSGD(3, recipe("squared", normalise=normalise, gain=gain))
    untouched.update(X[: engine.steps], y[: engine.steps])
    assert np.array_equal(untouched.average, engine.average)


def test_divergence_error_survives_pickling():
    import pickle

    error = SGDDivergenceError(3, 1e13, 0.5, ", row 2")
    again = pickle.loads(pickle.dumps(error))
    assert (again.step, str(again)) == (3, str(error))


def test_collinear_columns_have_random_scaling_but_no_plug_in():
    X, y = samples("squared", 500, 2)
    twice = np.column_stack([X, X[:, 0]])
    scaled = AveragedSGD(3, recipe("squared")).update(twice, y).estimate()
    assert np.isfinite(scaled.interval().array()).all()
    with pytest.raises(ValueError, match="collinear"):
        AveragedSGD(3, recipe("squared", "plug_in")).update(twice, y).estimate()


@pytest.mark.parametrize("inference", ["rs", "plug_in"])
def test_shards_merge_into_the_average_of_averages(inference):
    X, y = samples("squared", 8000, 3)
    chosen = recipe("squared", inference, burn_in=100)
    cuts = (1000, 3000, 5000)
    pairs = zip(np.split(X, cuts), np.split(y, cuts))
    shards = [AveragedSGD(3, chosen).update(*pair) for pair in pairs]
    merged = merge_shards(shards)
    sizes = np.array([900, 1900, 1900, 2900])
    expected = sizes / sizes.sum() @ np.array([shard.average for shard in shards])
    np.testing.assert_allclose(merged.value, expected, rtol=1e-14)
    assert merged.n == sizes.sum()
    assert merged.interval(0.999).contains([-1.0, 0.0, 1.0, 0.0]).all()
    again = merge_shards(shards[::-1])
    np.testing.assert_allclose(again.covariance, merged.covariance, rtol=1e-12)
    if inference == "plug_in":
        # Unit noise and columns: the ideal is 1/N on the diagonal; H and S know it to ~5 %.
        np.testing.assert_allclose(np.diag(merged.covariance) * merged.n, 1.0, atol=0.2)
    with pytest.raises(ValueError, match="two or more shards"):
        merge_shards(shards[:1])
    with pytest.raises(ValueError, match="two or more shards"):
        merge_shards([shards[0], AveragedSGD(2, chosen)])


def test_nothing_and_one_sample():
    for inference in KINDS[:-1]:
        engine = AveragedSGD(2, recipe("squared", inference))
        engine.update(np.empty((0, 2)), np.empty(0))
        assert np.isnan(engine.estimate().interval().array()).all()
        engine.update(np.ones((1, 2)), np.ones(1))
        assert np.isfinite(engine.average).all()
        assert np.isnan(engine.estimate().interval().array()).all()
    with pytest.raises(ValueError, match="inference is None"):
        AveragedSGD(2, recipe("squared", None)).estimate()


def test_from_state_names_what_does_not_fit():
    state = AveragedSGD(2, recipe("squared")).state_dict()
    state["arrays"]["beta"] = np.zeros(7)
    with pytest.raises(ValueError, match=r"'beta' must be float64 \(3,\). Got float64 \(7,\)"):
        AveragedSGD.from_state(state)
    del state["arrays"]["beta"]
    with pytest.raises(ValueError, match="Got nothing"):
        AveragedSGD.from_state(state)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "sqared"}, "Did you mean 'squared'"),
        ({"loss": "huber", "shape": 0.0}, "epsilon must be > 0"),
        ({"loss": "quantile", "shape": 1.0}, "quantile must be"),
        ({"l2": -1.0}, "alpha must be >= 0"),
        ({"burn_in": -1}, "burn_in must be >= 0"),
        ({"inference": "rss"}, "Did you mean 'rs'"),
    ],
)
def test_recipes_are_checked(changes, words):
    with pytest.raises(ValueError, match=words):
        Recipe(**({"loss": "squared", "gain": GAIN} | changes))
