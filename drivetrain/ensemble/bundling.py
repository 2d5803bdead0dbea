"""Exclusive feature bundling: sparse columns that are never set together become one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array, check_choice, check_integer, check_real

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundles:
    """Which features share a column, and where their bins lie in it.

    Bin 0 of a bundle is bin 0 of all its members; bin b > 0 of feature f is offsets[f] + b.

    Attributes:
        members: The features of each bundle, in the order in which they were put in.
        offsets: What is added to a feature's bins, (F,).
        n_bins: Bins of each feature, bin 0 included, (F,).
        conflicts: Rows of each bundle in which more than one member is set, each counted once a
            member beyond the first, (G,).
    """

    members: tuple[tuple[int, ...], ...]
    offsets: Codes
    n_bins: Codes
    conflicts: Codes

    @property
    def widths(self) -> Codes:
        """Bins of each bundle, (G,)."""
        inner = [sum(int(self.n_bins[f]) - 1 for f in group) for group in self.members]
        return np.array(inner, np.int64) + 1

    def merge(self, codes: ArrayLike) -> Codes:
        """Return the bundles' columns, (n, G); where members conflict, the last one stands.

        Args:
            codes: Bins of the features, (n, F), none above those that were bundled.

        Raises:
            ValueError: Another number of features, or a bin that was not there.
        """
        given = _codes(codes)
        if given.shape[1] != len(self.offsets):
            raise ValueError(f"codes must have {len(self.offsets)} features. Got {given.shape[1]}.")
        most = given.max(axis=0, initial=0)
        if (most >= self.n_bins).any():
            f = int(np.flatnonzero(most >= self.n_bins)[0])
            last = int(self.n_bins[f]) - 1
            raise ValueError(f"codes of feature {f} must be <= {last}. Got {int(most[f])}.")
        merged = np.zeros((len(given), len(self.members)), np.int64)
        for g, group in enumerate(self.members):
            for f in group:
                rows = np.flatnonzero(given[:, f])
                merged[rows, g] = given[rows, f] + self.offsets[f]
        return merged

    def split(self, merged: ArrayLike) -> Codes:
        """Return the features' bins, (n, F): what was merged, where nothing conflicted.

        Args:
            merged: Bins of the bundles, (n, G).
        """
        columns = _codes(merged)
        out = np.zeros((len(columns), len(self.offsets)), np.int64)
        for g, group in enumerate(self.members):
            for f in group:
                inner = columns[:, g] - self.offsets[f]
                out[:, f] = np.where((inner > 0) & (inner < self.n_bins[f]), inner, 0)
        return out

    def feature_histogram(
        self, feature: int, bundle: NDArray[np.generic], total: NDArray[np.generic]
    ) -> NDArray[np.generic]:
        """Return a feature's histogram, (bins, ...), from that of its bundle.

        Its bin 0 holds what the others do not: total - sum. With whole numbers, or where nothing
        is rounded, it is the very histogram of the feature alone, so training on the bundles
        with a conflict limit of 0 chooses the same splits.

        Args:
            feature: Which.
            bundle: Histogram of its bundle, (widths, ...).
            total: Sums over all rows of the node, (...).
        """
        begin = int(self.offsets[feature]) + 1
        inner = bundle[begin : begin + int(self.n_bins[feature]) - 1]
        return np.concatenate([(total - inner.sum(axis=0))[None], inner])  # type: ignore[operator]

    def bundle_of(self, feature: int) -> int:
        """Return the number of the bundle that holds a feature."""
        return next(g for g, group in enumerate(self.members) if feature in group)


def bundle_features(
    codes: ArrayLike,
    max_conflict_rate: float = 0.0,
    *,
    order: str = "degree",
    max_bins: int = 65535,
) -> Bundles:
    """Put features that are seldom set in the same row into one column.

    Features are taken by falling degree in the graph of conflicts, and each goes into the first
    bundle whose conflicts stay within the limit; where there is none it opens a new one.

    Args:
        codes: Bins of the features, whole numbers, (n, F); 0 is the bin that is not stored.
        max_conflict_rate: Conflicts a bundle may have, as a share of the rows, in [0, 1]; 0 for
            none, which loses nothing.
        order: ``degree``: features by the number of others they conflict with;
            ``nonzero``: by the number of rows they are set in, which needs no graph.
        max_bins: Most bins of a bundle.

    Returns:
        The bundles, which merge columns and take histograms apart.

    Raises:
        TypeError: codes that are not whole numbers.
        ValueError: Negative codes, no features, a limit out of range.

    Example:
        >>> bundles = bundle_features([[1, 0, 2], [0, 1, 0], [0, 2, 1], [0, 0, 0]])
        >>> bundles.members
        ((2,), (0, 1))
        >>> bundles.merge([[1, 0, 2], [0, 2, 1]]).tolist()
        [[2, 1], [1, 3]]

    References:
        Ke et al.: LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS 2017,
        algorithms 3 and 4.
    """
    given = _codes(codes)
    check_choice("order", order, ("degree", "nonzero"))
    rate = check_real("max_conflict_rate", max_conflict_rate, low=0, high=1)
    check_integer("max_bins", max_bins, low=1)
    n, features = given.shape
    if not features:
        raise ValueError(f"codes must have a feature at least. Got shape {given.shape}.")
    is_set = given != 0
    n_bins = given.max(axis=0, initial=0) + 1
    packing = _Packing(limit=int(rate * n * (1 + 2.0**-50)), max_bins=max_bins)
    for f in _ordered(is_set, order):
        packing.place(int(f), is_set[:, f], int(n_bins[f]) - 1)
    offsets = np.zeros(features, np.int64)
    for group in packing.members:
        offsets[group] = np.concatenate([[0], np.cumsum(n_bins[group] - 1)[:-1]])
    return Bundles(
        members=tuple(tuple(group) for group in packing.members),
        offsets=offsets,
        n_bins=n_bins,
        conflicts=np.array(packing.conflicts, np.int64),
    )


class _Packing:
    """Bundles as they fill: features, rows that are set, conflicts so far, bins."""

    def __init__(self, *, limit: int, max_bins: int) -> None:
        self.limit, self.max_bins = limit, max_bins
        self.members: list[list[int]] = []
        self.conflicts: list[int] = []
        self._taken: list[NDArray[np.bool_]] = []
        self._bins: list[int] = []

    def place(self, feature: int, is_set: NDArray[np.bool_], bins: int) -> None:
        """Put a feature into the first bundle that has room, or a new one."""
        for g, taken in enumerate(self._taken):
            if self._bins[g] + bins > self.max_bins:
                continue
            clash = int(np.count_nonzero(taken & is_set))
            if self.conflicts[g] + clash <= self.limit:
                self.members[g].append(feature)
                self.conflicts[g] += clash
                self._taken[g] = taken | is_set
                self._bins[g] += bins
                return
        self.members.append([feature])
        self.conflicts.append(0)
        self._taken.append(is_set)
        self._bins.append(bins + 1)


def _ordered(is_set: NDArray[np.bool_], order: str) -> Codes:
    if order == "nonzero":
        return np.argsort(-is_set.sum(axis=0), kind="stable")
    # float32 counts rows exactly up to 2**24, and only whether there are any is asked.
    together = is_set.T.astype(np.float32) @ is_set.astype(np.float32) > 0
    np.fill_diagonal(together, False)
    return np.argsort(-together.sum(axis=0), kind="stable")


def _codes(codes: ArrayLike) -> Codes:
    given = check_array("codes", codes, ndim=2, dtype=np.int64)
    if given.min(initial=0) < 0:
        raise ValueError(f"codes must be >= 0. Got {int(given.min())}.")
    return given
