"""Averaged SGD with confidence intervals, beside scikit-learn, river and torch without them."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.harness.case import Case, Contender, Measure, Race

Array = NDArray[np.float64]
_POWER = 0.505
_SEED = 20_260
"""Of the first coverage study; the next has the next. None served to choose a setting."""


def cases() -> Iterator[Case]:
    """Yield the races against SGD without intervals, then what the intervals are worth."""
    yield _against_sklearn(5, 100_000, floor=1.3, aim=2.0)
    yield _against_sklearn(10, 100_000, floor=1.3, aim=2.0)
    yield _against_sklearn(100, 20_000, floor=0.7, aim=1.0)
    yield _against_sklearn(100, 20_000, floor=0.7, aim=1.0, inference="rs_diagonal")
    yield _cost_of_intervals()
    yield _against_river()
    yield _against_torch()
    yield from _coverages()


def _samples(p: int, n: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, p))
    return X, X @ np.arange(1, p + 1) / p + rng.standard_normal(n)


def _ours(X: Array, y: Array, *, inference: str | None, **settings: Any) -> Callable[[], Array]:
    from drivetrain.approximation.inference import SGDRegressor

    def run() -> Array:
        model = SGDRegressor(fit_intercept=False, inference=inference, **settings)
        model.partial_fit(X, y)
        if inference is not None:
            model.conf_int(0.95)
        return np.asarray(model.coef_)

    return run


def _against_sklearn(p: int, n: int, *, floor: float, aim: float, inference: str = "rs") -> Race:
    # A gain that is stable for the columns: below 2 / E|x|².
    X, y = _samples(p, n)
    gain = {"eta0": min(0.5, 2.0 / p), "power_t": _POWER}

    def theirs() -> Contender:
        from sklearn.linear_model import SGDRegressor

        def run() -> Array:
            model = SGDRegressor(
                average=True,
                penalty=None,
                learning_rate="invscaling",
                fit_intercept=False,
                shuffle=False,
                **gain,
            )
            return np.asarray(model.partial_fit(X, y).coef_)

        return Contender(name="scikit-learn, no intervals", run=run)

    words = "" if inference == "rs" else ", each coefficient on its own"
    return Race(
        name=f"sgd_p{p}" + ("_diagonal" if inference != "rs" else ""),
        what=f"averaged SGD, {p} columns: ours with 95 % intervals{words}, theirs without",
        ours=Contender(
            name="drivetrain, with intervals",
            run=_ours(X, y, inference=inference, gain="invscaling", **gain),
        ),
        peers=(theirs,),
        equal=_equal(1e-12),
        floor=floor,
        aim=aim,
        work=(float(n), "sample"),
    )


def _cost_of_intervals() -> Race:
    p, n = 100, 20_000
    X, y = _samples(p, n)
    gain = {"gain": "invscaling", "eta0": 2.0 / p, "power_t": _POWER}
    plain = _ours(X, y, inference=None, **gain)
    return Race(
        name="sgd_p100_cost",
        what="100 columns: our averaged SGD with intervals of each coefficient, and without",
        ours=Contender(name="with intervals", run=_ours(X, y, inference="rs_diagonal", **gain)),
        peers=(lambda: Contender(name="without", run=plain),),
        equal=_equal(1e-12),
        floor=1.0 / 1.5,
        aim=1.0,
        work=(float(n), "sample"),
    )


def _against_river() -> Race:
    p, n = 10, 20_000
    X, y = _samples(p, n)
    samples: list[dict[Any, float]] = [dict(enumerate(row)) for row in X.tolist()]

    def theirs() -> Contender:
        from drivetrain.bench.peers.river_linear import learn_one_by_one

        # Its squared loss has twice our gradient.
        return Contender(name="river", run=learn_one_by_one(samples, y.tolist(), 0.005))

    return _one_by_one("sgd_river", "river's learn_one", X, y, theirs, floor=25.0)


def _against_torch() -> Race:
    p, n = 10, 10_000
    X, y = _samples(p, n)

    def theirs() -> Contender:
        import torch

        inputs, targets = torch.from_numpy(X), torch.from_numpy(y)

        def run() -> Array:
            weights = torch.zeros(p, dtype=torch.float64, requires_grad=True)
            optimizer = torch.optim.SGD([weights], lr=0.01)
            for row, target in zip(inputs, targets, strict=True):
                optimizer.zero_grad()
                (0.5 * (row @ weights - target) ** 2).backward()
                optimizer.step()
            return weights.detach().numpy()

        return Contender(name="torch.optim.SGD", run=run)

    return _one_by_one("sgd_torch", "a torch.optim.SGD loop", X, y, theirs, floor=500.0)


def _one_by_one(
    name: str, peer: str, X: Array, y: Array, theirs: Callable[[], Contender], *, floor: float
) -> Race:
    constant = {"gain": "constant", "eta0": 0.01}
    return Race(
        name=name,
        what=f"10 columns: ours averages and gives 95 % intervals; {peer} does neither",
        ours=Contender(
            name="drivetrain, with intervals",
            run=_ours(X, y, inference="rs", **constant),
            # Neither peer averages, so the last iterates are compared.
            answer=_ours(X, y, inference=None, average=False, **constant),
        ),
        peers=(theirs,),
        equal=_equal(1e-12),
        floor=floor,
        aim=floor,
        work=(float(len(y)), "sample"),
        repeats=5,
    )


def _equal(tolerance: float) -> Callable[[Array, Array], str]:
    def compare(ours: Array, theirs: Array) -> str:
        gap = float(np.max(np.abs(ours - theirs)))
        assert gap <= tolerance, f"coefficients differ by {gap:.1e}"
        return f"coefficients within {gap:.1e}"

    return compare


def _coverages() -> Iterator[Measure]:
    from drivetrain.approximation.inference.coverage import Coverage, coverage, problem_names

    @cache
    def study(problem: str) -> Coverage:
        return coverage(problem, random_state=_SEED + problem_names().index(problem))

    for problem in problem_names():
        for method in ("rs", "plug_in", "batch_means"):
            yield _coverage(study, problem, method)
        yield _ratio(study, problem, "width", "mean plug-in half-width over the ideal one", 0.03)
        yield _ratio(study, problem, "mse", "n x MSE of the average over the theory's", 0.05)


def _ratio(study: Callable[[str], Any], problem: str, kind: str, what: str, room: float) -> Measure:
    def value() -> float:
        found = study(problem)
        return _relative_width(found, "plug_in") if kind == "width" else float(found.scaled_mse)

    return Measure(
        name=f"{kind}_{problem}",
        what=f"{problem}: {what}",
        value=value,
        low=1.0 - room,
        high=1.0 + room,
        aim=1.0,
    )


def _coverage(study: Callable[[str], Any], problem: str, method: str) -> Measure:
    return Measure(
        name=f"coverage_{problem}_{method}",
        what=f"{problem}: share of 95 % intervals by {method} that hold the truth, n=2e4, R=2000",
        value=lambda: float(study(problem).rate[method]),
        low=0.93,
        high=0.965,
        aim=0.95,
        detail=lambda: f"half-width {_relative_width(study(problem), method):.2f} x ideal",
    )


def _relative_width(found: Any, method: str) -> float:
    return float(np.mean(found.half_width[method] / found.ideal))
