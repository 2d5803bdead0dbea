"""Metrics of ranked lists: NDCG, average precision, precision."""

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.metrics.elementwise import Metric
from drivetrain.boosting.objectives.objective import refuse_labels
from drivetrain.boosting.objectives.ranking import _numba as kernels
from drivetrain.boosting.objectives.ranking.lambdarank import check_relevance
from drivetrain.boosting.objectives.ranking.lists import Lists, lists_of

Floats = NDArray[np.float32]


def ndcg(most: int | None = None, *, minus: bool = False, exp_gain: bool = True) -> Metric:
    """Return the metric of the mean NDCG of the queries, Σ discount · gain beside the ideal.

    Args:
        most: Places that count; all where None.
        minus: Whether a query without anything relevant counts 0, not 1.
        exp_gain: Whether a label's gain is 2^y - 1, or y.
    """
    known: WeakKeyDictionary[Dataset, Lists] = WeakKeyDictionary()

    def metric(prediction: Floats, data: Dataset) -> float:
        if data not in known:
            check_relevance(data, "rank:ndcg", exp_gain)
            known[data] = lists_of(data, most=most, exp_gain=exp_gain)
        lists, out = known[data], np.empty(len(known[data]))
        score = np.ascontiguousarray(prediction, np.float32).reshape(-1)
        kernels.ndcg(
            *(lists.offsets, score, lists.gains, lists.discount, lists.inverse),
            *(lists.longest if most is None else most, 0.0 if minus else 1.0, out),
        )
        return float(np.average(out, weights=lists.weight))

    return metric


def average_precision(most: int | None = None, *, minus: bool = False) -> Metric:
    """Return the metric of the mean average precision of the queries.

    Args:
        most: Places that count; all where None.
        minus: Whether a query without anything relevant counts 0, not 1.
    """
    return _hits(0, most, 0.0 if minus else 1.0)


def precision(most: int | None = None, *, minus: bool = False) -> Metric:
    """Return the metric of the mean share of relevant rows among the first of each query.

    Args:
        most: Places that count; all where None.
        minus: Not used: a query without anything relevant counts 0.
    """
    return _hits(1, most, 0.0)


def _hits(column: int, most: int | None, empty: float) -> Metric:
    known: WeakKeyDictionary[Dataset, Lists] = WeakKeyDictionary()

    def metric(prediction: Floats, data: Dataset) -> float:
        if data not in known:
            refuse_labels(data, (data.labels != 0) & (data.labels != 1), "0 or 1")
            known[data] = lists_of(data, most=most, exp_gain=False)
        lists = known[data]
        out = np.empty((len(lists), 2))
        score = np.ascontiguousarray(prediction, np.float32).reshape(-1)
        cut = np.iinfo(np.int64).max if most is None else most
        kernels.hits(lists.offsets, score, lists.label, cut, empty, lists.longest, out)
        return float(np.average(out[:, column], weights=lists.weight))

    return metric
