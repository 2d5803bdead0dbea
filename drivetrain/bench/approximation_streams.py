"""Streams: means, moments and covariances at the speed of reading, beside their peers."""

import statistics
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.approximation.streams import Covariance, EWMean, EWMoments, Mean, Moments
from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.peers import river

Array = NDArray[np.float64]

SIZE = 10**8
"""Values of the long stream: 0.8 GB."""

BATCH = 10**6
COLUMNS = (2, 5, 8)


def cases() -> Iterator[Case]:
    """Yield moments of the long stream, covariances, accuracy, and river's races."""
    yield from _long_stream(_normal(SIZE))
    yield _offset_error()
    yield _merge_error()
    yield from _arrays(_normal(4 * 10**6))
    yield from _observations(_normal(10**5).tolist())


@njit(nogil=True, cache=True, fastmath={"reassoc", "nsz", "contract"})
def read(x: Array) -> float:
    """Return the plain sum: no pass over memory is quicker."""
    total = 0.0
    for i in range(len(x)):
        total += x[i]
    return total


def _normal(n: int) -> Array:
    rng, x = np.random.default_rng(0), np.empty(n)
    for start in range(0, n, 10**7):
        rng.standard_normal(out=x[start : start + 10**7])
    x += 3.0
    return x


# The long stream.


