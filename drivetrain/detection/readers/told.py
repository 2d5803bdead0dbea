"""What a reader cannot see in the files, and is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any, Literal, get_args

from drivetrain.core.checks import check_choice
from drivetrain.core.errors import did_you_mean

Path = str | PathLike[str]
BoxFormat = Literal["xywh", "xyxy", "cxcywh"]
Task = Literal["bbox", "segm", "keypoints", "rotated", "boundary"]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the caller says about a data set beyond its path; None is for the files to say.

    Attributes:
        names: Class names, in the order of their numbers; or a file: ``data.yaml``, or one a line.
        images: Names of all images, those without truths too; or a file, one name a line.
        sizes: Height and width in pixels of each image by name; or a CSV of image, height, width;
            or the folder of the pictures.
        columns: What a table calls a column, by our name: ``{"image": "frame", "x": "left"}``.
        box_format: What the four numbers of a box are: corner and size, two corners, or centre
            and size.
        hierarchy: Open Images' JSON of classes.
        labels: Open Images' CSV of verified image-level labels.
        task: What will be compared, which says what the numbers of a YOLO line are where that is
            keypoints or the four corners of rotated boxes.
        threads: Threads of the JSON reader.
    """

    names: Sequence[str] | Path | None = None
    images: Sequence[str] | Path | None = None
    sizes: Mapping[str, Sequence[int]] | Path | None = None
    columns: Mapping[str, str] | None = None
    box_format: BoxFormat | None = None
    hierarchy: Path | None = None
    labels: Path | None = None
    task: Task | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.box_format is not None:
            check_choice("box_format", self.box_format, get_args(BoxFormat))
        if self.task is not None:
            check_choice("task", self.task, get_args(Task))


def told_of(told: Mapping[str, Any]) -> Told:
    """Return what was told by name.

    Raises:
        TypeError: A name that no reader knows; the nearest is named.
        ValueError: A value outside its choices.
    """
    known = [one.name for one in fields(Told)]
    for name in told:
        if name not in known:
            raise TypeError(
                f"Unknown option {name!r}. Expected one of: {', '.join(known)}."
                f"{did_you_mean(name, known)}"
            )
    return Told(**told)
