"""pycocotools.mask's names, arguments and bits.

Masks are dicts of ``size`` [height, width] and ``counts``, a compressed string. What pycocotools
does with strings that are no masks (a total that is not the picture's, zero-length runs) is done
here too; what it crashes on, or reads beyond, is refused.

Example:
    >>> import numpy as np
    >>> square = encode(np.asfortranarray([[0, 1], [0, 1]], dtype=np.uint8))
    >>> square, int(area(square)), toBbox(square).tolist()
    ({'size': [2, 2], 'counts': b'22'}, 2, [1.0, 0.0, 1.0, 2.0])
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_array
from drivetrain.detection.masks import _numba
from drivetrain.detection.masks.columns import Masks, check_sizes, measured, offsets_of
from drivetrain.detection.masks.overlap import overlaps
from drivetrain.detection.masks.polygons import from_boxes, from_polygons
from drivetrain.detection.masks.strings import to_strings
from drivetrain.detection.reference import iou as box_iou

Rle = Mapping[str, Any]
Written = dict[str, Any]
Runs = NDArray[np.uint32]


def encode(bimask: NDArray[np.uint8]) -> Any:
    """Return the mask of one picture (h, w), or a list of those of pictures (h, w, n).

    Raises:
        ValueError: Not uint8 (or bool) in Fortran order, of rank 2 or 3.
    """
    if bimask.ndim not in (2, 3) or bimask.dtype not in (np.uint8, np.bool_):
        raise ValueError(
            "bimask must be uint8 of shape (height, width) or (height, width, n). "
            f"Got {bimask.dtype} of shape {bimask.shape}."
        )
    if not bimask.flags.f_contiguous:
        raise ValueError("ndarray is not Fortran contiguous: use np.asfortranarray(bimask).")
    height, width = bimask.shape[:2]
    n = bimask.shape[2] if bimask.ndim == 3 else 1
    flat = np.ascontiguousarray(bimask.reshape(-1, order="F").reshape(n, height * width))
    pixels = flat.view(np.uint8)
    lengths = np.empty(n, np.int64)
    _numba.count_changes(pixels, lengths)
    offsets = offsets_of(lengths)
    runs = np.empty(offsets[-1], np.uint32)
    _numba.encode(pixels, offsets, runs)
    written = _write(_masks(runs, offsets, [(height, width)] * n))
    return written if bimask.ndim == 3 else written[0]


def decode(rleObjs: Rle | Sequence[Rle]) -> NDArray[np.uint8]:
    """Return pixels of 0 and 1 in Fortran order: (h, w) of one mask, (h, w, n) of a list.

    Raises:
        ValueError: Runs that do not fit the picture, or pictures of different sizes.
    """
    many = isinstance(rleObjs, list)
    masks = _read(_listed(rleObjs))
    if not len(masks):
        return np.empty((0, 0, 0), np.uint8, order="F")
    height, width = masks.sizes[0].tolist()
    pixels = np.zeros((len(masks), height * width), np.uint8)
    for i in range(len(masks)):
        same = masks.sizes[i].tolist() == [height, width]
        if not same or not _numba.paint(np.ascontiguousarray(masks.runs_of(i)), pixels[i]):
            raise ValueError("Invalid RLE mask representation")
    dense = pixels.reshape(-1).reshape((height, width, len(masks)), order="F")
    return dense if many else dense[:, :, 0]


def area(rleObjs: Rle | Sequence[Rle]) -> Any:
    """Return how many pixels are 1: a number of one mask, (n,) of a list."""
    many = isinstance(rleObjs, list)
    areas = _read(_listed(rleObjs)).areas.astype(np.uint32)
    return areas if many else areas[0]


def toBbox(rleObjs: Rle | Sequence[Rle]) -> NDArray[np.float64]:
    """Return x, y, width, height: (4,) of one mask, (n, 4) of a list."""
    many = isinstance(rleObjs, list)
    boxes = _boxes(_read(_listed(rleObjs)))
    return boxes if many else boxes[0]


def merge(rleObjs: Sequence[Rle], intersect: bool = False) -> Written:
    """Return the union of masks, or their intersection; of different sizes the mask of no size.

    Raises:
        ValueError: Runs that sum to different totals, of which pycocotools never returns.
    """
    masks = _read(rleObjs)
    if not len(masks) or (masks.sizes != masks.sizes[0]).any():
        return {"size": [0, 0], "counts": b""}
    _check_totals(_totals(masks))
    runs = np.ascontiguousarray(masks.runs_of(0))
    for i in range(1, len(masks)):
        runs = _numba.merge(runs, np.ascontiguousarray(masks.runs_of(i)), bool(intersect))
    return _write(_masks(runs, np.array([0, len(runs)]), masks.sizes[:1]))[0]


def iou(dt: Any, gt: Any, pyiscrowd: Sequence[int]) -> Any:
    """Return IoU of every pair of masks, or of boxes x, y, width, height.

    Args:
        dt: D masks, or boxes (D, 4).
        gt: G masks, or boxes (G, 4).
        pyiscrowd: A flag a truth: 1 divides by the detection's area.

    Returns:
        (D, G), -1 of masks of different sizes; [] where one side is empty.

    Raises:
        AssertionError: As many flags as truths are needed.
        TypeError: Masks against boxes, or neither.
        ValueError: Masks of one size whose runs sum to different totals, of which pycocotools
            never returns.
    """
    if len(pyiscrowd) != len(gt):
        raise AssertionError("iou(iscrowd=) must have the same length as gt")
    if not len(dt) or not len(gt):
        return []
    crowd = np.asarray(pyiscrowd, np.uint8) != 0
    kinds = {_is_boxes("dt", dt), _is_boxes("gt", gt)}
    if len(kinds) > 1:
        raise TypeError("The dt and gt should have the same data type: masks or boxes, both.")
    if kinds.pop():
        p, q = (np.asarray(one, np.float64).reshape(-1, 4) for one in (dt, gt))
        return np.asfortranarray(box_iou(p, q, crowd=crowd))
    return np.asfortranarray(_mask_iou(_read(dt), _read(gt), crowd))


def frPyObjects(pyobj: Any, h: int, w: int) -> Any:
    """Return masks of polygons, boxes (n, 4) or lists of runs; one mask of one dict of runs.

    Raises:
        TypeError: None of these.
        ValueError: Fewer than three corners, or numbers that cannot be drawn.
    """
    if isinstance(pyobj, np.ndarray):
        return _write(from_boxes(pyobj, (h, w)))
    if isinstance(pyobj, Mapping):
        return _from_counts([pyobj])[0]
    if not isinstance(pyobj, list) or not pyobj:
        raise TypeError(f"input type is not supported. Got {pyobj!r}.")
    if isinstance(pyobj[0], Mapping):
        return _from_counts(pyobj)
    # Half a corner at the end is passed over, as C's division of the length does.
    whole = [one[: len(one) // 2 * 2] for one in pyobj]
    return _write(from_polygons(whole, (h, w)))


def _listed(given: Rle | Sequence[Rle]) -> Sequence[Rle]:
    return [given] if isinstance(given, Mapping) else given


def _is_boxes(name: str, given: Any) -> bool:
    if isinstance(given, np.ndarray):
        if given.ndim != 2 or given.shape[1] != 4:
            raise TypeError(f"{name} as an array must be boxes (n, 4). Got shape {given.shape}.")
        return True
    if all(isinstance(one, Mapping) for one in given):
        return False
    if all(isinstance(one, (list, np.ndarray)) and len(one) == 4 for one in given):
        return True
    raise TypeError(f"{name} must be a list of masks or boxes (n, 4). Got {type(given).__name__}.")


def _from_counts(given: Sequence[Rle]) -> list[Written]:
    lists = [check_array("counts", one["counts"], ndim=1, dtype=np.int64) for one in given]
    for runs in lists:
        for wrong in runs[(runs < 0) | (runs > 2**32 - 1)][:1]:
            raise OverflowError(f"Python integer {wrong} out of bounds for uint32")
    runs = np.concatenate([np.empty(0, np.uint32), *lists]).astype(np.uint32)
    offsets = offsets_of(np.array([len(one) for one in lists], np.int64))
    return _write(_masks(runs, offsets, [one["size"] for one in given]))


def _masks(runs: Runs, offsets: Any, sizes: Any) -> Masks:
    return measured(runs, np.asarray(offsets, np.int64), check_sizes(sizes))[0]


def _write(masks: Masks) -> list[Written]:
    return [
        {"size": size, "counts": counts}
        for size, counts in zip(masks.sizes.tolist(), to_strings(masks))
    ]


def _read(given: Sequence[Rle]) -> Masks:
    """Return masks of any compressed strings, those that fill no picture too."""
    texts = [_as_bytes(one["counts"]) for one in given]
    # A run has one character at least.
    runs = np.empty(sum(map(len, texts)), np.uint32)
    used = np.zeros(len(texts), np.int64)
    _numba.read_loosely(
        np.frombuffer(b"".join(texts), np.uint8),
        offsets_of(np.array([len(text) for text in texts], np.int64)),
        runs,
        used,
    )
    offsets = offsets_of(used)
    return _masks(runs[: offsets[-1]], offsets, [one["size"] for one in given])


def _as_bytes(counts: Any) -> bytes:
    if isinstance(counts, str):
        return counts.encode()
    if isinstance(counts, bytes):
        return counts
    raise TypeError(
        f"counts must be a compressed str or bytes. Got {type(counts).__name__}: make a list of "
        "runs one by frPyObjects first."
    )


def _boxes(masks: Masks) -> NDArray[np.float64]:
    """Return boxes as pycocotools has them: where all runs of 1 are empty, what C's uint makes."""
    out = masks.boxes.copy()
    hollow = (masks.areas == 0) & (np.diff(masks.offsets) > 1)
    height, width = masks.sizes[hollow].astype(np.int64).T
    out[hollow] = np.stack([width, height, (1 - width) % 2**32, (1 - height) % 2**32], axis=1)
    return out


