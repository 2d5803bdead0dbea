"""Detection mAP from the shell: evaluate detections, compare two detectors, convert formats."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from drivetrain.detection.result import Result

OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]


def told(**given: Any) -> dict[str, Any]:
    """Return what the readers are told, without what was not given."""
    return {name: value for name, value in given.items() if value}


def check_there(**paths: Path | None) -> None:
    """Refuse a path that was given and is not there, though its format might not need it."""
    for name, path in paths.items():
        if path is not None and not path.exists():
            raise ValueError(f"{name} must be a file or folder that exists. Got {path}.")


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """How good detections are: average precision by COCO, VOC and other rules, and why."""

    truth: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="GT")]
    """The truths: a COCO or LVIS JSON file, a Pascal VOC or YOLO folder, a CSV or Parquet table,
    an Open Images CSV. Which of them is seen from the content."""
    found: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DT")]
    """The detections: COCO's list of results (JSON), a folder of text files, or a table."""
    style: tuple[str, ...] = ("coco",)
    """Rules to judge by: coco, voc2007, voc2010, lvis, openimages, ultralytics. Several share
    one set of overlaps, and the gap between the first and each other is taken apart."""
    task: str = "bbox"
    """What is compared: bbox, segm, keypoints, rotated or boundary."""
    compare: OptionalPath = None
    """Detections of a second detector on the same truths: is it better, beyond chance?"""
    resamples: int = 1000
    """Redraws of the images for the interval of --compare."""
    classes: bool = False
    """Print a line a class as well."""
    html: OptionalPath = None
    """Write a report page: curves, classes, confusions, kinds of errors, the worst images."""
    pictures: OptionalPath = None
    """Folder of the image files: the report shows the worst; YOLO labels need their sizes."""
    json: OptionalPath = None
    """Write all numbers as JSON."""
    format: str = "auto"
    """Format of the truths and detections, where their content does not say it."""
    names: OptionalPath = None
    """Class names of YOLO labels: data.yaml, or a text file with one a line."""
    box_format: str = ""
    """Of tables: xywh (corner and size), xyxy (two corners) or cxcywh (centre and size)."""
    lenient: bool = False
    """Count and skip entries that cannot be evaluated, instead of stopping at the first."""
    threads: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Threads to use; all where not given. The numbers do not depend on it."""

    def __post_init__(self) -> None:
        from drivetrain.core.checks import check_choice, check_integer
        from drivetrain.detection.evaluation import TASKS
        from drivetrain.detection.styles import style_named

        if not self.style:
            raise ValueError("style must name one or more styles. Got none.")
        for name in self.style:
            style_named(name)
        check_choice("task", self.task, TASKS)
        check_integer("resamples", self.resamples, low=2)
        if self.threads is not None:
            check_integer("threads", self.threads, low=1)
        check_there(names=self.names, pictures=self.pictures)

    def run(self) -> None:
        """Evaluate; print the tables, and write what was asked for."""
        from drivetrain.commands.scores.gaps import differences, gaps, print_differences, print_gaps
        from drivetrain.commands.scores.kept import Kept, write_json, write_report
        from drivetrain.commands.scores.printed import print_issues, print_results

        self._check_targets()
        results = self._results(self.found)
        others = {} if self.compare is None else self._results(self.compare)
        kept = Kept(
            results=results,
            others=others,
            gaps=gaps(results),
            differences=differences(results, others, resamples=self.resamples),
        )
        print_results(results, classes=self.classes)
        print_issues(next(iter(results.values())).issues)
        print_gaps(kept.gaps)
        print_differences(kept)
        if self.json is not None:
            write_json(self.json, kept)
        if self.html is not None:
            write_report(self.html, kept, pictures=self.pictures)

    def _check_targets(self) -> None:
        """Learn before the work, not after, what would keep the answer from being written."""
        from drivetrain.core.errors import require
        from drivetrain.core.files import check_writable

        for path in (self.html, self.json):
            if path is not None:
                check_writable(path)
        if self.html is not None:
            for package in ("matplotlib", "jinja2"):
                require(package, "drivetrain[report]")

    def _results(self, found: Path) -> "dict[str, Result]":
        from drivetrain.core.progress import progress
        from drivetrain.detection.evaluation import STAGES, evaluate

        with progress(found.name, len(STAGES)) as advance:
            return evaluate(
                self.truth,
                found,
                style=list(dict.fromkeys(self.style)),
                task=self.task,
                lenient=self.lenient,
                threads=self.threads,
                format=self.format,
                told=told(names=self.names, sizes=self.pictures, box_format=self.box_format),
                advance=advance,
            )


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn truths or detections from one format into another; tell what it cannot hold."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """What to read: a file or folder of any format that evaluate reads."""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    """What to write: a file, or a new or empty folder for voc and yolo."""
    to: str
    """Format to write: coco, voc, yolo, csv, parquet or openimages."""
    truth: OptionalPath = None
    """The source holds detections; these are the truths whose images and classes they mean."""
    format: str = "auto"
    """Format of the source, where its content does not say it."""
    names: OptionalPath = None
    """Class names of YOLO labels: data.yaml, or a text file with one a line."""
    pictures: OptionalPath = None
    """Folder of the image files, whose sizes YOLO labels need."""
    box_format: str = ""
    """Of tables: xywh (corner and size), xyxy (two corners) or cxcywh (centre and size)."""
    lenient: bool = False
    """Let pass, and count, what cannot be read or cannot be written in the new format."""

    def __post_init__(self) -> None:
        from drivetrain.core.checks import check_choice
        from drivetrain.detection.writers.choose import FORMATS

        check_choice("to", self.to, FORMATS)
        check_there(names=self.names, pictures=self.pictures)
        if self.source.resolve() == self.target.resolve():
            raise ValueError(f"target must be another path than source. Got {self.target} twice.")

    def run(self) -> None:
        """Convert; print what was found on the way."""
        from drivetrain.commands.scores.printed import print_issues
        from drivetrain.detection.conversion import convert
        from drivetrain.detection.issues import Issues

        issues = convert(
            self.source,
            self.target,
            to=self.to,
            what="truth" if self.truth is None else "detections",
            truth=self.truth,
            issues=Issues(lenient=self.lenient),
            format=self.format,
            **told(names=self.names, sizes=self.pictures, box_format=self.box_format),
        )
        print(f"{self.target}: written as {self.to}")
        print_issues(issues)
