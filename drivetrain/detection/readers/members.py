"""Members of COCO entries that several tasks share: masks, keypoints, boxes made of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Floats, Ids
from drivetrain.detection.findings import tell
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.schema import GOOD
from drivetrain.detection.json.source import Source
from drivetrain.detection.json.texts import spans_of
from drivetrain.detection.masks.columns import Masks
from drivetrain.detection.readers.entries import all_good, entry_issue

Flags = NDArray[np.bool_]
MASKED = ("segm", "boundary")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the parts of one reading share.

    Attributes:
        source: The file.
        issues: Where findings are told.
        task: What will be compared.
        threads: How many threads read.
    """

    source: Source
    issues: Issues
    task: str
    threads: int

    def note(self, kind: str, what: str, times: int) -> None:
        """Record once what was filled in for so many entries."""
        one = Issue(kind=kind, source=self.source.name, what=what, done="repaired")
        self.issues.note(one, times)


def masks_of(job: Job, entries: Columns, sizes: Ids) -> tuple[Masks, Flags]:
    """Return the masks of the entries, and which entries are refused for theirs.

    Args:
        job: The reading.
        entries: Annotations or detections.
        sizes: Height and width of each entry's image, (n, 2), 0 where unknown.

    Raises:
        ValueError: A segmentation is no mask, unless lenient.
    """
    from drivetrain.detection.masks.scan import decode

    spans = spans_of(entries, "segmentation")
    read = decode(job.source.data, spans, sizes.astype(np.int32), threads=job.threads)
    rows = np.array(sorted(read.bad), np.intp)

    def issue_of(row: int) -> Issue:
        return entry_issue(entries, row, job.source.name, "bad-mask", f"{read.bad[row]}.")

    tell(job.issues, rows, issue_of)
    refused = np.zeros(len(entries), np.bool_)
    refused[rows] = True
    return read.masks, refused


def keypoints_of(entries: Columns) -> Floats:
    """Return x, y, v of each keypoint, (n, P, 3); zeros where an entry has none.

    Raises:
        ValueError: Their numbers do not come in threes.
    """
    points = entries.points
    if points.shape[1] % 3:
        raise ValueError(
            f"keypoints must be x, y, visibility of each point. Got {points.shape[1]} numbers."
        )
    if not all_good(entries, "keypoints"):
        there = entries.form("keypoints") == GOOD
        points = np.where(there[:, None], points, 0.0)
    return points.reshape(len(points), points.shape[1] // 3, 3)


def extents(points: Floats) -> Floats:
    """Return the boxes around the keypoints, all of them, visible or not, (n, 4).

    Example:
        >>> extents(np.array([[[3.0, 4.0, 2.0], [5.0, 1.0, 0.0]]])).tolist()
        [[3.0, 1.0, 2.0, 3.0]]
    """
    out = np.empty((len(points), 4))
    # Blocks that stay in the caches, turned so that numpy compares whole rows.
    for begin in range(0, len(points), 4096):
        block = np.ascontiguousarray(points[begin : begin + 4096, :, :2].transpose(2, 1, 0))
        low = block.min(axis=1)
        out[begin : begin + 4096, :2] = low.T
        out[begin : begin + 4096, 2:] = (block.max(axis=1) - low).T
    return out


def enclosing(rotated: Floats) -> Floats:
    """Return the upright boxes around rotated ones: centre x, y, width, height, angle, (n, 5).

    Example:
        >>> enclosing(np.array([[5.0, 5.0, 4.0, 2.0, 0.0]])).tolist()
        [[3.0, 4.0, 4.0, 2.0]]
    """
    x, y, w, h, angle = rotated.T
    cosine, sine = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    wide, high = w * cosine + h * sine, w * sine + h * cosine
    return np.column_stack([x - wide / 2, y - high / 2, wide, high])


def sizes_of(images: Ids, image_ids: Ids, sizes: Ids) -> Ids:
    """Return height and width of each entry's image, 0 where it is unknown, (n, 2).

    Example:
        >>> known = np.array([[480, 640], [100, 200]])
        >>> sizes_of(np.array([5, 9, 3]), np.array([9, 3]), known).tolist()
        [[0, 0], [480, 640], [100, 200]]
    """
    if len(image_ids) == 0:
        return np.zeros((len(images), 2), np.int64)
    order = np.argsort(image_ids)
    at = order[np.minimum(np.searchsorted(image_ids, images, sorter=order), len(order) - 1)]
    return np.where((image_ids[at] == images)[:, None], sizes[at], 0)


def kept(columns: dict[str, Any], refused: Flags) -> dict[str, Any]:
    """Return the columns without the rows that are refused."""
    if not refused.any():
        return columns
    rows = np.flatnonzero(~refused)
    return {name: values[rows] for name, values in columns.items()}
