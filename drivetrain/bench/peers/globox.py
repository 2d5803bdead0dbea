"""globox's readers as contenders: object detection data sets in pure Python."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivetrain.core.errors import require

Boxes = dict[str, list[tuple[float, ...]]]


def read_voc(folder: Path) -> Callable[[], Any]:
    """Return a call that reads a folder of VOC annotations.

    Raises:
        MissingDependency: globox is not installed.
    """
    globox = require("globox", "drivetrain[peers]")
    return lambda: globox.AnnotationSet.from_pascal_voc(folder)


def read_text(folder: Path) -> Callable[[], Any]:
    """Return a call that reads lines ``class confidence x y width height``, a file an image.

    Raises:
        MissingDependency: globox is not installed.
    """
    globox = require("globox", "drivetrain[peers]")
    return lambda: globox.AnnotationSet.from_txt(folder, box_format=globox.BoxFormat.LTWH)


def corners_of(read: Any) -> Boxes:
    """Return the sorted corners of each image, by its name without suffix."""
    return {
        one.image_id.rsplit(".", 1)[0]: sorted(
            (box.xmin, box.ymin, box.xmax, box.ymax) for box in one.boxes
        )
        for one in read
    }
