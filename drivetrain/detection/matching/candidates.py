"""Who may have found whom: pairs of a detection and a truth that overlap enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_choice, check_real
from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.matching import _numba as kernels
from drivetrain.detection.matching.index import Index, Positions
from drivetrain.detection.matching.threads import PARTS, run_jobs, split, thread_count
from drivetrain.detection.styles import Style

TASKS = ("bbox", "segm", "keypoints", "rotated", "boundary")
#: Pairs that one part may hold at once, unless a single group holds more.
MOST_PAIRS = 1 << 20
UNCAPPED = 2**31 - 1

#: Overlaps of pairs: positions of detections, positions of truths, whether these are crowds.
Overlaps = Callable[[Positions, Positions, Flags], Floats]
#: Touched detections, candidates of each, truths, overlaps.
Part = tuple[Positions, Positions, Positions, Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """The pairs that overlap enough, by detection: E touched detections, C pairs.

    Attributes:
        touched: Positions in ``Index.detections`` that have any candidate, rising, (E,).
        first: Where each touched detection's candidates begin, (E + 1,).
        truths: Positions in ``Index.truths``, (C,).
        overlaps: IoU or OKS, (C,); within a detection falling, of equal ones the later truth first.
        minimum: The least overlap that was kept.
        cap: Detections of a group that were looked at.
    """

    touched: Positions
    first: Positions
    truths: Positions
    overlaps: Floats
    minimum: float
    cap: int = UNCAPPED

    def capped(self, index: Index, cap: int) -> "Candidates":
        """Return the candidates of the first ``cap`` detections of each group."""
        if cap >= self.cap:
            return self
        groups = np.searchsorted(index.first_detection, self.touched, side="right") - 1
        kept = self.touched - index.first_detection[groups] < cap
        many = np.diff(self.first)
        pairs = np.repeat(kept, many)
        return Candidates(
            touched=self.touched[kept],
            first=np.concatenate(([0], np.cumsum(many[kept]))).astype(np.int32),
            truths=self.truths[pairs],
            overlaps=self.overlaps[pairs],
            minimum=self.minimum,
            cap=cap,
        )


class Search(TypedDict, total=False):
    """Options of ``find_candidates``.

    Attributes:
        cap: Detections to look at in each group, the surest first; all where None.
        sigmas: Spread of each keypoint; COCO's seventeen where None.
        threads: All usable cores where None; the result does not depend on it.
    """

    cap: int | None
    sigmas: Sequence[float] | None
    threads: int | None


def check_options(given: Mapping[str, object], kind: type) -> None:
    """Refuse what a TypedDict of options does not name.

    Raises:
        TypeError: The name, and those there are.
    """
    names = kind.__annotations__
    for name in given:
        if name not in names:
            raise TypeError(f"Unknown option {name!r}. Expected one of: {', '.join(names)}.")


def find_candidates(
    index: Index,
    truth: GroundTruth,
    found: Detections,
    task: str = "bbox",
    minimum: float = 0.5,
    *,
    style: Style,
    **how: Unpack[Search],
) -> Candidates:
    """Return the pairs with overlap >= minimum, in groups of class and image.

    Args:
        index: Groups of ``truth`` and ``found``.
        truth: What is there.
        found: What was detected.
        task: ``bbox``, ``segm``, ``keypoints``, ``rotated`` or ``boundary``.
        minimum: The least overlap to keep, > 0.
        style: Says whether crowds absorb detections, and whether boxes hold their last pixel.
        how: ``cap``, ``sigmas`` and ``threads`` of ``Search``.

    Raises:
        TypeError: Another option than these.
        ValueError: The task needs a column that is not there.
    """
    check_choice("task", task, TASKS)
    # pycocotools lets a threshold of 1 be reached from 1e-10 below.
    least = min(check_real("minimum", minimum, low=0, open_low=True), 1 - 1e-10)
    check_options(how, Search)
    cap = how.get("cap")
    most = UNCAPPED if cap is None else min(cap, UNCAPPED)
    n_threads = thread_count(how.get("threads"))
    crowd = truth.crowd if style.crowd else np.zeros(len(truth), np.bool_)
    bounds, pairs = _parts(index, most, n_threads)
    if task == "bbox":
        find = partial(_boxes, index, truth, found, crowd, (most, least, float(style.inclusive)))
    else:
        overlaps = _overlaps(task, truth, found, how.get("sigmas"), least)
        find = partial(_by_pairs, index, overlaps, crowd, most, least)
    parts = run_jobs(find, zip(bounds[:-1], bounds[1:], pairs, strict=True), n_threads)
    touched, many, which, overlap = (_joined(column) for column in zip(*parts))
    first = np.zeros(len(many) + 1, np.int32)
    np.cumsum(many, out=first[1:])
    return Candidates(
        touched=touched, first=first, truths=which, overlaps=overlap, minimum=least, cap=most
    )


def _joined(column: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return column[0] if len(column) == 1 else np.concatenate(column)


def _parts(index: Index, cap: int, threads: int) -> tuple[NDArray[np.int64], list[int]]:
    """Return the bounds of parts of the groups, and how many pairs each may hold."""
    n_found = np.minimum(np.diff(index.first_detection), cap).astype(np.int64)
    pairs = n_found * np.diff(index.first_truth)
    n_parts = max(threads * PARTS, int(pairs.sum() // MOST_PAIRS) + 1)
    # Besides its pairs, a group and each of its detections costs about as much as four pairs.
    bounds = split(pairs + 4 * n_found * (pairs > 0) + 4, n_parts if len(pairs) else 1)
    held = np.concatenate(([0], np.cumsum(pairs)))
    return bounds, np.diff(held[bounds]).tolist() if len(pairs) else [0]


def _room(pairs: int) -> Part:
    # Pages that are never written cost nothing.
    numbers = (np.empty(pairs, np.int32) for _ in range(3))
    return (next(numbers), next(numbers), next(numbers), np.empty(pairs))


def _cut(out: Part, sizes: tuple[int, int]) -> Part:
    touched, n = sizes
    return out[0][:touched], out[1][:touched], out[2][:n], out[3][:n]


def _boxes(
    index: Index,
    truth: GroundTruth,
    found: Detections,
    crowd: Flags,
    rules: tuple[int, float, float],
    *part: int,
) -> Part:
    low, high, pairs = part
    out = _room(pairs)
    most = int(np.diff(index.first_truth[low : high + 1]).max(initial=0))
    sizes = kernels.box_candidates(
        low,
        high,
        (index.groups, index.detections, index.truths),
        (found.boxes, truth.boxes, crowd),
        rules,
        (*out, *np.empty((6, most))),
    )
    return _cut(out, sizes)


def _by_pairs(
    index: Index, overlaps: Overlaps, crowd: Flags, cap: int, minimum: float, *part: int
) -> Part:
    low, high, n = part
    pairs = np.empty((2, n), np.int32)
    kernels.list_pairs(low, high, index.groups, cap, pairs)
    at = index.truths[pairs[1]]
    values = overlaps(index.detections[pairs[0]], at, crowd[at])
    out = _room(n)
    return _cut(out, kernels.keep_pairs(pairs, values, minimum, out))


def _overlaps(
    task: str,
    truth: GroundTruth,
    found: Detections,
    sigmas: Sequence[float] | None,
    minimum: float,
) -> Overlaps:
    """Return the function of pairs that the task means; imported here, as few need all."""
    if task == "keypoints":
        from drivetrain.detection.overlap.keypoints import pair_oks

        return partial(pair_oks, truth, found, sigmas, minimum=minimum)
    if task == "rotated":
        from drivetrain.detection.overlap.rotated import pair_iou

        return partial(pair_iou, truth, found)
    from drivetrain.detection.masks import overlap

    measure = overlap.pair_iou if task == "segm" else overlap.pair_boundary_iou
    return partial(measure, truth, found, minimum=minimum)