def _mask_iou(p: Masks, q: Masks, crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    d, g = np.indices((len(p), len(q)), np.int32).reshape(2, -1)
    if _is_plain(p) and _is_plain(q):
        out = overlaps(p, q, d, g, crowd[g]).reshape(len(p), len(q))
    else:
        out = _walked_iou(p, q, crowd)
    # pycocotools looks at the sizes only where the boxes meet.
    meet = box_iou(_boxes(p), _boxes(q), crowd=crowd) > 0
    other = (p.sizes[:, None] != q.sizes[None]).any(axis=2)
    out[meet & other] = -1.0
    return np.where(meet, out, 0.0)


def _is_plain(masks: Masks) -> bool:
    """Return whether all masks fill their pictures by runs of which none but the first is 0."""
    inner = np.ones(len(masks.runs), np.bool_)
    inner[masks.offsets[:-1][np.diff(masks.offsets) > 0]] = False
    filled = _totals(masks) == masks.sizes.astype(np.int64).prod(axis=1)
    return bool((masks.runs[inner] > 0).all() and filled.all())


def _totals(masks: Masks) -> NDArray[np.int64]:
    total = np.concatenate([[0], np.cumsum(masks.runs, dtype=np.int64)])
    return total[masks.offsets[1:]] - total[masks.offsets[:-1]]


def _check_totals(totals: NDArray[np.int64]) -> None:
    if (totals != totals[0]).any():
        raise ValueError(
            "Masks of one size must have runs of one sum, height x width. "
            f"Got sums {np.unique(totals).tolist()}."
        )


def _walked_iou(p: Masks, q: Masks, crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return IoU by pycocotools' own walk, which stops where two runs of length 0 meet."""
    out = np.zeros((len(p), len(q)))
    p_totals, q_totals = _totals(p), _totals(q)
    for d, g in np.ndindex(out.shape):
        if (p.sizes[d] != q.sizes[g]).any():
            continue
        _check_totals(np.array([p_totals[d], q_totals[g]]))
        a, b = (np.ascontiguousarray(one) for one in (p.runs_of(d), q.runs_of(g)))
        both = int(_numba.merge(a, b, True)[1::2].sum(dtype=np.uint32))
        either = int(_numba.merge(a, b, False)[1::2].sum(dtype=np.uint32))
        if both:
            out[d, g] = both / (int(p.areas[d]) if crowd[g] else either)
    return out
