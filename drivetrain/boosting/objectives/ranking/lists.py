"""What ranking computes once of a data set: gains, discounts, ideal lists, weights."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lists:
    """The queries of a data set.

    Attributes:
        offsets: Where each begins, (queries + 1,).
        label: Of each row, (n,).
        gains: Of each row's label, 2^y - 1 or y, (n,).
        discount: 1 / log2(place + 2), as many as the longest query has.
        inverse: 1 / DCG of the ideal list, 0 where nothing is relevant, (queries,).
        weight: Of each query, their mean 1, (queries,).
    """

    offsets: NDArray[np.int64]
    label: NDArray[np.float32]
    gains: Doubles
    discount: Doubles
    inverse: Doubles
    weight: Doubles

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def longest(self) -> int:
        """Rows of the longest query."""
        return len(self.discount)

    @property
    def per_relevant(self) -> Doubles:
        """1 / number of relevant rows, 0 without any, (queries,)."""
        running = np.append(0.0, np.cumsum(self.label, dtype=np.float64))
        count = running[self.offsets[1:]] - running[self.offsets[:-1]]
        return np.divide(1.0, count, out=np.zeros(len(count)), where=count > 0)

    def shares(self, count: int) -> list[tuple[int, int]]:
        """Return runs of queries of about as many rows each: (first, last + 1)."""
        if count == 1 or len(self) < 2 * count:
            return [(0, len(self))]
        wanted = np.linspace(0, self.offsets[-1], 2 * count + 1)
        ends = np.searchsorted(self.offsets, wanted)
        return [(int(a), int(b)) for a, b in pairwise(ends) if b > a]


def lists_of(data: Dataset, *, most: int | None, exp_gain: bool) -> Lists:
    """Return the queries of the data.

    Args:
        data: Rows; one query of all where it has none.
        most: Places of the ideal list that count; all where None.
        exp_gain: Whether gains are 2^y - 1.

    Raises:
        ValueError: Rows of a query have different weights.
    """
    offsets = data.group_offsets
    if offsets is None:
        offsets = np.array([0, len(data)], np.int64)
    label = np.ascontiguousarray(data.target)
    wide = label.astype(np.float64)
    gains = np.exp2(wide) - 1 if exp_gain else wide
    longest = int(np.diff(offsets).max(initial=0))
    discount = 1 / np.log2(np.arange(longest) + 2.0)
    return Lists(
        offsets=offsets,
        label=label,
        gains=gains,
        discount=discount,
        inverse=_inverse(gains, offsets, discount, longest if most is None else most),
        weight=query_weights(data, offsets),
    )


def _inverse(gains: Doubles, offsets: NDArray[np.int64], discount: Doubles, most: int) -> Doubles:
    """Return 1 / Σ discount · gain of each query sorted by gain, over the first ``most``."""
    lengths = np.diff(offsets)
    number = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-gains, number))
    place = np.arange(len(gains)) - np.repeat(offsets[:-1], lengths)
    parts = np.where(place < most, discount[place] * gains[order], 0.0)
    ideal = np.bincount(number, parts, len(lengths))
    return np.divide(1.0, ideal, out=np.zeros(len(ideal)), where=ideal > 0)


def query_weights(data: Dataset, offsets: NDArray[np.int64]) -> Doubles:
    """Return each query's weight; those of rows must agree. Their mean is 1.

    Raises:
        ValueError: They do not agree; the row is named.
    """
    if data.weight is None:
        return np.ones(len(offsets) - 1)
    first = np.minimum(offsets[:-1], max(len(data) - 1, 0))
    each = data.weight[first].astype(np.float64)
    wrong = np.flatnonzero(np.repeat(each, np.diff(offsets)) != data.weight)
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"weight must be the same in all rows of a query. Got {data.weight[row]} in row {row}."
        )
    return each * (len(each) / each.sum())
