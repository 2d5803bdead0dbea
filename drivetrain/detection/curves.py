"""Precision, recall and scores of every class, area range and cap: what all numbers come from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """Curves sampled at the style's recalls; NaN where a class has no truth to be found.

    Shapes: T thresholds, R recalls, K classes, A area ranges, M caps on detections.

    Attributes:
        precision: Best precision at recall r or beyond, (T, R, K, A, M), 0 where r is not reached.
        recall: Greatest recall reached, (T, K, A, M).
        scores: Score of the detection that first reaches recall r, (T, R, K, A, M).
        image_ids: The images that were counted, rising, (I,).
        category_ids: The classes, rising, (K,); one class -1 where all are pooled.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    scores: NDArray[np.float64]
    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
