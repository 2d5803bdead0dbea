"""Streams: quantiles in bounded memory, beside fastdigest and numpy's, which needs all data."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams import Quantiles
from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.peers import fastdigest

Array = NDArray[np.float64]

LEVELS = [0.01, 0.5, 0.9, 0.99, 0.999]


def cases() -> Iterator[Case]:
    """Yield the t-digest's speed and error on three inputs, its merging, the recursion."""
    for kind in ("normal", "lognormal", "sorted"):
        yield from _digest(kind)
    yield _merge_order()
    yield from _recursion()


def _sample(kind: str, n: int = 10**6) -> Array:
    z = np.random.default_rng(0).standard_normal(n)
    if kind == "lognormal":
        return np.asarray(np.exp(2.0 * z))
    return np.sort(z) if kind == "sorted" else z


def _digest(kind: str) -> Iterator[Case]:
    x = _sample(kind)
    ordered = np.sort(x)

    def run() -> Any:
        return Quantiles(LEVELS).update(x).values

    yield Race(
        name=f"tdigest-{kind}",
        what=f"t-digest of 1e6 {kind} values and five quantiles, against fastdigest",
        ours=Contender(name="drivetrain", run=run),
        peers=(_peer("fastdigest", _fastdigest, x), _peer("numpy", _numpy_quantile, x)),
        equal=partial(_same_ranks, ordered),
        floor=2.0,
        aim=3.0,
        work=(float(len(x)), "values"),
    )
    yield Measure(
        name=f"tdigest-{kind}-ns",
        what=f"nanoseconds a value, five quantiles included, {kind} values",
        value=lambda: _seconds(run, 9) / len(x) * 1e9,
        high=40.0,
        aim=30.0,
        unit="ns",
    )
    yield Measure(
        name=f"tdigest-{kind}-error",
        what=f"largest rank error at .01 .5 .9 .99 .999 of 1e6 {kind} values",
        value=lambda: _rank_error(ordered, run()),
        high=2e-4,
        aim=2e-5,
    )


def _fastdigest(x: Array) -> Contender:
    return Contender(name="fastdigest", run=fastdigest.digest_quantiles(x, LEVELS))


def _numpy_quantile(x: Array) -> Contender:
    return Contender(name="numpy quantile, all data", run=lambda: np.quantile(x, LEVELS))


def _rank_error(ordered: Array, values: Array) -> float:
    ranks = np.searchsorted(ordered, values) / len(ordered)
    return float(np.abs(ranks - LEVELS).max())


def _same_ranks(ordered: Array, ours: Array, theirs: Array) -> str:
    errors = [_rank_error(ordered, values) for values in (ours, theirs)]
    # Both are approximations: equal means that neither is farther off than the goal allows.
    assert max(errors) <= 2e-4, f"rank errors {errors[0]:.0e} and {errors[1]:.0e}"
    return f"rank error {errors[0]:.1e} against {errors[1]:.1e}"


def _merge_order() -> Measure:
    def value() -> float:
        x = _sample("lognormal")
        ordered, streams = np.sort(x), []
        for step in (1, -1):
            stream = Quantiles(LEVELS)
            for shard in np.array_split(x, 50)[::step]:
                stream.merge(Quantiles(LEVELS).update(shard))
            streams.append(np.searchsorted(ordered, stream.values) / len(x))
        return float(np.abs(streams[0] - streams[1]).max())

    return Measure(
        name="tdigest-merge-order",
        what="largest change in rank when 50 lognormal shards merge in reverse",
        value=value,
        high=1e-3,
    )


def _recursion() -> Iterator[Case]:
    x = _sample("normal")

    def run() -> Any:
        return Quantiles(LEVELS, "rm").update(x).values

    yield Measure(
        name="rm-ns",
        what="nanoseconds a value and quantile, Robbins-Monro, five quantiles at once",
        value=lambda: _seconds(run, 9) / len(x) / len(LEVELS) * 1e9,
        high=5.0,
        aim=3.0,
        unit="ns",
    )
    ordered = np.sort(x)
    yield Measure(
        name="rm-error",
        what="largest rank error of Robbins-Monro at the five levels, normal values",
        value=lambda: _rank_error(ordered, run()),
    )


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of a call that is already warm after its first run."""
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _peer(name: str, build: Callable[..., Contender], *inputs: Any) -> Callable[[], Contender]:
    """Return the thunk a race wants; its name is shown where the peer is not installed."""

    def thunk() -> Contender:
        return build(*inputs)

    thunk.__name__ = name
    return thunk
