"""Moments and quantiles of a stream beside the usual tools: nanoseconds a value, and accuracy."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from drivetrain.approximation import Moments, Quantiles
from drivetrain.bench.peers.fastdigest import digest_quantiles
from drivetrain.bench.peers.river import update_all
from drivetrain.core.errors import MissingDependency
from drivetrain.gallery.page.draw import log_axis, panel
from drivetrain.gallery.page.palette import BLUE, GRID, MUTED
from drivetrain.gallery.page.section import Figure, Number, Table

Array = NDArray[np.float64]
COUNT, SKETCHED, SINGLY, ROUNDS = 4_000_000, 500_000, 20_000, 4
OFFSET = 1e9
LEVELS = np.array([0.01, 0.5, 0.9, 0.99, 0.999])


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A way to the answer: how many values it is timed on, and what it says of them."""

    name: str
    answer: Callable[[Array], Array]
    values: int
    ours: bool = False


SKETCHES = {"tdigest": "t-digest", "kll": "KLL", "rm": "Robbins-Monro", "p2": "P²"}


def _rivals() -> tuple[list[Rival], list[Rival]]:
    moments = [
        Rival(name="read only: np.sum", answer=lambda x: np.array([np.sum(x)]), values=COUNT),
        Rival(name="drivetrain", answer=_ours, values=COUNT, ours=True),
        Rival(name="np.mean, np.var", answer=_numpy, values=COUNT),
        Rival(name="StandardScaler", answer=_scaler, values=COUNT),
        Rival(name="torch.var_mean", answer=_torch, values=COUNT),
        Rival(name="river Var", answer=_river, values=SINGLY),
    ]
    quantiles = [
        Rival(name="np.quantile, all stored", answer=_exact, values=SKETCHED),
        Rival(name="fastdigest", answer=_fastdigest, values=SKETCHED),
    ]
    quantiles += [
        Rival(name=f"drivetrain {name}", answer=_sketch(method), values=SKETCHED, ours=True)
        for method, name in SKETCHES.items()
    ]
    return _installed(moments), _installed(quantiles)


def _installed(rivals: list[Rival]) -> list[Rival]:
    found = []
    for rival in rivals:
        try:
            rival.answer(np.arange(8.0))
        except MissingDependency:
            continue
        found.append(rival)
    return found


def _numpy(x: Array) -> Array:
    return np.array([x.mean(), x.var()])


def _exact(x: Array) -> Array:
    return np.quantile(x, LEVELS)


def _river(x: Array) -> Array:
    return np.array([np.nan, update_all("Var", x.tolist(), 0)()])


def _fastdigest(x: Array) -> Array:
    return digest_quantiles(x, LEVELS.tolist())()


def _ours(x: Array) -> Array:
    stream = Moments(ddof=0).update(x)
    return np.array([stream.mean, stream.var])


def _scaler(x: Array) -> Array:
    scaler = StandardScaler()
    for block in np.array_split(x[:, None], 4):
        scaler.partial_fit(block)
    return np.array([scaler.mean_[0], scaler.var_[0]])


def _torch(x: Array) -> Array:
    variance, mean = torch.var_mean(torch.from_numpy(x), correction=0)
    return np.array([float(mean), float(variance)])


def _sketch(method: str) -> Callable[[Array], Array]:
    def answer(x: Array) -> Array:
        return np.asarray(Quantiles(LEVELS, method=method).update(x).values)

    return answer


def nanoseconds(rivals: list[Rival], values: Array) -> dict[str, float]:
    """Return the least time a value of each rival, interleaved and warmed up."""
    times: dict[str, list[float]] = {rival.name: [] for rival in rivals}
    for number in range(ROUNDS + 1):
        for rival in rivals:
            part = values[: rival.values]
            began = time.perf_counter()
            rival.answer(part)
            if number:
                times[rival.name].append(1e9 * (time.perf_counter() - began) / len(part))
    return {name: min(each) for name, each in times.items()}


def variance_error(rival: Rival, seed: int) -> float:
    """Return the relative error of the variance of 1e9 + N(0, 1), a million values at most."""
    count = min(rival.values, 1_000_000)
    x = OFFSET + np.random.default_rng((seed, 1)).standard_normal(count)
    # Subtracting 1e9 from its neighbours is exact, and long doubles do the rest.
    centred = (x - OFFSET).astype(np.longdouble)
    exact = np.mean((centred - centred.mean()) ** 2)
    return abs(float((rival.answer(x)[1] - exact) / exact))


