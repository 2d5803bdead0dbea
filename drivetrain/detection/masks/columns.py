"""Run-length masks of many objects in a few flat arrays, with what is measured on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array

Runs = NDArray[np.uint32]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
Sizes = NDArray[np.int32]
Floats = NDArray[np.float64]

MOST_PIXELS = 2**32 - 1
"""A run is held in 32 bits, as COCO's own code holds it."""

NO_TEXT = np.empty(0, np.uint8)
NO_TEXT.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Masks:
    """n masks: run lengths of 0, of 1, of 0 ... down the columns of each picture, left to right.

    Make them by :meth:`of_runs` (which checks and measures), by the readers of strings, polygons
    and dense arrays, or by taking some of other masks. Those read from a file may stay in its
    text, compressed, until their runs are asked for: half a million masks need no memory then,
    but the file must not be written over in place (:meth:`unpacked` makes one independent of it).

    Attributes:
        store: Run lengths of the masks that are held unpacked, in any order.
        text: JSON text that holds the others as COCO's compressed strings.
        packed: Which masks lie in the text, (n,).
        places: Where in text or store each mask begins and ends, (n, 2).
        sizes: Height and width in pixels, (n, 2).
        areas: Pixels that are 1, (n,).
        boxes: Tight x, y, width, height of the pixels that are 1, (n, 4); 0 where there are none.

    Example:
        >>> masks = Masks.of_runs([5, 2, 2, 2, 5], [0, 5], [[4, 4]])
        >>> len(masks), masks.areas.tolist(), masks.boxes.tolist()
        (1, [4], [[1.0, 1.0, 2.0, 2.0]])
    """

    store: Runs
    text: Bytes
    packed: Flags
    places: Places
    sizes: Sizes
    areas: Places
    boxes: Floats

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, which: slice | ArrayLike) -> "Masks":
        """Return some of the masks, by slice, positions or flags."""
        if isinstance(which, slice):
            return self.take(np.arange(len(self))[which])
        chosen = np.asarray(which)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
            raise TypeError(
                f"Masks are chosen by a slice, or by an array of positions or flags. Got {which!r}."
            )
        return self.take(np.flatnonzero(chosen) if chosen.dtype.kind == "b" else chosen)

    def take(self, positions: ArrayLike) -> "Masks":
        """Return the masks at those positions, in that order, repeated where they repeat."""
        at = np.asarray(positions, np.int64)
        return replace(
            self,
            packed=self.packed[at],
            places=self.places[at],
            sizes=self.sizes[at],
            areas=self.areas[at],
            boxes=self.boxes[at],
        )

    @property
    def runs(self) -> Runs:
        """All run lengths, one mask after the other; each mask begins with its run of 0."""
        return self._flat[0]

    @property
    def offsets(self) -> Places:
        """Where the runs of each mask begin in ``runs``, (n + 1,)."""
        return self._flat[1]

    def runs_of(self, position: int) -> Runs:
        """Return the run lengths of one mask."""
        at = range(len(self))[position]
        return self.take([at]).runs

    def unpacked(self) -> "Masks":
        """Return the same masks with all runs in memory, in order."""
        runs, offsets = self._flat
        return replace(
            self,
            store=runs,
            text=NO_TEXT,
            packed=np.zeros(len(self), np.bool_),
            places=_pairs(offsets),
        )

    @cached_property
    def _flat(self) -> tuple[Runs, Places]:
        from drivetrain.detection.masks._numba import count_runs, lay_out

        lengths = np.empty(len(self), np.int64)
        count_runs(self.text, self.packed, self.places, lengths)
        offsets = offsets_of(lengths)
        in_order = len(self.store) == offsets[-1] and (self.places == _pairs(offsets)).all()
        if in_order and not self.packed.any():
            return self.store, offsets
        runs = np.empty(offsets[-1], np.uint32)
        wrong = lay_out(self.text, self.store, self.packed, self.places, self.sizes, offsets, runs)
        check_unchanged(wrong)
        return runs, offsets

    @classmethod
    def concatenate(cls, parts: "Sequence[Masks]") -> "Masks":
        """Return the masks of all parts, one part after the other."""
        if not parts:
            return cls.of_runs([], [0], [])
        texts = {id(part.text): part.text for part in parts if part.packed.any()}
        if len(texts) > 1:
            return cls.concatenate([part.unpacked() for part in parts])
        begins = offsets_of(np.array([len(part.store) for part in parts]))
        moved = [
            part.places + np.where(part.packed, 0, begin)[:, None]
            for part, begin in zip(parts, begins)
        ]
        return cls(
            store=np.concatenate([part.store for part in parts]),
            text=next(iter(texts.values()), NO_TEXT),
            packed=np.concatenate([part.packed for part in parts]),
            places=np.concatenate(moved),
            sizes=np.concatenate([part.sizes for part in parts]),
            areas=np.concatenate([part.areas for part in parts]),
            boxes=np.concatenate([part.boxes for part in parts]),
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
                f"{len(shapes)} steps, one more than sizes. Got {_brief(begins)}."
            )
        masks, total = measured(flat, begins, shapes)
        bad = np.flatnonzero(total != shapes.astype(np.int64).prod(axis=1))
        if bad.size:
            raise ValueError(wrong_total(f"mask {bad[0]}", total[bad[0]], shapes[bad[0]]))
        return masks


def measured(runs: Runs, offsets: Places, sizes: Sizes) -> tuple[Masks, Places]:
    """Return masks with their areas and boxes, and the sum of the runs of each."""
    from drivetrain.detection.masks._numba import measure

    n = len(sizes)
    areas, boxes, totals = np.empty(n, np.int64), np.empty((n, 4)), np.empty(n, np.int64)
    store, places, shapes = np.ascontiguousarray(runs), _pairs(offsets), np.array(sizes)
    measure(store, places, shapes, areas, boxes, totals)
    packed = np.zeros(n, np.bool_)
    return Masks(store, NO_TEXT, packed, places, shapes, areas, boxes), totals


def check_unchanged(wrong: int) -> None:
    """Raise a RuntimeError if a kernel found a mask that is no longer one."""
    if wrong >= 0:
        raise RuntimeError(
            f"mask {wrong} can no longer be read: its file was overwritten while in use. "
            "Evaluate again, or keep masks by Masks.unpacked()."
        )


def offsets_of(lengths: NDArray[Any]) -> Places:
    """Return where pieces of those lengths begin when laid end to end, and where the last ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _pairs(offsets: Places) -> Places:
    return np.stack([offsets[:-1], offsets[1:]], axis=1)


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
