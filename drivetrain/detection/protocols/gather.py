"""Finding the pairs: every detection with the truths of its class and image that it overlaps."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_choice, check_real
from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.protocols.pool import Pool, absorbing_truths, by_cell, counted
from drivetrain.detection.reference import iou, mask_iou, oks
from drivetrain.detection.styles import COCO_SIGMAS

TASKS = ("bbox", "segm", "keypoints", "rotated", "boundary")


def gather(
    truth: GroundTruth,
    found: Detections,
    task: str = "bbox",
    *,
    minimum: float = 0.5,
    inclusive: bool = False,
    per_class: bool = True,
    **limits: ArrayLike | None,
) -> Pool:
    """Return all pairs that overlap by at least ``minimum``.

    Args:
        truth: What is there.
        found: What was said.
        task: ``bbox``, ``segm``, ``keypoints``, ``rotated`` or ``boundary``.
        minimum: Least overlap that any rule will ask about, in (0, 1].
        inclusive: Boxes hold their last pixel: 1 is added to widths and heights.
        per_class: Pair within classes; else within images.
        limits: ``images`` and ``categories`` to count, all of the truth's where None; ``sigmas``
            of the keypoints, COCO's where None.

    Raises:
        ValueError: An unknown task or a minimum out of range.

    Example:
        >>> from drivetrain.detection.examples import survey_data
        >>> len(gather(*survey_data(), minimum=0.3).overlaps)
        6
    """
    check_choice("task", task, TASKS)
    check_real("minimum", minimum, low=0, high=1, open_low=True)
    images = counted(limits.get("images"), truth.image_ids)
    categories = counted(limits.get("categories"), truth.category_ids)
    cells, order = by_cell(found, images, categories, per_class=per_class)
    truth_cells, truths = by_cell(truth, images, categories, per_class=per_class)
    alone = absorbing_truths(truth)
    sigmas = limits.get("sigmas")
    starts = np.zeros(len(order) + 1, np.int64)
    targets: list[NDArray[np.int32]] = []
    overlaps: list[Floats] = []
    for cell in np.intersect1d(cells, truth_cells):
        d = slice(*np.searchsorted(cells, [cell, cell + 1]))
        g = truths[slice(*np.searchsorted(truth_cells, [cell, cell + 1]))]
        block = block_of(truth, found, task, order[d], g, inclusive=inclusive, sigmas=sigmas)
        pairs = block >= minimum
        starts[1:][d] = np.count_nonzero(pairs, axis=1)
        targets.append(np.broadcast_to(g, pairs.shape)[pairs])
        overlaps.append(block[pairs])
    return Pool(
        truth=truth,
        found=found,
        task=task,
        images=images,
        categories=categories,
        per_class=per_class,
        inclusive=inclusive,
        minimum=minimum,
        order=order,
        cells=cells,
        starts=np.cumsum(starts),
        targets=np.concatenate(targets) if targets else np.empty(0, np.int32),
        overlaps=np.concatenate(overlaps) if overlaps else np.empty(0),
        absorbing=alone,
    )


def block_of(
    truth: GroundTruth,
    found: Detections,
    task: str,
    d: NDArray[np.int32],
    g: NDArray[np.int32],
    *,
    inclusive: bool = False,
    sigmas: ArrayLike | None = None,
) -> Floats:
    """Return the overlap of detections ``d`` with truths ``g``, (D, G).

    Raises:
        ValueError: The task's column is missing.
    """
    alone = absorbing_truths(truth)[g]
    if task == "keypoints":
        p, q = column(found, "keypoints")[d], column(truth, "keypoints")[g]
        return oks(p, q, truth.boxes[g], truth.areas[g], COCO_SIGMAS if sigmas is None else sigmas)
    if task == "segm":
        return mask_iou([pixels(found, i) for i in d], [pixels(truth, i) for i in g], crowd=alone)
    return iou(found.boxes[d], truth.boxes[g], crowd=alone, inclusive=inclusive)


def column(columns: GroundTruth | Detections, name: str) -> Any:
    """Return a column that the task needs.

    Raises:
        ValueError: It is not there.
    """
    value = getattr(columns, name)
    if value is None:
        raise ValueError(f"{columns.source} has no {name}: this task compares them.")
    return value


def pixels(columns: GroundTruth | Detections, at: int) -> Flags:
    """Return one mask as flat pixels: its runs are of 0, of 1, of 0 and so on."""
    masks = column(columns, "masks")
    runs = masks.runs[masks.offsets[at] : masks.offsets[at + 1]]
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)
