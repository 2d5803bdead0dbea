"""What a format cannot hold: said before anything is written, never lost in silence."""

import numpy as np

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth
from drivetrain.detection.findings import tell
from drivetrain.detection.issues import Issue, Issues

_WORDS = {
    "masks": "masks",
    "keypoints": "keypoints",
    "rotated": "rotated boxes",
    "group_of": "group-of boxes",
    "crowd": "crowd regions",
    "ignore": "truths that are not to be found (difficult)",
    "areas": "areas other than width x height",
    "federation": "verified labels and a hierarchy of classes",
}


def refuse_losses(
    columns: GroundTruth | Detections, to: str, holds: tuple[str, ...], issues: Issues
) -> None:
    """Record what of the columns a format cannot hold: an error (areas: a note), or it is left out.

    Args:
        columns: What is to be written.
        to: The format's name, for the message.
        holds: Names of the columns that it can hold beyond boxes and scores.
        issues: Where findings are told.

    Raises:
        ValueError: The columns hold more, unless lenient.
    """
    for name, words in _WORDS.items():
        entries = _entries(columns, name)
        if name not in holds and entries:
            what = f"{to} cannot hold {words}: {entries} are lost"
            issue = Issue(kind=f"lost-{name}", source=columns.source, what=what, done="dropped")
            # Only COCO's ranges look at areas; every other loss changes what is found.
            (issues.note if name == "areas" else issues.refuse)(issue, entries)


def _entries(columns: GroundTruth | Detections, name: str) -> int:
    value = getattr(columns, name, None)
    if value is None:
        return 0
    if name in ("crowd", "ignore", "group_of"):
        return int(value.sum())
    if name == "areas":
        if columns.masks is not None or columns.rotated is not None:
            return 0
        return int((value != columns.boxes[:, 2] * columns.boxes[:, 3]).sum())
    return 1 if name == "federation" else len(value)


def note_rounding(
    columns: GroundTruth | Detections, written: Floats, to: str, issues: Issues
) -> None:
    """Note the boxes that will not be read back to the last bit.

    Args:
        columns: What is to be written.
        written: The boxes as they will be read back, (n, 4).
        to: The format's name, for the message.
        issues: Where findings are told.
    """
    rows = np.flatnonzero((written != columns.boxes).any(axis=1))
    tell(
        issues,
        rows,
        lambda row: Issue(
            kind="rounded-box",
            source=columns.source,
            what=f"in {to} the box {columns.boxes[row].tolist()} is {written[row].tolist()}",
            done="repaired",
            entry=row,
        ),
        defect=False,
    )


def note_unlisted(truth: GroundTruth, to: str, issues: Issues, *, images: bool) -> None:
    """Note the classes, and the images, without truths: the format does not list them."""
    lists: list[tuple[str, Flags]] = [
        ("classes", ~np.isin(truth.category_ids, truth.categories)),
        ("images", ~np.isin(truth.image_ids, truth.images) if images else np.zeros(0, np.bool_)),
    ]
    for what, alone in lists:
        if alone.any():
            text = f"{to} does not list the {int(alone.sum())} {what} without truths"
            issues.note(
                Issue(kind=f"unlisted-{what}", source=truth.source, what=text, done="dropped")
            )
