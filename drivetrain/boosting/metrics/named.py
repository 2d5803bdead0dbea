"""Metrics by XGBoost's names."""

from collections.abc import Callable

from drivetrain.boosting.metrics import curves, elementwise, lists, survival
from drivetrain.boosting.metrics.elementwise import Metric
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.ranking.lambdarank import LambdaRank
from drivetrain.boosting.objectives.robust import Expectiles, PseudoHuber, Quantiles
from drivetrain.boosting.objectives.survival.aft import AcceleratedFailure
from drivetrain.core.errors import unknown

METRICS: dict[str, Metric] = {
    "rmse": elementwise.rmse,
    "rmsle": elementwise.rmsle,
    "mae": elementwise.mae,
    "mape": elementwise.mape,
    "logloss": elementwise.logloss,
    "mlogloss": elementwise.mlogloss,
    "merror": elementwise.merror,
    "auc": curves.auc,
    "aucpr": curves.aucpr,
    "poisson-nloglik": elementwise.poisson_nloglik,
    "gamma-nloglik": elementwise.gamma_nloglik,
    "gamma-deviance": elementwise.gamma_deviance,
    "cox-nloglik": survival.cox_nloglik,
    "interval-regression-accuracy": survival.interval_regression_accuracy,
}

_Numbers = tuple[float, ...]

#: Metrics with numbers after an @.
PARAMETRIC: dict[str, Callable[[_Numbers], Metric]] = {
    "error": lambda given: elementwise.error(*given),
    "tweedie-nloglik": elementwise.tweedie,
    "quantile": elementwise.pinball,
    "expectile": elementwise.expectile,
    "mphe": elementwise.pseudo_huber,
}

#: Metrics of lists, with the number of places after an @, and a - for less where there is nothing.
_LISTS: dict[str, Callable[..., Metric]] = {
    "ndcg": lists.ndcg,
    "map": lists.average_precision,
    "pre": lists.precision,
}

#: Metrics of which more is better, without what follows an @.
RISING = frozenset({"auc", "aucpr", "ndcg", "map", "pre", "interval-regression-accuracy"})


def metric_named(name: str, objective: Objective | None = None) -> Metric:
    """Return the metric of that name: a function of predictions and data.

    Args:
        name: XGBoost's: ``rmse``, ``error@0.7``, ``ndcg@5``, ``map@3-``, ``quantile@0.1,0.9``.
        objective: What is minimized; what its metrics are to know and the name does not say
            (quantiles, slopes, laws, gains) is read from it.

    Raises:
        ValueError: There is none; the nearest is named.

    Example:
        >>> import numpy as np
        >>> from drivetrain.boosting.dataset import Dataset
        >>> data = Dataset(x=np.zeros((2, 1)), label=[0.0, 1.0])
        >>> metric_named("error@0.7")(np.array([0.2, 0.6], np.float32), data)
        0.5
    """
    stem, _, given = name.partition("@")
    if stem.rstrip("-") in _LISTS:
        return _of_lists(name, objective)
    if stem in PARAMETRIC and given:
        try:
            return PARAMETRIC[stem](tuple(float(part) for part in given.split(",")))
        except (ValueError, TypeError):
            raise ValueError(f"metric {stem!r} wants numbers after the @. Got {name!r}.") from None
    if name in METRICS:
        return METRICS[name]
    known = _of_objective(name, objective)
    if known is None:
        raise unknown("metric", name, [*METRICS, *_LISTS, *(f"{one}@..." for one in PARAMETRIC)])
    return known


def _of_objective(name: str, objective: Objective | None) -> Metric | None:
    """Return a metric whose numbers are the objective's, or usual."""
    if name == "error":
        return elementwise.error()
    if name == "mphe":
        slope = objective.slope if isinstance(objective, PseudoHuber) else 1.0
        return elementwise.pseudo_huber((slope,))
    if name == "aft-nloglik":
        own = isinstance(objective, AcceleratedFailure)
        return survival.aft_nloglik(objective if own else AcceleratedFailure())  # type: ignore[arg-type]
    if name == "quantile" and isinstance(objective, Quantiles):
        return elementwise.pinball(objective.alphas)
    if name == "expectile" and isinstance(objective, Expectiles):
        return elementwise.expectile(objective.alphas)
    return None


def _of_lists(name: str, objective: Objective | None) -> Metric:
    stem, _, given = name.removesuffix("-").partition("@")
    if "@" in name and not (given.isascii() and given.isdigit() and int(given)):
        raise ValueError(f"metric {stem!r} wants a number of places after the @. Got {name!r}.")
    more = {}
    if stem == "ndcg" and isinstance(objective, LambdaRank):
        more = {"exp_gain": objective.exp_gain}
    return _LISTS[stem](int(given) if given else None, minus=name.endswith("-"), **more)
