"""One script run by both libraries: ranking, dropped trees, linear models, forests, samples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.problems.trees import Table, flights
from drivetrain.boosting import compat
from drivetrain.core.errors import require

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Script:
    """What both are told.

    Attributes:
        name: A slug.
        what: In words.
        params: XGBoost's.
        rounds: Rounds of boosting.
        data: Columns of the training and the held-out matrix.
        slack: Share by which our held-out metric may be worse: draws differ where there are any.
        rising: Whether more is better.
        floor: The least ratio.
    """

    name: str
    what: str
    params: dict[str, Any]
    rounds: int
    data: Callable[[], tuple[dict[str, Any], dict[str, Any]]]
    slack: float
    rising: bool = False
    floor: float = 1.0


def cases() -> Iterator[Case]:
    """Yield each script with one thread, ranking with two as well."""
    for script in scripts():
        yield _race(script, 1)
    yield _race(scripts()[0], 2)


TREE = {"max_depth": 6, "eta": 0.1}
DRAWN = {"subsample": 0.5, "seed": 1}
FOREST = {"eta": 1.0, "max_depth": 12, "subsample": 0.8, "colsample_bynode": 0.6, "seed": 1}
LINEAR = {"booster": "gblinear", "updater": "coord_descent", "eta": 0.5, "lambda": 1e-5}


def scripts() -> list[Script]:
    """Return what is run."""
    return [_ranking(), _dart(), _linear(), _forest(), _drawn()]


def _ranking() -> Script:
    return Script(
        name="rank-ndcg",
        what="Learn to rank 180,000 rows of 60 features in 1,500 queries, 20 rounds",
        params={**TREE, "objective": "rank:ndcg", "eval_metric": "ndcg@10"},
        rounds=20,
        data=queries,
        slack=0.02,
        rising=True,
    )


def _dart() -> Script:
    return Script(
        name="dart",
        what="Drop a tenth of the trees each round (DART), 50 rounds on a third of flights",
        params={**TREE, "booster": "dart", "rate_drop": 0.1, "eval_metric": "rmse"},
        rounds=50,
        data=_some_flights,
        slack=0.05,
    )


def _linear() -> Script:
    return Script(
        name="gblinear",
        what="A linear model by coordinate descent, 100 rounds on a third of flights",
        params={**LINEAR, "eval_metric": "rmse"},
        rounds=100,
        data=_some_filled_flights,
        slack=1e-4,
    )


def _forest() -> Script:
    return Script(
        name="forest",
        what="A forest of 50 trees of depth 12 by boosting's own kernels, flights",
        params={**FOREST, "num_parallel_tree": 50, "eval_metric": "rmse"},
        rounds=1,
        data=_flights,
        slack=0.02,
    )


def _drawn() -> Script:
    return Script(
        name="subsample",
        what="Half the rows a round, 100 rounds, flights",
        params={**TREE, **DRAWN, "eval_metric": "rmse"},
        rounds=100,
        data=_flights,
        slack=0.02,
    )


def _both(table: Table, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"data": table.x[:n], "label": table.y[:n]}, {
        "data": table.held_x,
        "label": table.held_y,
    }


def _flights() -> tuple[dict[str, Any], dict[str, Any]]:
    return _both(flights(), len(flights().y))


def _some_flights() -> tuple[dict[str, Any], dict[str, Any]]:
    return _both(flights(), len(flights().y) // 3)


def _some_filled_flights() -> tuple[dict[str, Any], dict[str, Any]]:
    train, held = _some_flights()
    scale = np.nanstd(train["data"], axis=0) + np.float32(1e-6)
    middle = np.nanmean(train["data"], axis=0)

    def filled(x: Floats) -> Floats:
        return np.nan_to_num((x - middle) / scale)

    return {**train, "data": filled(train["data"])}, {**held, "data": filled(held["data"])}


@lru_cache(maxsize=1)
def queries() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return seeded queries of 120 rows with grades 0 to 4, like web search's; a fifth held out."""
    rng = np.random.default_rng(0)
    count, size, features = 1875, 120, 60
    x = rng.normal(size=(count * size, features)).astype(np.float32)
    score = np.tanh(x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + 0.5 * x[:, 3]
    score += rng.normal(0, 1, len(score)) + np.repeat(rng.normal(0, 1, count), size)
    grade = np.digitize(score, np.quantile(score, [0.5, 0.75, 0.9, 0.97])).astype(np.float32)
    qid = np.repeat(np.arange(count), size)
    n = 1500 * size
    whole: dict[str, NDArray[Any]] = {"data": x, "label": grade, "qid": qid}
    return {k: v[:n] for k, v in whole.items()}, {k: v[n:] for k, v in whole.items()}


@dataclass
class _Run:
    """A library at work: trains when called, and tells the held-out metric of what came out."""

    library: Any
    script: Script
    threads: int
    model: Any = None

    def __post_init__(self) -> None:
        train, held = self.script.data()
        self._train = partial(self.library.DMatrix, **train, nthread=self.threads)
        self._held = partial(self.library.DMatrix, **held, nthread=self.threads)

    def run(self) -> None:
        params = {**self.script.params, "nthread": self.threads}
        self.model = self.library.train(params, self._train(), self.script.rounds)

    def answer(self) -> float:
        return float(self.model.eval(self._held()).rsplit(":", 1)[1])


def _race(script: Script, threads: int) -> Race:
    ours = _Run(compat, script, threads)

    def by_xgboost() -> Contender:
        theirs = _Run(require("xgboost", "drivetrain[peers]"), script, threads)
        return Contender(name="XGBoost 3.2", run=theirs.run, answer=theirs.answer)

    return Race(
        name=f"{script.name}-threads-{threads}",
        what=f"{script.what}, {threads} thread(s)",
        ours=Contender(name="drivetrain", run=ours.run, answer=ours.answer),
        peers=(by_xgboost,),
        equal=partial(_no_worse, script),
        floor=script.floor,
        repeats=3,
    )


def _no_worse(script: Script, a: float, b: float) -> str:
    name = script.params["eval_metric"]
    loss = (b - a) / abs(b) if script.rising else (a - b) / abs(b)
    assert loss <= script.slack, f"our held-out {name} {a:.5f} is worse than {b:.5f}"
    return f"held-out {name} {a:.5f}, theirs {b:.5f}"
