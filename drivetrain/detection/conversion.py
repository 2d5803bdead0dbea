"""From one format to another."""

from os import PathLike
from typing import Any

from drivetrain.core.checks import check_choice
from drivetrain.detection.annotations import GroundTruth
from drivetrain.detection.inspection import inspect, inspect_truth
from drivetrain.detection.issues import Issues
from drivetrain.detection.readers.choose import read_detections, read_ground_truth
from drivetrain.detection.writers.choose import FORMATS, write_detections, write_ground_truth

Path = str | PathLike[str]


def convert(
    source: Path,
    target: Path,
    *,
    to: str,
    what: str = "truth",
    truth: Path | GroundTruth | None = None,
    issues: Issues | None = None,
    **told: Any,
) -> Issues:
    """Read truths or detections and write them in another format; return what was found.

    Names of images and classes, and the order of entries, stay; ids stay where the format has
    any (COCO JSON). Coordinates stay to the last bit where the format holds them; where it
    rounds, and what it cannot hold, is in the issues. Of COCO JSON the boxes are read, masks and
    keypoints only for ``task="segm"`` and ``"keypoints"``.

    Args:
        source: What to read, of any format that :func:`read_ground_truth` knows.
        target: What to write: a file, or for ``voc`` and ``yolo`` a new or empty folder.
        to: ``coco``, ``voc``, ``yolo``, ``csv``, ``parquet`` or ``openimages``.
        what: ``truth`` or ``detections``.
        truth: The truths whose images and classes the detections mean: a path or columns.
        issues: Where findings are told; lenient ones let defects and losses pass.
        told: ``format`` of the source, and what the files do not say, such as ``names``.

    Raises:
        FileNotFoundError: There is nothing at the source.
        ValueError: A defect, or something that the format cannot hold, unless lenient; an
            unknown format; detections without their truth.
        OSError: The target cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(f"{folder}/truth.csv", "w") as file:
        ...         _ = file.write("image,class,x,y,w,h\\na.jpg,cat,1,2,30,40\\n")
        ...     issues = convert(f"{folder}/truth.csv", f"{folder}/voc", to="voc")
        ...     read_ground_truth(f"{folder}/voc", issues=issues).boxes.tolist()
        [[1.0, 2.0, 30.0, 40.0]]
    """
    check_choice("to", to, FORMATS)
    check_choice("what", what, ("truth", "detections"))
    told_issues = Issues() if issues is None else issues
    if what == "truth":
        read = read_ground_truth(source, issues=told_issues, **told)
        write_ground_truth(inspect_truth(read, told_issues), target, to=to, issues=told_issues)
        return told_issues
    if truth is None:
        raise ValueError("truth must be given with detections: its images and classes are meant.")
    known = truth
    if not isinstance(known, GroundTruth):
        others = {name: value for name, value in told.items() if name != "format"}
        known = read_ground_truth(known, issues=told_issues, **others)
    found = read_detections(source, known, issues=told_issues, **told)
    known, found = inspect(known, found, told_issues)
    write_detections(found, known, target, to=to, issues=told_issues)
    return told_issues
