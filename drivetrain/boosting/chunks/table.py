"""A table read in chunks: what a data set holds where its values are not in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.chunks.cache import Cache, bins_in_memory
from drivetrain.boosting.chunks.cutting import cut_by_columns
from drivetrain.boosting.chunks.source import Source
from drivetrain.boosting.dataset import Rows
from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.binning.matrix import BinnedMatrix
from drivetrain.trees.forest import Forest
from drivetrain.trees.prediction.predictor import Predictor

Floats = NDArray[np.float32]

_BLOCK = 1 << 15


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Where bins are kept, and how much memory finding the cuts may take.

    Attributes:
        folders: One folder a disk; bins are kept in memory where there is none.
        memory: Bytes for whole columns of values; at least one column is held.
    """

    folders: tuple[Path, ...] = ()
    memory: int = 1 << 30


class ChunkedTable:
    """Values read from a source as often as needed, never kept; their bins are.

    Args:
        source: The chunks.
        keeping: Where the bins go.
        rows: Numbers of the rows to use, rising; all where None.
        reference: The table whose cuts are used where trees walk this one.
    """

    def __init__(
        self,
        source: Source,
        keeping: Keeping,
        *,
        rows: Rows | None = None,
        reference: Optional["ChunkedTable"] = None,
    ) -> None:
        self.source = source
        self.keeping = keeping
        self.rows = rows
        self.reference = reference
        self._bins: BinnedMatrix | None = None
        self._own_cuts = True

    def __len__(self) -> int:
        return self.source.survey.rows if self.rows is None else len(self.rows)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.source.survey.features

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Yield all rows in order: the number of each block's first row, and its values."""
        for first, x in self.source.blocks():
            if self.rows is None:
                yield first, x
                continue
            a, b = np.searchsorted(self.rows, (first, first + len(x)))
            if a < b:
                yield int(a), x[self.rows[a:b] - first]

    def take(self, rows: Rows) -> "ChunkedTable":
        """Return some of the rows.

        Raises:
            ValueError: Their numbers do not rise: chunks are read in order.
        """
        if (np.diff(rows) <= 0).any():
            raise ValueError("rows of chunked data must be taken in rising order.")
        own = rows if self.rows is None else self.rows[rows]
        return ChunkedTable(self.source, self.keeping, rows=own, reference=self.reference)

    def binned(self, find: Callable[..., Cuts], method: str, *, threads: int = 1) -> BinnedMatrix:
        """Return the rows as bins; see `drivetrain.boosting.dataset.Table`."""
        shape = (len(self), self.n_features)
        given = self.source.categorical
        kinds = np.zeros(shape[1], np.bool_) if given is None else given

        def cut() -> Cuts:
            return cut_by_columns(
                self.blocks,
                shape,
                find,
                categorical=kinds,
                memory=self.keeping.memory,
                threads=threads,
            )

        self._own_cuts = True
        self._bins = self._kept(cut, method)
        return self._bins

    def _kept(self, cut: Callable[[], Cuts], method: str) -> BinnedMatrix:
        shape = (len(self), self.n_features)
        if not self.keeping.folders:
            return bins_in_memory(cut(), self.blocks(), shape)
        cache = Cache(self.keeping.folders, self._key(method), shape)
        return cache.matrix(cache.cuts(cut), self.blocks)

    def _key(self, method: str) -> str:
        """Return a name for the bins of these values under these cuts."""
        survey = self.source.survey
        said = [method, str(survey.features), str(survey.sizes), str(survey.checksums)]
        known = sha256("\n".join(said).encode())
        for array in (self.source.categorical, self.rows):
            known.update(b"-" if array is None else array.tobytes())
        known.update(str(len(self.keeping.folders)).encode())
        return known.hexdigest()[:16]

    def walked(self, forest: Forest, margin: Floats, rows: Rows | None, threads: int) -> Floats:
        """Return the margins with a forest's leaves added; see `drivetrain.boosting.walking`."""
        predictor = Predictor(forest, threads=threads)
        out = np.array(np.broadcast_to(margin, (len(margin), forest.n_groups)))
        places = np.arange(len(self)) if rows is None else rows
        bins = self._bins_for(forest)
        if bins is not None:
            values = _stand_ins(bins.cuts, bins.shift)
            for a in range(0, len(places), _BLOCK):
                some = slice(a, min(a + _BLOCK, len(places)))
                out[some] = predictor.margin(_decoded(bins, places[some], values), out[some])
            return out
        for first, x in self.blocks():
            a, b = np.searchsorted(places, (first, first + len(x)))
            if a < b:
                out[a:b] = predictor.margin(x[places[a:b] - first], out[a:b])
        return out

    def _bins_for(self, forest: Forest) -> BinnedMatrix | None:
        """Return bins that tell which way every row goes at every node, or None."""
        if self._bins is None and self.reference is not None:
            reference = self.reference._bins
            if reference is not None and self._known(reference.cuts):
                digest = sha256(reference.cuts.values.tobytes()).hexdigest()
                self._bins = self._kept(lambda: reference.cuts, f"as {digest}")
                self._own_cuts = False
        if self._bins is None or not _tells(forest, self._bins.cuts, own=self._own_cuts):
            return None
        return self._bins

    def _known(self, cuts: Cuts) -> bool:
        """Tell whether no category lies above those of the cuts."""
        if len(cuts.lowest) != self.n_features:
            return False
        high = self.source.survey.high
        return bool((high[cuts.categorical] < cuts.n_bins[cuts.categorical]).all())


def _tells(forest: Forest, cuts: Cuts, *, own: bool) -> bool:
    """Tell whether every threshold is a cut: a bin then lies wholly on one side.

    The outermost cuts tell only of the rows they were made from: others may lie beyond. Lines in
    leaves want the values themselves.
    """
    if forest.terms is not None:
        return False
    inner = ~forest.is_leaf & ~forest.categorical
    for f in np.unique(forest.feature[inner]):
        asked = forest.threshold[inner & (forest.feature == f)]
        known = np.append(cuts.of(f), cuts.lowest[f]) if own else cuts.of(f)[:-1]
        if not np.isin(asked, known).all():
            return False
    return True


def _stand_ins(cuts: Cuts, shift: int) -> Floats:
    """Return a value in every bin, its lower cut; NaN for missing, (F, codes)."""
    values = np.full((len(cuts.lowest), 1 << shift), np.nan, np.float32)
    for f in range(len(values)):
        own = cuts.of(f)
        values[f, 0] = cuts.lowest[f]
        values[f, 1 : len(own)] = own[:-1]
    return values


def _decoded(bins: BinnedMatrix, rows: Rows, values: Floats) -> Floats:
    codes = bins.rows[rows, : bins.n_features].astype(np.intp)
    codes += np.arange(bins.n_features) * values.shape[1]
    return values.reshape(-1)[codes]
