"""Run-length masks of many objects in three flat arrays, with what is measured on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array

Runs = NDArray[np.uint32]
Places = NDArray[np.int64]
Sizes = NDArray[np.int32]
Floats = NDArray[np.float64]

MOST_PIXELS = 2**32 - 1
"""A run is held in 32 bits, as COCO's own code holds it."""


@dataclass(frozen=True, eq=False)
class Masks:
    """n masks: run lengths of 0, of 1, of 0 ... down the columns of each picture, left to right.

    Make them by :meth:`of_runs` (which checks and measures), by the readers of strings, polygons
    and dense arrays, or by taking some of other masks.

    Attributes:
        runs: All run lengths, one mask after the other; each mask begins with its run of 0.
        offsets: Where the runs of each mask begin, (n + 1,).
        sizes: Height and width in pixels, (n, 2).
        areas: Pixels that are 1, (n,).
        boxes: Tight x, y, width, height of the pixels that are 1, (n, 4); 0 where there are none.

    Example:
        >>> masks = Masks.of_runs([5, 2, 2, 2, 5], [0, 5], [[4, 4]])
        >>> len(masks), masks.areas.tolist(), masks.boxes.tolist()
        (1, [4], [[1.0, 1.0, 2.0, 2.0]])
    """

    runs: Runs
    offsets: Places
    sizes: Sizes
    areas: Places
    boxes: Floats

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, which: slice | ArrayLike) -> "Masks":
        """Return some of the masks, by slice, positions or flags; a slice is a view."""
        if isinstance(which, slice):
            return self._slice(which)
        chosen = np.asarray(which)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
            raise TypeError(
                f"Masks are chosen by a slice, or by an array of positions or flags. Got {which!r}."
            )
        return self.take(np.flatnonzero(chosen) if chosen.dtype.kind == "b" else chosen)

    def _slice(self, which: slice) -> "Masks":
        first, last, step = which.indices(len(self))
        if step != 1:
            return self.take(np.arange(first, last, step))
        last = max(first, last)
        begin, end = self.offsets[first], self.offsets[last]
        return Masks(
            runs=self.runs[begin:end],
            offsets=self.offsets[first : last + 1] - begin,
            sizes=self.sizes[first:last],
            areas=self.areas[first:last],
            boxes=self.boxes[first:last],
        )

    def take(self, positions: ArrayLike) -> "Masks":
        """Return the masks at those positions, in that order, repeated where they repeat."""
        at = np.arange(len(self), dtype=np.int64)[np.asarray(positions, np.int64)]
        begins, lengths = self.offsets[:-1][at], np.diff(self.offsets)[at]
        offsets = offsets_of(lengths)
        # Position of each run taken: its rank, moved from where its mask lies to where it lay.
        source = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
        return Masks(
            runs=self.runs[source],
            offsets=offsets,
            sizes=self.sizes[at],
            areas=self.areas[at],
            boxes=self.boxes[at],
        )

    def runs_of(self, position: int) -> Runs:
        """Return the run lengths of one mask, a view."""
        at = range(len(self))[position]
        return self.runs[self.offsets[at] : self.offsets[at + 1]]

    @classmethod
    def concatenate(cls, parts: "Sequence[Masks]") -> "Masks":
        """Return the masks of all parts, one part after the other."""
        if not parts:
            return cls.empty()
        lengths = [np.diff(part.offsets) for part in parts]
        return cls(
            runs=np.concatenate([part.runs for part in parts]),
            offsets=offsets_of(np.concatenate(lengths)),
            sizes=np.concatenate([part.sizes for part in parts]),
            areas=np.concatenate([part.areas for part in parts]),
            boxes=np.concatenate([part.boxes for part in parts]),
        )

    @classmethod
    def empty(cls) -> "Masks":
        """Return no masks."""
        return cls(
            runs=np.empty(0, np.uint32),
            offsets=np.zeros(1, np.int64),
            sizes=np.empty((0, 2), np.int32),
            areas=np.empty(0, np.int64),
            boxes=np.empty((0, 4)),
        )

    @classmethod
    def of_runs(cls, runs: ArrayLike, offsets: ArrayLike, sizes: ArrayLike) -> "Masks":
        """Return masks from flat run lengths, checked and measured.

        Args:
            runs: Run lengths of all masks, (R,), each >= 0.
            offsets: Where each mask begins in ``runs``, (n + 1,), from 0 to R, never falling.
            sizes: Height and width of each mask, (n, 2).

        Raises:
            TypeError: Not numbers.
            ValueError: The runs of a mask do not sum to height times width; the mask is named.
        """
        flat = _as_runs(runs)
        begins = check_array("offsets", offsets, ndim=1, dtype=np.int64)
        shapes = check_sizes(sizes)
        if (
            len(begins) != len(shapes) + 1
            or begins[0] != 0
            or begins[-1] != len(flat)
            or (np.diff(begins) < 0).any()
        ):
            raise ValueError(
                f"offsets must rise from 0 to the number of runs, {len(flat)}, in "
                f"{len(shapes) + 1} steps, one more than sizes. Got {_brief(begins)}."
            )
        masks, total = measured(flat, begins, shapes)
        bad = np.flatnonzero(total != shapes.astype(np.int64).prod(axis=1))
        if bad.size:
            raise ValueError(wrong_total(f"mask {bad[0]}", total[bad[0]], shapes[bad[0]]))
        return masks


