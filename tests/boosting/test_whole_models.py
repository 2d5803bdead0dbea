"""Every objective, fifteen rounds: with XGBoost's cuts and sums the models are XGBoost's."""

from typing import Any

import numpy as np
import pytest

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.queries import offsets_of
from drivetrain.boosting.training import Settings, Watch, boost

N, ROUNDS = 600, 15
RNG = np.random.default_rng(0)
# Two decimals, so that columns have ties; 600 rows give few enough values to be cut alike.
X = np.round(RNG.normal(size=(N, 4)), 2).astype(np.float32)
Z = X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * RNG.normal(size=N)
TIMES = np.exp(Z).astype(np.float32)
LATE = RNG.random(N) < 0.3
QUERIES = np.repeat(np.arange(30), 20)
WEIGHT = RNG.uniform(0.5, 2, N).astype(np.float32)

BINARY = (Z > 0.3).astype(np.float32)
CLASSES = np.digitize(Z, [-0.5, 0.3, 1]).astype(np.float32)
SURVIVED = np.where(LATE, -TIMES, TIMES)
LABELS = {
    "binary": BINARY,
    "multi": CLASSES,
    "rank:ndcg": CLASSES,
    "rank:map": BINARY,
    "rank:pairwise": CLASSES,
    "survival:cox": SURVIVED,
    "reg:logistic": BINARY,
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("reg:squarederror", {}),
    ("reg:squaredlogerror", {}),
    ("reg:logistic", {}),
    ("reg:gamma", {}),
    ("reg:tweedie", {"tweedie_variance_power": 1.3}),
    ("reg:pseudohubererror", {"huber_slope": 2.0}),
    ("reg:absoluteerror", {}),
    ("reg:quantileerror", {"quantile_alpha": 0.3}),
    ("reg:quantileerror", {"quantile_alpha": [0.2, 0.8]}),
    ("count:poisson", {}),
    ("binary:logistic", {"scale_pos_weight": 2.0}),
    ("binary:logitraw", {}),
    ("binary:hinge", {}),
    ("multi:softprob", {"num_class": 4}),
    ("multi:softmax", {"num_class": 4}),
    *[
        (name, given)
        for name in ("rank:ndcg", "rank:map", "rank:pairwise")
        for given in (
            {},
            {"lambdarank_pair_method": "mean"},
            {"lambdarank_unbiased": True},
            {"lambdarank_num_pair_per_sample": 4},
        )
    ],
    ("survival:cox", {}),
    *[
        ("survival:aft", {"aft_loss_distribution": law})
        for law in ("normal", "logistic", "extreme")
    ],
]


def problem(name: str, weighted: bool) -> Dataset:
    label = LABELS.get(name, LABELS.get(name.split(":")[0], TIMES))
    ranked = name.startswith("rank")
    return Dataset(
        x=X,
        label=label,
        group_offsets=offsets_of(QUERIES) if ranked else None,
        label_bounds=np.stack([TIMES, np.where(LATE, np.inf, TIMES)], 1),
        weight=WEIGHT if weighted else None,
    )


# XGBoost unrolls the weights of queries for its cuts with the first row of each query given its
# neighbour's: weighted ranking is cut elsewhere there (its weighted lambdas are tested apart).
BOTH = [(*case, False) for case in CASES]
BOTH += [(*case, True) for case in CASES if not case[0].startswith("rank")]
# Fifteen float32 leaves of sizes up to 10, whose gradients differ in their last bits. XGBoost
# subtracts double hazards from a sum of float32 ones: the last risks of Cox have few digits.
CLOSE = {"survival:cox": (2e-3, 5e-4)}


@pytest.mark.peer
@pytest.mark.parametrize(("name", "given", "weighted"), BOTH, ids=str)
def test_models_are_xgboosts(name: str, given: dict[str, Any], weighted: bool) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = problem(name, weighted)
    settings = Settings(
        n_estimators=ROUNDS, histogram="float", cuts="quantile", max_bin=256, learning_rate=0.3
    )
    model, history = boost(
        data, objective_named(name, given), settings, watch=Watch(sets={"it": data})
    )
    matrix = xgboost.DMatrix(X, data.label, qid=data.query_of_row, weight=data.weight, nthread=1)
    if name == "survival:aft":
        matrix.set_float_info("label_lower_bound", data.label_bounds[:, 0])
        matrix.set_float_info("label_upper_bound", data.label_bounds[:, 1])
    params = {"objective": name, "tree_method": "hist", "eta": 0.3, "nthread": 1, **given}
    seen: dict = {}
    evals = [(matrix, "it")]
    theirs = xgboost.train(
        params, matrix, ROUNDS, evals=evals, evals_result=seen, verbose_eval=False
    )
    assert list(history["it"]) == list(seen["it"])
    margin = theirs.predict(matrix, output_margin=True).reshape(N, -1)
    rel, absolute = CLOSE.get(name, (1e-4, 2e-5))
    assert model.margin(X) == pytest.approx(margin, rel=rel, abs=absolute)
    (ours,), (curve,) = history["it"].values(), seen["it"].values()
    if model.forest.n_groups == 1 or not name.startswith("reg:quantile"):
        # Several quantiles are sorted here before they are judged.
        assert ours == pytest.approx(curve, rel=2e-5, abs=2e-6)
