"""``cv``, with XGBoost's folds and XGBoost's table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.compat.booster import Booster
from drivetrain.boosting.compat.callback import EarlyStopping, EvalsLog, TrainingCallback
from drivetrain.boosting.compat.evaluation import CustomMetric
from drivetrain.boosting.compat.losses import Slopes
from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.compat.training import callbacks_of, check_told
from drivetrain.boosting.params import Params
from drivetrain.core.checks import check_integer
from drivetrain.core.errors import require

Rows = NDArray[np.int64]


class Told(TypedDict, total=False):
    """What ``cv`` may be told besides parameters, rows, rounds and folds."""

    metrics: str | Sequence[str]
    obj: Slopes | None
    maximize: bool | None
    early_stopping_rounds: int | None
    fpreproc: Callable[..., tuple[DMatrix, DMatrix, Any]] | None
    as_pandas: bool
    verbose_eval: bool | int | None
    show_stdv: bool
    callbacks: Sequence[TrainingCallback] | None
    custom_metric: CustomMetric | None
    stratified: bool
    folds: Any
    shuffle: bool


class Folds:
    """Models side by side, as callbacks see them.

    Args:
        parts: A model, its rows of training and its rows of test, for each fold.
    """

    def __init__(self, parts: Sequence[tuple[Booster, DMatrix, DMatrix]]) -> None:
        self.parts = parts

    @property
    def cvfolds(self) -> list[Booster]:
        """The models."""
        return [booster for booster, _, _ in self.parts]

    def update(self, number: int, obj: Slopes | None) -> None:
        """Do one round of each."""
        for booster, rows, _ in self.parts:
            booster.update(rows, number, obj)

    def scores(
        self, metric: CustomMetric | None, output_margin: bool
    ) -> dict[str, tuple[float, float]]:
        """Return mean and deviation of each metric over the folds."""
        values: dict[str, list[float]] = {}
        for booster, rows, held in self.parts:
            sets = [(rows, "train"), (held, "test")]
            for name, value in booster.scores(sets, metric, output_margin):
                values.setdefault(name, []).append(value)
        return {name: (float(np.mean(v)), float(np.std(v))) for name, v in values.items()}

    def set_param(self, params: Params | str, value: Any = None) -> None:
        """Set parameters of each."""
        for booster in self.cvfolds:
            booster.set_param(params, value)

    def set_attr(self, **words: Any) -> None:
        """Store words with each."""
        for booster in self.cvfolds:
            booster.set_attr(**words)

    def attr(self, key: str) -> str | None:
        """Return a word stored with them."""
        return self.cvfolds[0].attr(key)

    def num_boosted_rounds(self) -> int:
        """Return the number of rounds."""
        return self.cvfolds[0].num_boosted_rounds()

    @property
    def best_iteration(self) -> int:
        """The round early stopping chose."""
        return self.cvfolds[0].best_iteration

    @property
    def best_score(self) -> float:
        """The value it was chosen for."""
        return self.cvfolds[0].best_score


def cv(
    params: Mapping[str, Any],
    dtrain: DMatrix,
    num_boost_round: int = 10,
    *,
    nfold: int = 3,
    seed: int = 0,
    **told: Unpack[Told],
) -> Any:
    """Return what a model scores on rows it has not seen, round by round.

    Args:
        params: Parameters by name or alias.
        dtrain: The rows.
        num_boost_round: Rounds.
        nfold: Folds; the same rows as XGBoost's of the same seed.
        seed: Of the folds.
        **told: ``stratified``, ``folds`` (pairs of rows, or scikit-learn's splitter), ``shuffle``,
            ``metrics``, ``obj``, ``maximize``, ``early_stopping_rounds``, ``fpreproc``,
            ``as_pandas``, ``verbose_eval``, ``show_stdv``, ``callbacks``, ``custom_metric``.

    Returns:
        Mean and deviation of each metric, up to the best round where training stopped early: a
        pandas data frame, or a dict where pandas is not wanted or not there.

    Raises:
        TypeError: An argument that is not known.
        ValueError: A parameter that is wrong.
    """
    check_told(told, Told.__annotations__, "cv")
    check_integer("nfold", nfold, low=2)
    metrics = told.get("metrics", ())
    own = dict(params)
    if metrics:
        own["eval_metric"] = [metrics] if isinstance(metrics, str) else list(metrics)
    obj = told.get("obj")
    model = Folds([_part(pair, dtrain, own, told) for pair in _pairs(dtrain, nfold, seed, told)])
    around = callbacks_of(told, default_verbose=False, show_stdv=told.get("show_stdv", True))
    try:
        table = _run(model, around, told, num_boost_round, obj)
    finally:
        for booster in model.cvfolds:
            booster.reset()
    if any(isinstance(one, EarlyStopping) for one in around) and model.attr("best_iteration"):
        table = {name: column[: model.best_iteration + 1] for name, column in table.items()}
    return _framed(table) if told.get("as_pandas", True) else table


def _run(
    model: Folds,
    around: Sequence[TrainingCallback],
    told: Told,
    rounds: int,
    obj: Slopes | None,
) -> dict[str, list[float]]:
    history: EvalsLog = {}
    table: dict[str, list[float]] = {}
    for one in around:
        one.before_training(model)
    for k in range(rounds):
        if any(one.before_iteration(model, k, history) for one in around):
            break
        model.update(k, obj)
        for name, pair in model.scores(told.get("custom_metric"), callable(obj)).items():
            data, _, metric = name.partition("-")
            history.setdefault(data, {}).setdefault(metric, []).append(pair)
            for kind, value in zip(("mean", "std"), pair):
                table.setdefault(f"{name}-{kind}", []).append(value)
        if any(one.after_iteration(model, k, history) for one in around):
            break
    for one in around:
        one.after_training(model)
    return table


def _part(
    pair: tuple[Rows, Rows], dtrain: DMatrix, params: Mapping[str, Any], told: Told
) -> tuple[Booster, DMatrix, DMatrix]:
    rows, held = (_sliced(dtrain, one) for one in pair)
    own: Any = dict(params)
    prepare = told.get("fpreproc")
    if prepare is not None:
        rows, held, own = prepare(rows, held, own)
    booster = Booster(own)
    booster.watch(rows, [(rows, "train"), (held, "test")], callable(told.get("obj")))
    return booster, rows, held


def _sliced(dtrain: DMatrix, chosen: Rows) -> DMatrix:
    """Return some rows, in their queries where there are any."""
    offsets = dtrain.data.group_offsets
    if offsets is None:
        return dtrain.slice(chosen)
    made = dtrain.slice(chosen, allow_groups=True)
    query = np.searchsorted(offsets, chosen, side="right")
    ends = np.flatnonzero(np.diff(query)) + 1
    made.set_group(np.diff(np.concatenate([[0], ends, [len(query)]])))
    return made


def _pairs(dtrain: DMatrix, nfold: int, seed: int, told: Told) -> list[tuple[Rows, Rows]]:
    """Return the rows of training and of test of each fold, in the order XGBoost takes them."""
    given = told.get("folds")
    if given is not None:
        if not isinstance(given, Iterable):
            given = given.split(np.zeros(dtrain.num_row()), dtrain.get_label())
        return [(np.asarray(a, np.int64), np.asarray(b, np.int64)) for a, b in given]
    if told.get("stratified"):
        from sklearn.model_selection import StratifiedKFold

        splitter = StratifiedKFold(nfold, shuffle=True, random_state=seed)
        return list(splitter.split(np.zeros(dtrain.num_row()), dtrain.get_label()))
    offsets = dtrain.data.group_offsets
    count = dtrain.num_row() if offsets is None else len(offsets) - 1
    # numpy's old generator: the same permutation as XGBoost's.
    random = np.random.RandomState(seed)
    order = random.permutation(count) if told.get("shuffle", True) else np.arange(count)
    tests = np.array_split(order, nfold)
    pairs = []
    for k in range(nfold):
        others = np.concatenate([tests[j] for j in range(nfold) if j != k])
        pairs.append((_rows(others, offsets), _rows(tests[k], offsets)))
    return pairs


def _rows(numbers: Rows, offsets: NDArray[np.int64] | None) -> Rows:
    """Return the rows of queries; rows where there are none."""
    if offsets is None:
        return numbers
    return np.concatenate([np.arange(offsets[q], offsets[q + 1]) for q in numbers])


def _framed(table: dict[str, list[float]]) -> Any:
    return require("pandas", "pandas").DataFrame(table)
