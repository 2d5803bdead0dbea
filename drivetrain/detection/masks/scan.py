"""Masks straight out of a JSON file's bytes: polygons, lists of runs, compressed strings."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.json.powers import powers_of_five, powers_of_ten
from drivetrain.detection.masks import _numba
from drivetrain.detection.masks.columns import Masks, Places, Runs, Sizes, offsets_of
from drivetrain.detection.masks.objects import read_object

Bytes = NDArray[np.uint8]

CHUNK = 8192
"""Masks a thread takes at once, at most: about 2 MB of text."""
FIRST = 64
"""Masks of the first chunk, which is read alone."""


@dataclass(frozen=True)
class Decoded:
    """What was read.

    Attributes:
        masks: One mask an entry; those that are bad hold nothing, of size 0 x 0.
        bad: Position of each entry that is no mask, and why, in words.
    """

    masks: Masks
    bad: dict[int, str] = field(default_factory=dict)


def decode(text: Bytes, spans: Places, sizes: Sizes, *, threads: int = 1) -> Decoded:
    """Read the segmentations that lie at the given places of a JSON text.

    All of COCO's forms are read: a list of polygons (drawn into a picture of the entry's size,
    their union taken), ``{"size": [h, w], "counts": [...]}`` and the same with a compressed
    string. Bytes outside a span are never read as part of it, whatever it holds.

    Args:
        text: The bytes, uint8; a read-only view of a memory map will do.
        spans: Where each value begins and where it ends, (n, 2); (-1, -1) where there is none.
        sizes: Height and width of each entry's picture, (n, 2); (0, 0) where unknown.
        threads: How many threads decode; what comes out does not depend on it.

    Returns:
        The masks, and why some entries are none: a size that is not the picture's, runs that do
        not sum to height times width, fewer than three corners, text that is cut off.

    Example:
        >>> text = np.frombuffer(b'{"size":[4,4],"counts":"52203"}', np.uint8)
        >>> read = decode(text, np.array([[0, 31]]), np.array([[4, 4]], np.int32))
        >>> read.masks.runs.tolist(), read.bad
        ([5, 2, 2, 2, 5], {})
    """
    job = _Job.of(text, np.ascontiguousarray(spans, np.int64), sizes)
    chunks = job.chunks(max(threads, 1))
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        stores = list(_each(pool, job.read, chunks))
    masks = job.masks(chunks, stores)
    odd = np.flatnonzero(job.kinds == _numba.ODD)
    return _look_again(job, masks, odd) if odd.size else Decoded(masks)


def _each(pool: ThreadPoolExecutor, work: Callable[[Any], Any], pieces: list[Any]) -> Iterator[Any]:
    # The first piece alone, outside the pool: were the kernel not compiled yet, each thread would
    # compile it.
    if pieces:
        yield work(pieces[0])
        yield from pool.map(work, pieces[1:])


@dataclass(kw_only=True)
class _Job:
    """The arrays that the kernels of one decoding share."""

    text: Bytes
    spans: Places
    given: Sizes
    sizes: Sizes
    kinds: NDArray[np.uint8]
    places: Places
    areas: Places
    boxes: NDArray[np.float64]

    @classmethod
    def of(cls, text: Bytes, spans: Places, sizes: Sizes) -> "_Job":
        n = len(spans)
        view = np.ascontiguousarray(text, np.uint8)[:]
        # One type of array for the kernels, whether the caller's may be written to or not.
        view.flags.writeable = False
        given = np.array(sizes, np.int32).reshape(n, 2)
        return cls(
            text=view,
            spans=spans,
            given=given,
            sizes=given.copy(),
            kinds=np.empty(n, np.uint8),
            places=np.zeros((n, 2), np.int64),
            areas=np.empty(n, np.int64),
            boxes=np.zeros((n, 4)),
        )

    def chunks(self, threads: int) -> list[tuple[int, int]]:
        """Return a small chunk to begin with, then several for each thread."""
        n = len(self.spans)
        step = min(max(n // (8 * threads), FIRST), CHUNK)
        bounds = [0, *range(min(FIRST, n), n, step), n]
        return list(pairwise(bounds))

    def read(self, chunk: tuple[int, int]) -> Runs:
        """Read the entries of a chunk; return the runs of those that are no compressed strings."""
        first, last = chunk
        entries = (self.kinds, self.places)
        measures = (self.areas, self.boxes)
        if not _numba.read_entries(
            self.text, self.spans, self.sizes, first, last, *entries, *measures
        ):
            return np.empty(0, np.uint32)
        powers = (powers_of_ten(), powers_of_five())
        return _numba.read_others(self.text, first, last, *entries, self.sizes, *measures, *powers)

    def masks(self, chunks: list[tuple[int, int]], stores: list[Runs]) -> Masks:
        """Return the masks of all chunks, whose stores are laid end to end."""
        packed = self.kinds == _numba.TEXT
        self.places[self.kinds == _numba.ODD] = 0
        begins = offsets_of(np.array([len(store) for store in stores], np.int64))
        for (first, last), begin in zip(chunks, begins):
            self.places[first:last][self.kinds[first:last] > _numba.TEXT] += begin
        store = np.concatenate([np.empty(0, np.uint32), *stores])
        return Masks(store, self.text, packed, self.places, self.sizes, self.areas, self.boxes)


def _look_again(job: _Job, masks: Masks, odd: Places) -> Decoded:
    """Read what the kernels could not: rare spellings become masks, the rest words."""
    bad, found = {}, []
    for position in odd:
        begin, end = job.spans[position].tolist()
        try:
            value = _parse(
                job.text[begin:end].tobytes() if 0 <= begin < end <= len(job.text) else b""
            )
            found.append(read_object(value, job.given[position]))
        except (ValueError, TypeError) as error:
            bad[int(position)] = str(error)
            found.append(_nothing())
    # The masks that were read stay where they are, the others come behind: then all are sorted.
    sound = np.setdiff1d(np.arange(len(masks)), odd)
    order = np.argsort(np.concatenate([sound, odd]))
    return Decoded(Masks.concatenate([masks.take(sound), *found]).take(order), bad)


def _nothing() -> Masks:
    return Masks.of_runs([], [0, 0], [[0, 0]])


def _parse(text: bytes) -> Any:
    if not text:
        raise ValueError("it has no segmentation")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its segmentation is not JSON: {error}") from None
