"""Which writer a format has."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path

from drivetrain.core.checks import check_choice
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.issues import Issues


@dataclass(frozen=True)
class Format:
    """A format: the module that writes it, and its functions."""

    module: str
    truth: str = "write_ground_truth"
    found: str = "write_detections"

    def writer(self, name: str) -> Callable[..., None]:
        """Return one of the functions of the module."""
        function: Callable[..., None] = getattr(
            import_module(f"drivetrain.detection.writers.{self.module}"), name
        )
        return function


#: The formats by the names that ``to=`` takes.
FORMATS: dict[str, Format] = {
    "coco": Format("coco"),
    "voc": Format("voc"),
    "yolo": Format("yolo"),
    "csv": Format("table"),
    "parquet": Format("table", "write_parquet_truth", "write_parquet_detections"),
    "openimages": Format("table", "write_openimages_truth", "write_openimages_detections"),
}


def write_ground_truth(
    truth: GroundTruth, path: str | PathLike[str], *, to: str, issues: Issues | None = None
) -> None:
    """Write truths in a format; the file or folder takes its name when it is whole.

    Args:
        truth: What to write.
        path: A file (``coco csv parquet openimages``) or a new or empty folder (``voc yolo``).
        to: One of ``FORMATS``.
        issues: Where it is told what the format rounds or cannot hold; a new list that is not
            lenient where None.

    Raises:
        ValueError: No such format; something that the format cannot hold, unless lenient.
        OSError: The file or folder cannot be written.

    Example:
        >>> import tempfile
        >>> truth = GroundTruth.from_arrays(images=[1], categories=[3], boxes=[[1, 2, 30, 40]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_ground_truth(truth, Path(folder, "t.csv"), to="csv")
        ...     print(Path(folder, "t.csv").read_text().split()[1])
        1,3,1.0,2.0,30.0,40.0,0,0,1200.0,1
    """
    check_choice("to", to, FORMATS)
    FORMATS[to].writer(FORMATS[to].truth)(
        truth, Path(fspath(path)), Issues() if issues is None else issues
    )


def write_detections(
    found: Detections,
    truth: GroundTruth,
    path: str | PathLike[str],
    *,
    to: str,
    issues: Issues | None = None,
) -> None:
    """Write detections in a format, under the names of the truth's images and classes.

    Args:
        found: What to write; images and categories are among the truth's.
        truth: Whose names and sizes are written.
        path: A file (``coco csv parquet openimages``) or a new or empty folder (``voc yolo``).
        to: One of ``FORMATS``.
        issues: Where it is told what the format rounds or cannot hold; a new list that is not
            lenient where None.

    Raises:
        ValueError: No such format; something that the format cannot hold, unless lenient.
        OSError: The file or folder cannot be written.
    """
    check_choice("to", to, FORMATS)
    FORMATS[to].writer(FORMATS[to].found)(
        found, truth, Path(fspath(path)), Issues() if issues is None else issues
    )
