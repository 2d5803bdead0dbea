"""Random forests beside scikit-learn's, XGBoost's and LightGBM's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble as scikit_learn

from drivetrain import ensemble
from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers import forests
from drivetrain.bench.problems.trees import Table, collisions, flights

# Forests of so few trees differ this much by the luck of their draws.
SLACK = 0.01


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A forest to grow.

    Attributes:
        name: Of the table.
        load: Returns it.
        trees: How many.
        leaf: Fewest rows of a leaf.
        share: Share of the features tried at a node.
    """

    name: str
    load: Callable[[], Table]
    trees: int
    leaf: int
    share: float


SETTINGS = (
    Setting(name="flights", load=flights, trees=10, leaf=5, share=1 / 3),
    Setting(name="collisions", load=collisions, trees=4, leaf=5, share=0.18),
)


def cases() -> Iterator[Case]:
    """Yield fitting and predicting by table and threads."""
    for setting in SETTINGS:
        for threads in (1, 2):
            yield _fitting(setting, "RandomForest", threads, floor=3.0)
        yield _predicting(setting, 1, floor=4.0)


@dataclass(kw_only=True)
class _Forest:
    """Fits when called, and tells the held-out loss of what came out."""

    table: Table
    make: Callable[[], Any]
    model: Any = field(default=None)

    def fit(self) -> None:
        self.model = self.make()

    def predict(self) -> NDArray[Any]:
        if self.model is None:
            self.fit()
        return predicted(self.model, self.table)

    def loss(self) -> float:
        error = self.predict() - self.table.held_y
        return float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))


def predicted(model: Any, table: Table) -> NDArray[Any]:
    """Return the held-out rows' predictions: numbers, or probabilities of the second class."""
    if table.binary:
        return np.asarray(model.predict_proba(table.held_x)[:, 1])
    return np.asarray(model.predict(table.held_x))


def forest(module: Any, kind: str, setting: Setting, threads: int, **more: Any) -> _Forest:
    """Return a forest of scikit-learn's interface, to be fitted.

    Args:
        module: Where its classes are.
        kind: ``RandomForest`` or ``ExtraTrees``.
        setting: What to grow.
        threads: Threads.
        **more: Further parameters.
    """
    table = setting.load()
    made = getattr(module, kind + ("Classifier" if table.binary else "Regressor"))
    told = {
        "n_estimators": setting.trees,
        "min_samples_leaf": setting.leaf,
        "max_features": setting.share,
        "random_state": 0,
        "n_jobs": threads,
    }
    return _Forest(table=table, make=lambda: made(**told, **more).fit(table.x, table.y))


def _no_worse(a: float, b: float) -> str:
    assert a <= b * (1 + SLACK), f"our held-out error {a:.5f} is worse than {b:.5f}"
    return f"held-out error {a:.5f}, theirs {b:.5f}"


def _fitting(setting: Setting, kind: str, threads: int, *, floor: float) -> Race:
    table = setting.load()
    told: dict[str, Any] = {
        "trees": setting.trees,
        "leaf": setting.leaf,
        "share": setting.share,
        "threads": threads,
    }

    def contender(name: str, one: _Forest) -> Contender:
        return Contender(name=name, run=one.fit, answer=one.loss)

    def theirs() -> Contender:
        return contender("scikit-learn", forest(scikit_learn, kind, setting, threads))

    def by_xgboost() -> Contender:
        one = _Forest(table=table, make=lambda: forests.by_xgboost(table, **told))
        return contender("XGBoost forest, depth 20", one)

    def by_lightgbm() -> Contender:
        one = _Forest(table=table, make=lambda: forests.by_lightgbm(table, **told))
        return contender("LightGBM forest", one)

    further = (by_xgboost, by_lightgbm) if kind == "RandomForest" else ()
    rows = f"{len(table.y):,} x {table.x.shape[1]}"
    word = "random" if kind == "RandomForest" else "extremely random"
    return Race(
        name=f"fit-{kind.lower()}-{setting.name}-threads-{threads}",
        what=f"Grow {setting.trees} {word} trees, leaves >= {setting.leaf} rows, {rows} "
        f"{setting.name}, {threads} thread(s)",
        ours=contender("drivetrain", forest(ensemble, kind, setting, threads)),
        peers=(theirs, *further),
        equal=_no_worse,
        floor=floor,
        repeats=3 if setting.name == "flights" else 1,
    )


def _predicting(setting: Setting, threads: int, *, floor: float) -> Race:
    table = setting.load()

    def contender(name: str, module: Any) -> Contender:
        one = forest(module, "RandomForest", setting, threads)
        return Contender(name=name, run=one.predict, answer=one.loss)

    rows = f"{len(table.held_y):,}"
    return Race(
        name=f"predict-randomforest-{setting.name}-threads-{threads}",
        what=f"Predict {rows} held-out rows of {setting.name} by {setting.trees} random trees, "
        f"{threads} thread(s)",
        ours=contender("drivetrain", ensemble),
        peers=(lambda: contender("scikit-learn", scikit_learn),),
        equal=_no_worse,
        floor=floor,
        work=(float(len(table.held_y)), "rows"),
        repeats=5,
    )