def _long_stream(x: Array) -> Iterator[Case]:
    plain = _peer("plain sum", _reading, x)
    ours = Contender(name="drivetrain", run=lambda: _mean_var(Moments().update(x)))
    race = partial(Race, ours=ours, work=(8.0 * len(x), "B"), repeats=7)
    yield race(
        name="mean-var-numpy",
        what="mean and variance of 1e8 floats against numpy and scikit-learn",
        peers=(_peer("numpy", _numpy_var, x), _peer("sklearn", _scaler, x)),
        equal=_same_mean_var,
        floor=7.0,
        aim=7.7,
    )
    yield race(
        name="mean-var-read",
        what="mean and variance of 1e8 floats against the plain sum of them",
        peers=(plain,),
        equal=_same_mean,
        floor=0.90,
        aim=0.97,
    )
    yield race(
        name="mean-var-torch",
        what="mean and variance of 1e8 floats against torch",
        peers=(_peer("torch", _torch_var, x),),
        equal=_same_mean_var,
        floor=12.0,
        aim=18.0,
    )
    yield _four_moments(x, ours)
    for p in COLUMNS:
        yield _covariance(x[: len(x) // p * p].reshape(-1, p), plain)


def _four_moments(x: Array, ours: Contender) -> Race:
    two = Contender(name="drivetrain order 2", run=ours.run)
    return Race(
        name="four-moments",
        what="four moments and the extremes against mean and variance alone",
        ours=Contender(name="drivetrain order 4", run=lambda: _mean_var(Moments(4).update(x))),
        peers=(_peer("order 2", lambda: two),),
        equal=_same_mean_var,
        floor=0.5,
        aim=0.62,
        work=(8.0 * len(x), "B"),
        repeats=7,
    )


def _covariance(rows: Array, plain: Callable[[], Contender]) -> Race:
    p = rows.shape[1]
    return Race(
        name=f"covariance-{p}",
        what=f"covariance matrix of {p} columns, 1e8 floats, against the plain sum of them",
        ours=Contender(
            name="drivetrain",
            run=lambda: Covariance(p).update(rows),
            answer=lambda: (float(Covariance(p).update(rows).mean.mean()),),
        ),
        peers=(plain,),
        equal=_same_mean,
        floor=0.90,
        aim=0.97,
        work=(8.0 * rows.size, "B"),
        repeats=7,
    )


def _mean_var(stream: Moments) -> tuple[float, float]:
    return stream.mean, stream.var


def _reading(x: Array) -> Contender:
    # Whichever of the two sums is quicker here is the measure of reading.
    sums: tuple[Callable[[Array], Any], ...] = (read, np.sum)
    best = min(sums, key=lambda add: _seconds(partial(add, x), 3))
    return Contender(name="plain sum", run=lambda: best(x), answer=lambda: (best(x) / len(x),))


def _numpy_var(x: Array) -> Contender:
    def answer() -> tuple[float, float]:
        return float(np.mean(x)), float(np.var(x, ddof=1))

    return Contender(name="numpy var", run=lambda: np.var(x, ddof=1), answer=answer)


def _torch_var(x: Array) -> Contender:
    import torch

    tensor = torch.from_numpy(x)

    def run() -> tuple[float, float]:
        var, mean = torch.var_mean(tensor, correction=1)
        return float(mean), float(var)

    return Contender(name="torch var_mean", run=run)


def _scaler(x: Array) -> Contender:
    from sklearn.preprocessing import StandardScaler

    def run() -> tuple[float, float]:
        scaler = StandardScaler()
        for start in range(0, len(x), BATCH):
            scaler.partial_fit(x[start : start + BATCH, None])
        n = len(x)
        return float(scaler.mean_[0]), float(scaler.var_[0]) * n / (n - 1)

    return Contender(name="sklearn partial_fit", run=run)


def _same_mean(ours: Any, theirs: Any) -> str:
    ours = ours if isinstance(ours, tuple) else (ours,)
    # Both add 1e8 terms of size 3, the plain sum in a few lanes: errors up to sqrt(n) eps each.
    return _near("mean", ours[0], theirs[0], 1e-11)


def _same_mean_var(ours: Any, theirs: Any) -> str:
    return f"{_near('mean', ours[0], theirs[0], 1e-11)}, {_near('var', ours[1], theirs[1], 1e-11)}"


def _near(name: str, ours: float, theirs: float, limit: float) -> str:
    gap = abs(ours - theirs) / (abs(theirs) or 1.0)
    assert gap <= limit, f"{name} {ours!r} against {theirs!r}: {gap:.1e} > {limit:.0e}"
    return f"{name} to {gap:.0e}"


# Accuracy.


def _offset_error() -> Measure:
    def value() -> float:
        x = 1e9 + np.random.default_rng(1).standard_normal(10**6)
        parts = [Fraction(v) for v in x.tolist()]
        mean = sum(parts, Fraction(0)) / len(parts)
        exact = sum(((v - mean) ** 2 for v in parts), Fraction(0)) / len(parts)
        return float(abs(Fraction(Moments(ddof=0).update(x).var) / exact - 1))

    return Measure(
        name="offset-error",
        what="relative error of the variance of 1e9 + N(0, 1), n = 1e6, in exact arithmetic",
        value=value,
        high=1e-14,
        aim=1e-15,
    )


def _merge_error() -> Measure:
    def value() -> float:
        x = np.random.default_rng(2).standard_normal(10**6) + 3
        shards = np.array_split(x, 16)
        forth, back = Moments(), Moments()
        for shard in shards:
            forth.merge(Moments().update(shard))
        for shard in reversed(shards):
            back.merge(Moments().update(shard))
        return max(abs(forth.var / back.var - 1), abs(forth.mean / back.mean - 1))

    return Measure(
        name="merge-error",
        what="relative change of mean and variance when 16 shards merge in reverse",
        value=value,
        high=1e-15,
    )


# Against river.


def _arrays(x: Array) -> Iterator[Case]:
    rows: list[tuple[str, str, Callable[[], float], tuple[Any, ...]]] = [
        ("mean", "Mean", lambda: Moments(1).update(x).mean, ()),
        ("var", "Var", lambda: Moments(2).update(x).var, ()),
        ("kurtosis", "Kurtosis", lambda: Moments(4).update(x).kurtosis, ()),
        ("ewmean", "EWMean", lambda: EWMean(0.01).update(x).mean, (0.01,)),
        ("ewvar", "EWVar", lambda: EWMoments(0.01).update(x).var, (0.01,)),
    ]
    values = x.tolist()
    for name, peer, run, settings in rows:
        yield Race(
            name=f"array-{name}",
            what=f"{name} of an array of 4e6 floats against river's updates",
            ours=Contender(name="drivetrain", run=run),
            peers=(_peer("river", _river, peer, values, settings),),
            # River corrects the kurtosis for the sample's size: a difference of about 6/n.
            equal=partial(_answers_near, 1e-4 if name == "kurtosis" else 1e-9),
            floor=300.0,
            aim=1000.0,
            repeats=3,
        )


def _observations(values: list[float]) -> Iterator[Case]:
    pairs = list(zip(values[::2], values[1::2]))
    rows: list[tuple[str, str, Callable[[], float], list[Any], tuple[Any, ...]]] = [
        ("mean", "Mean", lambda: _one_by_one(Mean(), values).mean, values, ()),
        ("var", "Var", lambda: _one_by_one(Moments(), values).var, values, ()),
        ("kurtosis", "Kurtosis", lambda: _one_by_one(Moments(4), values).kurtosis, values, ()),
        ("ewmean", "EWMean", lambda: _one_by_one(EWMean(0.01), values).mean, values, (0.01,)),
        ("cov", "Cov", lambda: _one_by_one(Covariance(2), pairs).cov[0, 1], pairs, ()),
    ]
    for name, peer, run, observations, settings in rows:
        yield Race(
            name=f"update-{name}",
            what=f"{name} by 1e5 single updates against river's, checks included",
            ours=Contender(name="drivetrain", run=run),
            peers=(_peer("river", _river, peer, observations, settings),),
            equal=partial(_answers_near, 1e-3 if name == "kurtosis" else 1e-9),
            floor=1.0,
        )
    yield from _drawn(values)


def _drawn(values: list[float]) -> Iterator[Case]:
    rows: list[tuple[str, str, Callable[[], float], tuple[Any, ...]]] = [
        ("mean", "Mean", lambda: Mean().update(iter(values)).mean, ()),
        ("var", "Var", lambda: Moments().update(iter(values)).var, ()),
        ("kurtosis", "Kurtosis", lambda: Moments(4).update(iter(values)).kurtosis, ()),
        ("ewmean", "EWMean", lambda: EWMean(0.01).update(iter(values)).mean, (0.01,)),
    ]
    for name, peer, run, settings in rows:
        yield Race(
            name=f"drawn-{name}",
            what=f"{name} of 1e5 floats, one update(iterator) that draws them, checks included, "
            "against a loop of river's update",
            ours=Contender(name="drivetrain", run=run),
            peers=(_peer("river", _river, peer, values, settings),),
            equal=partial(_answers_near, 1e-3 if name == "kurtosis" else 1e-9),
            floor=1.0,
        )


def _one_by_one(stream: Any, observations: list[Any]) -> Any:
    update = stream.update
    for x in observations:
        update(x)
    return stream


def _river(name: str, observations: list[Any], settings: tuple[Any, ...]) -> Contender:
    return Contender(name=f"river {name}", run=river.update_all(name, observations, *settings))


def _answers_near(limit: float, ours: float, theirs: float) -> str:
    gap = abs(ours - theirs)
    assert gap <= limit, f"{ours!r} against {theirs!r}"
    return f"to {gap:.0e}"


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