def rank_error(rival: Rival, ordered: Array, found: Array) -> float:
    """Return the largest distance of a rank from its level."""
    return float(np.abs(np.searchsorted(ordered, found) / len(ordered) - LEVELS).max())


def figure(seed: int) -> Figure:
    """Return the figure: times of moments and of quantiles, and a table with their errors."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        values = np.random.default_rng(seed).standard_normal(COUNT)
        moments, quantiles = _rivals()
        with warnings.catch_warnings():
            # One normal stream in three hundred looks like a trend by chance.
            warnings.simplefilter("ignore")
            fast, slow = nanoseconds(moments, values), nanoseconds(quantiles, values)
            rows = _rows(moments, quantiles, fast | slow, values, seed)
    finally:
        torch.set_num_threads(threads)
    return Figure(
        title="Mean and variance in one read of memory; quantiles without storing the data",
        panels=(
            _panel("Mean and variance, ns a value", fast, moments),
            _panel("Five quantiles, ns a value", slow, quantiles),
        ),
        table=Table(
            header=("method", "ns a value", "error"),
            rows=rows,
            note="Error: of the variance, relative, on 1e9 + N(0, 1); of quantiles, the "
            "largest distance of a rank. One thread, the fastest of four rounds.",
        ),
        caption=f"{COUNT:,} normal values for the moments, {SKETCHED:,} for the quantiles. Blocks "
        "of 1,024 values are summed in the first cache and merged, so memory is read once; "
        "drivetrain bench approximation_streams measures this with care.",
        numbers=_numbers(fast, slow),
        timed=True,
    )


def _rows(
    moments: list[Rival], quantiles: list[Rival], times: dict[str, float], values: Array, seed: int
) -> tuple[tuple[str, ...], ...]:
    ordered = np.sort(values[:SKETCHED])
    errors = {rival.name: f"{variance_error(rival, seed):.1e}" for rival in moments[1:]}
    errors |= {
        rival.name: f"{rank_error(rival, ordered, rival.answer(values[:SKETCHED])):.1e}"
        for rival in quantiles
    }
    return tuple((name, _short(ns), errors.get(name, "")) for name, ns in times.items())


def _numbers(fast: dict[str, float], slow: dict[str, float]) -> tuple[Number, ...]:
    ours = fast["drivetrain"]
    rows = [
        Number(
            what="share of the read bandwidth",
            ours=f"{fast['read only: np.sum'] / ours:.0%}",
            reference="100 %",
            source="np.sum, same run",
        )
    ]
    for name in list(fast)[2:]:
        rows.append(
            Number(
                what=f"{name} / ours",
                ours=f"{fast[name] / ours:.1f} ×",
                reference="1 ×",
                source="same run",
            )
        )
    rows.append(
        Number(
            what="np.quantile / our t-digest",
            ours=f"{slow['np.quantile, all stored'] / slow['drivetrain t-digest']:.1f} ×",
            reference="1 ×",
            source="same run; numpy keeps every value",
        )
    )
    return tuple(rows)


def _short(ns: float) -> str:
    return f"{ns:.2f}" if ns < 10 else f"{ns:.0f}"


def _panel(title: str, times: dict[str, float], rivals: list[Rival]) -> str:
    def paint(ax: Axes) -> None:
        least = min(times.values()) / 3
        for place, rival in enumerate(rivals):
            colour = BLUE if rival.ours else MUTED
            ax.hlines(place, least, times[rival.name], color=GRID, lw=5)
            ax.plot(times[rival.name], place, "o", color=colour, ms=9)
            ax.text(
                times[rival.name] * 1.35,
                place,
                _short(times[rival.name]),
                color=colour,
                va="center",
            )
        log_axis(ax, "x")
        ax.set_yticks(range(len(rivals)), [rival.name for rival in rivals])
        for label, rival in zip(ax.get_yticklabels(), rivals, strict=True):
            label.set_color(BLUE if rival.ours else MUTED)
        ax.set(xlim=(least, max(times.values()) * 4), ylim=(len(rivals) - 0.5, -0.6))
        ax.grid(axis="y", visible=False)
        ax.set_title(title)

    said = ", ".join(f"{name} {ns:.2g}" for name, ns in times.items())
    return panel(paint, alt=f"{title}: {said}.", height=250)
