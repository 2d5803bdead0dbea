"""Survival: hazards and failure times are the slopes of their losses, and XGBoost's."""

from collections.abc import Callable

import numpy as np
import pytest

from drivetrain.boosting import reference
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics import metric_named
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.stages import evaluated
from drivetrain.boosting.objectives.survival.aft import AcceleratedFailure
from drivetrain.boosting.objectives.survival.laws import LAWS, law_at
from drivetrain.boosting.training import Settings, Watch, boost

N = 60


def times(n: int = N, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Margins and labels, two fifths of them censored."""
    rng = np.random.default_rng(0)
    t = np.exp(rng.normal(size=n))
    t = np.ceil(3 * t) if ties else t
    label = (t * np.where(rng.random(n) < 0.4, -1, 1)).astype(np.float32)
    return rng.normal(size=(n, 1)).astype(np.float32), label


def bounds(n: int = N) -> np.ndarray:
    """Known, right-, left- and interval-censored times."""
    _, label = times(n)
    both = np.abs(np.stack([label, label], 1))
    both[1::4, 1], both[2::4, 0] = np.inf, 0
    both[3::4, 1] *= 2
    return both


def central(loss: Callable[[np.ndarray], float], f: np.ndarray, step: float) -> tuple:
    """First and second differences of a loss by each margin."""
    at, slope, bend = loss(f), np.empty(len(f)), np.empty(len(f))
    for k in range(len(f)):
        e = np.eye(len(f))[k] * step
        up, down = loss(f + e), loss(f - e)
        slope[k], bend[k] = (up - down) / (2 * step), (up + down - 2 * at) / step**2
    return slope, bend


@pytest.mark.parametrize("ties", [False, True])
def test_cox_slopes_are_the_loss_differenced(ties: bool) -> None:
    margin, label = times(ties=ties)
    data = Dataset(x=np.zeros((N, 1)), label=label)
    g, h = objective_named("survival:cox", {}).gradients(margin, data)
    f, y = margin[:, 0].astype(float), label.astype(float)
    slope, bend = central(lambda one: reference.cox_loss(one, y), f, 1e-4)
    # Central differences err by step² f'''/6 and by 1e-14 / step² of a sum of 100.
    assert g[:, 0] == pytest.approx(slope, abs=1e-6 * N)
    assert h[:, 0] == pytest.approx(bend, abs=1e-5 * N)
    exact = reference.cox(f, y)
    assert g[:, 0] == pytest.approx(exact[0], rel=1e-6, abs=1e-6)
    assert h[:, 0] == pytest.approx(exact[1], rel=1e-6, abs=1e-6)


def test_cox_does_not_mind_the_order_nor_a_shift() -> None:
    margin, label = times(ties=True)
    loss = objective_named("survival:cox", {})
    order = np.random.default_rng(1).permutation(N)
    g = loss.gradients(margin, Dataset(x=np.zeros((N, 1)), label=label))[0]
    moved = loss.gradients(margin[order], Dataset(x=np.zeros((N, 1)), label=label[order]))
    # Sums in another order, float64, rounded to float32.
    assert moved[0] == pytest.approx(g[order], rel=3e-7, abs=1e-9)
    far = loss.gradients(margin + np.float32(512), Dataset(x=np.zeros((N, 1)), label=label))
    # Margins of 512 have steps of 6e-5.
    assert far[0] == pytest.approx(g, abs=1e-3) and np.isfinite(far[1]).all()


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("law", LAWS)
def test_aft_slopes_are_the_loss_differenced(law: str, scale: float) -> None:
    both = bounds()
    # Near the times: far from them a difference of probabilities says nothing.
    noise = 0.4 * times()[0][:, 0]
    margin = (np.log(np.abs(times()[1])) + noise).astype(np.float32)[:, None]
    data = Dataset(x=np.zeros((N, 1)), label_bounds=both)
    g, h = AcceleratedFailure(law, scale).gradients(margin, data)
    low, high = data.label_bounds.T.astype(float)
    step = 1e-4
    for k in range(N):

        def loss(f: float, k: int = k) -> float:
            return reference.aft_loss(law, scale, f, low[k], high[k])

        f = float(margin[k, 0])
        up, at, down = loss(f + step), loss(f), loss(f - step)
        slope, bend = (up - down) / (2 * step), (up + down - 2 * at) / step**2
        assert g[k, 0] == pytest.approx(np.clip(slope, -15, 15), rel=1e-5, abs=1e-6)
        assert h[k, 0] == pytest.approx(np.clip(bend, 1e-16, 15), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("law", LAWS)
def test_laws_are_densities(law: str) -> None:
    z = np.linspace(-60, 60, 240_001)
    values, step = law_at(law, z), z[1] - z[0]
    # The trapezoid rule on steps of 5e-4.
    assert np.sum(values.density) * step == pytest.approx(1, abs=1e-9)
    assert np.gradient(values.below, step) == pytest.approx(values.density, abs=1e-6)
    assert np.gradient(values.density, step) == pytest.approx(values.slope, abs=1e-6)
    assert np.gradient(values.slope, step) == pytest.approx(values.bend, abs=2e-6)


@pytest.mark.parametrize("law", LAWS)
def test_hopeless_predictions_stay_finite(law: str) -> None:
    both = np.repeat(bounds(), 4, axis=0)
    margin = np.tile([-1e4, -80, 80, 1e4], N).astype(np.float32)[:, None]
    data = Dataset(x=np.zeros((len(both), 1)), label_bounds=both)
    g, h = AcceleratedFailure(law).gradients(margin, data)
    assert np.isfinite(g).all() and (np.abs(g) <= 15).all() and (h >= 1e-16).all()
    known = both[:, 0] == both[:, 1]
    assert (np.sign(g)[known] == np.sign(margin)[known]).all()


def test_metrics_are_their_sums() -> None:
    margin, label = times(ties=True)
    cox = metric_named("cox-nloglik")
    data = Dataset(x=np.zeros((N, 1)), label=label, label_bounds=bounds())
    exact = reference.cox_loss(margin[:, 0].astype(float), label.astype(float))
    assert cox(np.exp(margin), data) == pytest.approx(exact / (label > 0).sum(), rel=1e-5)
    low, high = data.label_bounds.T.astype(float)
    for law in LAWS:
        loss = AcceleratedFailure(law, 2.0)
        each = [
            reference.aft_loss(law, 2.0, float(f), a, b) for f, a, b in zip(margin[:, 0], low, high)
        ]
        got = metric_named("aft-nloglik", loss)(evaluated(loss, margin), data)
        assert got == pytest.approx(np.mean(np.minimum(each, -np.log(1e-12))), rel=1e-9)
    inside = (np.exp(margin[:, 0]) >= low) & (np.exp(margin[:, 0]) <= high)
    name = "interval-regression-accuracy"
    assert metric_named(name)(margin[:, 0], data) == pytest.approx(inside.mean())


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("survival:cox", {"label": [1, np.nan]}, "finite. Got nan in row 1"),
        ("survival:cox", {"label": [-1, -2]}, "positive in one row"),
        ("survival:cox", {"label": np.ones((2, 2))}, "one label a row. Got 2"),
        ("survival:aft", {}, "needs label_bounds"),
        ("survival:aft", {"label_bounds": [[1, 2], [3, 2]]}, "Got 3 and 2 in row 1"),
        ("survival:aft", {"label_bounds": [[-1, 2], [1, 2]]}, "Got -1 and 2 in row 0"),
        ("survival:aft", {"label_bounds": [[1, 2], [np.inf, np.inf]]}, "Got inf and inf in row 1"),
        ("survival:aft", {"label_bounds": [[1, 2], [1, np.nan]]}, "Got 1 and nan in row 1"),
        ("survival:aft", {"label": [0, 1]}, "Got 0 and 0 in row 0"),
    ],
)
def test_impossible_times_are_named(name: str, given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boost(Dataset(x=np.ones((2, 1)), **given), objective_named(name, {}), Settings())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"aft_loss_distribution": "norm"}, "'normal'"),
        ({"aft_loss_distribution_scale": 0}, "aft_loss_distribution_scale must be > 0"),
    ],
)
def test_wrong_parameters_are_named(given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        objective_named("survival:aft", given)


CASES = [
    ("survival:cox", {}),
    *[
        ("survival:aft", {"aft_loss_distribution": law, "aft_loss_distribution_scale": scale})
        for law in LAWS
        for scale in (1.0, 0.5)
    ],
]


def _matrix(xgboost, data: Dataset, margin: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    matrix = xgboost.DMatrix(data.x, data.label, base_margin=margin, weight=data.weight)
    if data.label_bounds is not None:
        matrix.set_float_info("label_lower_bound", data.label_bounds[:, 0])
        matrix.set_float_info("label_upper_bound", data.label_bounds[:, 1])
    return matrix


@pytest.mark.peer
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "given"), CASES)
def test_slopes_are_xgboosts(name: str, given: dict, weighted: bool) -> None:
    xgboost = pytest.importorskip("xgboost")
    n = 300
    margin, label = times(n)
    data = Dataset(
        x=np.arange(n)[:, None],
        label=label,
        label_bounds=bounds(n),
        weight=np.linspace(0.5, 2, n) if weighted else None,
    )
    matrix = _matrix(xgboost, data, margin)
    params = {"objective": name, "eta": 1, "lambda": 0, "min_child_weight": 0, "max_depth": 30}
    tree = xgboost.train({**params, "tree_method": "exact", **given}, matrix, 1)
    leaf = tree.predict(matrix, pred_leaf=True).reshape(-1).astype(int)
    table = tree.trees_to_dataframe()
    held = table[table.Feature == "Leaf"].set_index("Node")
    g, h = objective_named(name, given).gradients(margin, data)
    nodes = held.index.to_numpy()
    bend, slope = (np.bincount(leaf, one[:, 0])[nodes] for one in (h, g))
    # float32 values of 300 rows and their sums.
    assert bend == pytest.approx(held.Cover.to_numpy(), rel=1e-5, abs=1e-6 * bend.max())
    real = bend > 1e-3 * bend.max()
    assert -(slope / bend)[real] == pytest.approx(held.Gain.to_numpy()[real], rel=1e-4, abs=1e-5)


@pytest.mark.peer
def test_sequential_ties_are_xgboosts_and_breslows_are_not() -> None:
    xgboost = pytest.importorskip("xgboost")
    _, label = times(300, ties=True)
    data = Dataset(x=np.arange(300)[:, None], label=label)
    params = {"objective": "survival:cox", "eta": 1, "lambda": 0, "min_child_weight": 0}
    tree = xgboost.train(
        params | {"max_depth": 1, "tree_method": "exact"}, _matrix(xgboost, data), 1
    )
    whole = tree.trees_to_dataframe().Cover[0]
    start = np.full((300, 1), tree.predict(_matrix(xgboost, data), output_margin=True)[0] * 0)
    sums = {
        ties: objective_named("survival:cox", {"cox_ties": ties}).gradients(start, data)[1].sum()
        for ties in ("sequential", "breslow")
    }
    assert sums["sequential"] == pytest.approx(whole, rel=1e-5)
    assert abs(sums["breslow"] - whole) > 1e-3 * whole


@pytest.mark.peer
@pytest.mark.parametrize(("name", "given"), CASES)
def test_it_fits_as_well_as_xgboost(name: str, given: dict) -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(3)
    n = 600
    x = rng.normal(size=(n, 3)).astype(np.float32)
    t = np.exp(x[:, 0] + 0.5 * rng.normal(size=n))
    late = rng.random(n) < 0.3
    high = np.where(late, np.inf, t)
    data = Dataset(x=x, label=np.where(late, -t, t), label_bounds=np.stack([t, high], 1))
    train, test = data.take(np.arange(400)), data.take(np.arange(400, n))
    metrics = ("aft-nloglik", "interval-regression-accuracy") if "aft" in name else ()
    watch = Watch(sets={"test": test}, metrics=metrics or ("cox-nloglik",))
    settings = Settings(n_estimators=30, learning_rate=0.1)
    model, history = boost(train, objective_named(name, given), settings, watch=watch)
    seen: dict = {}
    params = {"objective": name, "eta": 0.1, "nthread": 1, "eval_metric": list(watch.metrics)}
    pair = [_matrix(xgboost, one) for one in (train, test)]
    theirs = xgboost.train(
        params | given,
        pair[0],
        30,
        evals=[(pair[1], "test")],
        evals_result=seen,
        verbose_eval=False,
    )
    for metric in watch.metrics:
        # Cuts differ, so trees do: the losses are of one kind, not the same.
        assert history["test"][metric][-1] == pytest.approx(
            seen["test"][metric][-1], rel=0.1, abs=0.05
        )
        # The same predictions give the same value.
        prediction = theirs.predict(pair[1], output_margin="aft" in name)
        again = metric_named(metric, model.objective)(prediction, test)
        assert again == pytest.approx(seen["test"][metric][-1], rel=1e-4)
