"""The method as its papers write it, and the fast path beside it, round by round."""

import numpy as np
import pytest

from drivetrain.boosting import reference
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.planters import binned
from drivetrain.boosting.training import Settings, boost
from drivetrain.trees.growing.settings import Growth

N = 240
LOSSES = {
    "reg:squarederror": (reference.squared_error, {}),
    "binary:logistic": (reference.logistic, {}),
    "reg:gamma": (reference.gamma, {}),
    "reg:tweedie": (reference.tweedie(1.3), {"tweedie_variance_power": 1.3}),
    "reg:pseudohubererror": (reference.pseudo_huber(1.0), {}),
    "reg:squaredlogerror": (reference.squared_log_error, {}),
}
GROWTHS = {
    "depthwise": Growth(max_depth=3),
    "lossguide": Growth(max_depth=0, max_leaves=6, grow_policy="lossguide"),
    "penalties": Growth(max_depth=3, reg_lambda=3, reg_alpha=0.5, gamma=0.2, min_child_weight=5),
    "steps": Growth(max_depth=3, max_delta_step=0.1),
}


def problem(name: str) -> Dataset:
    """Rows with missing values, and labels that any loss takes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 3)).astype(np.float32)
    y = np.exp(x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=N))
    x[rng.random((N, 3)) < 0.1] = np.nan
    return Dataset(x=x, label=y > 1 if name.startswith("binary") else y)


@pytest.mark.parametrize("growth", GROWTHS)
@pytest.mark.parametrize("name", LOSSES)
def test_the_fast_path_is_the_reference(name: str, growth: str) -> None:
    loss, given = LOSSES[name]
    data = problem(name)
    rounds = 4
    settings = Settings(n_estimators=rounds, learning_rate=0.25, growth=GROWTHS[growth], max_bin=12)
    model, _ = boost(data, objective_named(name, given), settings)
    matrix = binned(data, settings)
    start = model.objective.to_margin(model.base_score)
    exact = reference.boost(
        matrix.columns.T.astype(np.int64),
        reference.of_rows(loss, data.target.astype(float)),
        np.full(N, start[0], float),
        GROWTHS[growth],
        missing=matrix.missing,
        rates=[0.25] * rounds,
    )
    for k, expected in enumerate(exact):
        margin = model.first(k).margin(data.x)[:, 0]
        # Gradients are float32 of margins that are; leaves are sums of at most 240 of them.
        assert margin == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_the_expansion_is_the_loss_to_second_order() -> None:
    y = np.linspace(0, 1, 50)
    f = np.linspace(-2, 2, 50)
    g, h = reference.of_rows(reference.logistic, y)(f)
    whole = [sum(reference.logistic(a, b)[0] for a, b in zip(f + t, y)) for t in (0, 1e-2)]
    # What is left is t³/6 times the third derivative, at most .1, of 50 rows.
    left = whole[1] - whole[0] - reference.taylor(g, h, np.full(50, 1e-2))
    assert abs(left) < 50 * 1e-6 / 6 * 0.1


def test_rounds_lower_the_loss() -> None:
    data = problem("reg:gamma")
    codes = binned(data, Settings(max_bin=12))
    y = data.target.astype(float)
    margins = reference.boost(
        codes.columns.T.astype(np.int64),
        reference.of_rows(reference.gamma, y),
        np.zeros(N),
        Growth(max_depth=2),
        missing=codes.missing,
        rates=[0.3] * 5,
    )
    loss = [sum(reference.gamma(a, b)[0] for a, b in zip(f, y)) for f in margins]
    assert (np.diff(loss) < 0).all()


def test_ranked_lists_by_hand() -> None:
    # Gains 3, 0, 1 in this order: (3 + 1/2) beside (3 + 1/log2 3).
    got = reference.ndcg([0, 1, 2], np.array([3.0, 0.0, 1.0]), 3)
    assert got == pytest.approx(3.5 / (3 + 1 / np.log2(3)))
    assert reference.average_precision([0, 1, 2], np.array([1.0, 0.0, 1.0])) == pytest.approx(5 / 6)


def test_cox_by_hand() -> None:
    # Two rows with events at 1 and 2, equal margins: log 2 for the first, log 1 for the last.
    assert reference.cox_loss(np.zeros(2), np.array([1.0, 2.0])) == pytest.approx(np.log(2))
    assert reference.cox(np.zeros(2), np.array([1.0, 2.0]))[0].tolist() == [-0.5, 0.5]
