"""COCO's and LVIS' JSON: truths and detections, from a file's bytes to columns."""

import os

from drivetrain.core.checks import check_choice, check_integer
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.issues import Issues
from drivetrain.detection.json.document import read_sections
from drivetrain.detection.json.source import Source
from drivetrain.detection.readers.members import Job
from drivetrain.detection.readers.results import found_of, is_placed, results
from drivetrain.detection.readers.truths import CATEGORIES, IMAGES, annotations, truth_of

TASKS = ("bbox", "segm", "boundary", "keypoints", "rotated")
MOST_THREADS = 8
Path = str | os.PathLike[str]


def read_ground_truth(
    path: Path, *, issues: Issues | None = None, task: str = "bbox", threads: int | None = None
) -> GroundTruth:
    """Return the truths of a COCO or LVIS file: an object of images, annotations, categories.

    Ids may be whole numbers of any kind or text. Missing ``iscrowd`` is 0, a missing ``area`` the
    box's; both are noted once.

    Args:
        path: The JSON file, UTF-8. It must not be written to meanwhile.
        issues: Where findings are told; a new list that is not lenient where None.
        task: What will be compared: ``bbox``, ``segm``, ``boundary``, ``keypoints``, ``rotated``.
            Masks and keypoints are read for their tasks only.
        threads: How many threads read, all cores (at most 8) where None.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is not JSON (with the byte), or an entry lacks what it needs (with its
            index, id and byte) and ``issues`` is not lenient.

    Example:
        >>> import json, tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        ...     one = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9]}
        ...     json.dump({"images": [{"id": 7}], "annotations": [one]}, file)
        ...     file.flush()
        ...     truth = read_ground_truth(file.name)
        >>> truth.image_ids.tolist(), truth.boxes.tolist(), truth.areas.tolist()
        ([7], [[0.0, 0.0, 9.0, 9.0]], [81.0])
    """
    return ground_truth_from(Source.open(path), issues=issues, task=task, threads=threads)


def read_detections(
    path: Path,
    truth: GroundTruth,
    *,
    issues: Issues | None = None,
    task: str = "bbox",
    threads: int | None = None,
) -> Detections:
    """Return the detections of a COCO result file: a list of objects.

    Args:
        path: The JSON file, UTF-8. An object whose ``annotations`` are the list will do.
        truth: What they are about; it knows the ids that are text, and the sizes of images.
        issues: Where findings are told; a new list that is not lenient where None.
        task: What will be compared, as in :func:`read_ground_truth`.
        threads: How many threads read, all cores (at most 8) where None.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is not JSON, or an entry lacks what it needs.
    """
    return detections_from(Source.open(path), truth, issues=issues, task=task, threads=threads)


def ground_truth_from(
    source: Source,
    *,
    issues: Issues | None = None,
    task: str = "bbox",
    threads: int | None = None,
) -> GroundTruth:
    """Return the truths of a COCO text that is at hand: ``Source(name, bytes)``.

    Example:
        >>> one = b'{"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9]}'
        >>> text = b'{"annotations": [' + one + b"]}"
        >>> len(ground_truth_from(Source("truths", text)))
        1
    """
    job = _job(source, issues, task, threads)
    wanted = {"images": IMAGES, "annotations": annotations(task), "categories": CATEGORIES}
    sections = read_sections(source, wanted, alone="images", threads=job.threads)
    if "annotations" not in sections:
        got = ", ".join(sections) or "none that is known"
        if source.byte(source.begin) == b"[":
            got = "a list, which is what detections are"
        raise ValueError(
            f"{source.name}: expected an object with the member 'annotations'. Got {got}."
        )
    return truth_of(job, sections)


def detections_from(
    source: Source,
    truth: GroundTruth,
    *,
    issues: Issues | None = None,
    task: str = "bbox",
    threads: int | None = None,
) -> Detections:
    """Return the detections of a COCO text that is at hand: ``Source(name, bytes)``.

    Example:
        >>> truth = GroundTruth.from_arrays(images=[7], categories=[3], boxes=[[0, 0, 9, 9]])
        >>> text = b'[{"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "score": 0.5}]'
        >>> detections_from(Source("found", text), truth).scores.tolist()
        [0.5]
    """
    job = _job(source, issues, task, threads)
    for task_read in (task, "keypoints"):
        sections = read_sections(source, {"annotations": results(task_read)}, threads=job.threads)
        if "annotations" not in sections:
            raise ValueError(
                f"{source.name}: expected a list of detections, or an object with the member "
                "'annotations'. Got neither."
            )
        entries = sections["annotations"]
        # Boxes may also come from masks and from keypoints; those are read only where needed.
        if len(entries) == 0 or task != "bbox" or is_placed(entries):
            break
    return found_of(job, entries, truth)


def _job(source: Source, issues: Issues | None, task: str, threads: int | None) -> Job:
    check_choice("task", task, TASKS)
    if threads is None:
        threads = min(os.cpu_count() or 1, MOST_THREADS)
    return Job(
        source=source,
        issues=Issues() if issues is None else issues,
        task=task,
        threads=check_integer("threads", threads, low=1),
    )
