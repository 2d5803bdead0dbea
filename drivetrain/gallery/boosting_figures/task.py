"""The tables of the section: flights out of New York, or patients where those are not installed."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.core.errors import MissingDependency
from drivetrain.data import diabetes, flights
from drivetrain.trees.growing.settings import Growth

Floats = NDArray[np.float32]
ROWS, HELD = 40_000, 10_000
WEEKDAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Rows to fit and rows held out.

    Attributes:
        train: Rows to fit.
        held: Rows held out.
        what: What is predicted, in words.
        rows: What a row is.
        source: Where the data comes from.
    """

    train: Dataset
    held: Dataset
    what: str
    rows: str
    source: str

    @property
    def plain(self) -> "Task":
        """The same without categories: words are numbers then, for methods that know no sets."""
        return Task(
            train=Dataset(x=self.train.x, label=self.train.label),
            held=Dataset(x=self.held.x, label=self.held.label),
            what=self.what,
            rows=self.rows,
            source=self.source,
        )


@cache
def task(seed: int) -> Task:
    """Return the delays of a sample of flights, or the diabetes patients."""
    try:
        return _flights(seed)
    except MissingDependency:
        return _patients(seed)


def _flights(seed: int) -> Task:
    given = flights()
    known = np.flatnonzero(~np.isnan(given.arr_delay))
    rows = np.random.default_rng(seed).permutation(known)[: ROWS + HELD]
    day = given.time.astype("datetime64[D]").astype(np.int64)
    month = given.time.astype("datetime64[M]").astype(np.int64) % 12 + 1
    minute = given.time.astype(np.int64) % (24 * 60)
    numbers = {
        "dep_delay": given.dep_delay,
        "distance": given.distance,
        "hour (UTC)": minute / 60,
        "month": month,
    }
    words = {"carrier": given.carrier, "origin": given.origin, "dest": given.dest}
    columns = [np.asarray(column)[rows] for column in numbers.values()]
    categories: list[tuple[object, ...]] = [() for _ in numbers]
    columns.append(day[rows] % 7)
    categories.append(WEEKDAYS)
    for column in words.values():
        found, codes = np.unique(column[rows], return_inverse=True)
        columns.append(codes)
        categories.append(tuple(map(str, found)))
    data = Dataset(
        x=np.stack(columns, axis=1).astype(np.float32),
        label=given.arr_delay[rows].astype(np.float32),
        feature_names=(*numbers, "weekday", *words),
        categorical=np.array([bool(one) for one in categories]),
        categories=tuple(categories),
    )
    return _parted(
        data,
        ROWS,
        "arrival delay, minutes",
        "flights",
        f"{given.source}. Licence: {given.licence}.",
    )


def _patients(seed: int) -> Task:
    given = diabetes()
    order = np.random.default_rng(seed).permutation(len(given.target))
    data = Dataset(
        x=given.features[order].astype(np.float32),
        label=given.target[order].astype(np.float32),
        feature_names=given.feature_names,
    )
    source = f"{given.source}. Licence: {given.licence}."
    return _parted(data, 330, "progress of diabetes", "patients", source)


def _parted(data: Dataset, n: int, what: str, rows: str, source: str) -> Task:
    return Task(
        train=data.take(np.arange(n)),
        held=data.take(np.arange(n, len(data))),
        what=what,
        rows=rows,
        source=source,
    )


def grown(data: Dataset, *, rounds: int, threads: int = 1, **growth: object) -> Booster:
    """Return a model of squared error with a learning rate of 0.1.

    Args:
        data: Rows.
        rounds: Trees.
        threads: Threads.
        **growth: Fields of ``Growth``.
    """
    settings = Settings(
        n_estimators=rounds,
        learning_rate=0.1,
        threads=threads,
        growth=Growth(**growth),  # type: ignore[arg-type]
    )
    return boost(data, SquaredError(), settings)[0]


def rmse(model: Booster, data: Dataset) -> float:
    """Return the root of the mean squared error."""
    off = model.predict(data.x).reshape(-1).astype(np.float64) - data.target
    return float(np.sqrt(np.mean(off**2)))