def measured(runs: Runs, offsets: Places, sizes: Sizes) -> tuple[Masks, Places]:
    """Return masks with their areas and boxes, and the sum of the runs of each."""
    from drivetrain.detection.masks._numba import measure

    areas = np.empty(len(sizes), np.int64)
    boxes = np.empty((len(sizes), 4))
    totals = np.empty(len(sizes), np.int64)
    measure(
        np.ascontiguousarray(runs),
        np.ascontiguousarray(offsets),
        np.ascontiguousarray(sizes),
        areas,
        boxes,
        totals,
    )
    return Masks(runs, offsets, sizes, areas, boxes), totals


def offsets_of(lengths: NDArray[Any]) -> Places:
    """Return where pieces of those lengths begin when laid end to end, and where the last ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def check_sizes(sizes: ArrayLike) -> Sizes:
    """Return sizes as (n, 2) of int32.

    Raises:
        TypeError: Not whole numbers.
        ValueError: Not pairs, negative, or of 2³² pixels or more.
    """
    shapes = check_array("sizes", sizes, dtype=np.int64)
    if shapes.size == 0:
        return np.empty((0, 2), np.int32)
    if shapes.ndim != 2 or shapes.shape[1] != 2:
        raise ValueError(f"sizes must be (n, 2): height and width. Got shape {shapes.shape}.")
    for height, width in shapes[(shapes < 0).any(1) | (shapes > 2**31 - 1).any(1)][:1]:
        raise ValueError(f"sizes must be >= 0 and < 2**31. Got {height} x {width}.")
    for height, width in shapes[shapes.prod(axis=1) > MOST_PIXELS][:1]:
        raise ValueError(f"A mask must have < 2**32 pixels. Got {height} x {width}.")
    return shapes.astype(np.int32)


def wrong_total(name: str, total: int, size: ArrayLike) -> str:
    """Return the words for runs that do not fill their picture."""
    height, width = np.asarray(size, np.int64).tolist()
    return (
        f"{name}: its runs must sum to height x width = {height} x {width} = {height * width}. "
        f"Got {total}."
    )


def _as_runs(runs: ArrayLike) -> Runs:
    array = check_array("runs", runs, ndim=1, dtype=np.int64)
    for run in array[(array < 0) | (array > MOST_PIXELS)][:1]:
        raise ValueError(f"runs must be >= 0 and < 2**32. Got {run}.")
    return array.astype(np.uint32)


def _brief(values: Places) -> str:
    shown = ", ".join(str(v) for v in values[:6])
    return f"[{shown}{', ...' if len(values) > 6 else ''}]"
