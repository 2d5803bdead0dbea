"""The one call: truths and detections in, numbers out."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.core import backend as backends
from drivetrain.core.checks import check_array, check_choice, check_integer
from drivetrain.core.errors import did_you_mean
from drivetrain.detection.annotations import Detections, Floats, GroundTruth, Ids
from drivetrain.detection.encoding import found_source, truth_source
from drivetrain.detection.inspection import inspect
from drivetrain.detection.issues import Issues
from drivetrain.detection.judgement import BACKENDS, Limits, judge
from drivetrain.detection.result import Result
from drivetrain.detection.soundness import sound
from drivetrain.detection.styles import Style, for_task, style_named

Truths = str | os.PathLike[str] | GroundTruth | Mapping[str, Any]
Found = str | os.PathLike[str] | Detections | Sequence[Mapping[str, Any]]

TASKS = ("bbox", "segm", "keypoints", "rotated", "boundary")
#: What ``advance`` is told, in this order: one step of a progress bar each.
STAGES = ("reading truths", "reading detections", "checking", "matching", "averaging")


class Options(TypedDict, total=False):
    """What ``evaluate`` is rarely told.

    Attributes:
        images: Ids of the images to count; all of the truth's where absent.
        categories: Ids of the classes to count; all of the truth's where absent.
        sigmas: Spread of each keypoint; COCO's seventeen where absent.
        format: Format of both paths: ``auto`` (by content), ``coco``, ``voc``, ``yolo``, ``csv``,
            ``parquet``, ``openimages``, ``padilla``, ``cartucho`` or ``dota``.
        found_format: Format of the detections' path, where it differs.
        told: What the readers are told, such as ``names`` and ``sizes`` of a YOLO folder.
        advance: Called with each of ``STAGES`` when it begins.
    """

    images: ArrayLike | None
    categories: ArrayLike | None
    sigmas: ArrayLike | None
    format: str
    found_format: str | None
    told: Mapping[str, Any]
    advance: Callable[[str], None] | None


@overload
def evaluate(  # type: ignore[overload-overlap]
    ground_truth: Truths,
    detections: Found,
    *,
    style: str | Style = "coco",
    task: str = "bbox",
    lenient: bool = False,
    threads: int | None = None,
    backend: str | None = None,
    **options: Unpack[Options],
) -> Result: ...


@overload
def evaluate(
    ground_truth: Truths,
    detections: Found,
    *,
    style: Sequence[str | Style],
    task: str = "bbox",
    lenient: bool = False,
    threads: int | None = None,
    backend: str | None = None,
    **options: Unpack[Options],
) -> dict[str, Result]: ...


def evaluate(
    ground_truth: Truths,
    detections: Found,
    *,
    style: str | Style | Sequence[str | Style] = "coco",
    task: str = "bbox",
    lenient: bool = False,
    threads: int | None = None,
    backend: str | None = None,
    **options: Unpack[Options],
) -> Result | dict[str, Result]:
    """Return how good the detections are, by one protocol or by several.

    AP = ∫ P(R) dR of each class, as the protocol takes the integral; mAP = its mean over classes
    that have truths (and over the protocol's thresholds). What is undefined is NaN, never -1.

    Args:
        ground_truth: Path of a COCO or LVIS JSON file, a Pascal VOC or YOLO folder, a CSV or
            Parquet table; columns (``GroundTruth``); or COCO's dictionary of ``images``,
            ``annotations`` and ``categories``.
        detections: Path, columns (``Detections``), or COCO's list of dictionaries with
            ``image_id``, ``category_id``, ``score`` and ``bbox`` (or ``segmentation``,
            ``keypoints``).
        style: ``coco``, ``voc2007``, ``voc2010``, ``lvis``, ``openimages``, ``ultralytics``, or a
            ``Style`` of your own; or several, which are judged from one set of overlaps.
        task: ``bbox``, ``segm``, ``keypoints``, ``rotated`` or ``boundary``.
        lenient: Count and skip entries that cannot be evaluated, instead of an error; they are
            in the result's ``issues``.
        threads: Threads to use; all usable cores where None. The result does not depend on it.
        backend: ``numba``, or ``reference``: the definitions in plain numpy, slow.
        options: As of ``Options``.

    Returns:
        The result; for several styles a dictionary from a style's name to its result.

    Raises:
        ValueError: An unknown style or task; or an entry that cannot be evaluated, named by its
            source, position and id.
        TypeError: Truths or detections that are none of the above, or an unknown option.
        FileNotFoundError: No such file.

    Example:
        >>> truth = {
        ...     "images": [{"id": 1}],
        ...     "categories": [{"id": 3, "name": "cat"}],
        ...     "annotations": [
        ...         {"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 10, 40, 30]},
        ...         {"id": 2, "image_id": 1, "category_id": 3, "bbox": [60, 20, 20, 20]},
        ...     ],
        ... }
        >>> found = [{"image_id": 1, "category_id": 3, "bbox": [11, 10, 40, 30], "score": 0.9}]
        >>> result = evaluate(truth, found)
        >>> round(result.ap, 4), round(result.ap50, 4)
        (0.505, 0.505)
        >>> both = evaluate(truth, found, style=["voc2007", "voc2010"])
        >>> {name: round(one.ap, 4) for name, one in both.items()}
        {'voc2007': 0.5455, 'voc2010': 0.5}

    References:
        T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014;
        M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010.
    """
    check_choice("task", task, TASKS)
    chosen = [sound(for_task(one, task)) for one in _styles(style)]
    which = backends.choose(backend, BACKENDS)
    if threads is not None:
        check_integer("threads", threads, low=1)
    limits = _limits(options)
    advance = options.get("advance") or _silent
    issues = Issues(lenient=_flag("lenient", lenient))
    truth, found = _read(
        ground_truth, detections, task, issues=issues, threads=threads, options=options
    )
    advance(STAGES[2])
    truth, found = inspect(truth, found, issues)
    truth, found = _compared(truth, found, task), _compared(found, truth, task)
    advance(STAGES[3])
    judged = judge(truth, found, chosen, task, backend=which, limits=limits, threads=threads)
    advance(STAGES[4])
    shared = {"truth": truth, "found": found, "issues": issues, "limits": limits}
    results = {
        one.name: Result(
            style=one, task=task, judgement=judged[one.name], threads=threads, **shared
        )
        for one in chosen
    }
    return next(iter(results.values())) if isinstance(style, (str, Style)) else results


def _styles(style: Any) -> list[str | Style]:
    if isinstance(style, (str, Style)):
        return [style]
    if not isinstance(style, Sequence) or not style:
        raise TypeError(
            f"style must be a name, a Style, or some of them. Got {type(style).__name__}"
            f"{'' if isinstance(style, Sequence) else f': {style!r}'}."
        )
    listed = list(style)
    names = [style_named(one).name for one in listed]
    if len(set(names)) < len(names):
        raise ValueError(f"styles must have different names. Got {', '.join(names)}.")
    return listed


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False. Got {type(value).__name__}: {value!r}.")
    return bool(value)


def _silent(words: str) -> None:
    """Tell nobody."""


def _limits(options: Options) -> Limits:
    check_options(options, Options.__annotations__, "evaluate")
    return Limits(
        images=_ids("images", options.get("images")),
        categories=_ids("categories", options.get("categories")),
        sigmas=_sigmas(options.get("sigmas")),
    )


def check_options(options: Iterable[str], known: Iterable[str], whose: str) -> None:
    """Raise a TypeError for an option that is not known."""
    offered = sorted(known)
    for name in options:
        if name not in offered:
            hint = did_you_mean(name, offered) or f" Expected one of: {', '.join(offered)}."
            raise TypeError(f"{whose} has no option {name!r}.{hint}")


def _ids(name: str, value: ArrayLike | None) -> Ids | None:
    return None if value is None else check_array(name, value, ndim=1, dtype=np.int64)


def _sigmas(value: ArrayLike | None) -> Floats | None:
    if value is None:
        return None
    sigmas = check_array("sigmas", value, ndim=1, finite=True)
    if not len(sigmas) or sigmas.min() <= 0:
        raise ValueError(f"sigmas must be positive, one a keypoint. Got {sigmas.tolist()}.")
    return sigmas


def _read(
    truth: Any,
    found: Any,
    task: str,
    *,
    issues: Issues,
    threads: int | None,
    options: Options,
) -> tuple[GroundTruth, Detections]:
    told = {"task": task, "threads": threads, **(options.get("told") or {})}
    formats = options.get("format", "auto"), options.get("found_format")
    advance = options.get("advance") or _silent
    advance(STAGES[0])
    if isinstance(truth, (str, os.PathLike)):
        from drivetrain.detection.readers.choose import read_ground_truth

        truth = read_ground_truth(truth, issues=issues, format=formats[0], **told)
    elif not isinstance(truth, GroundTruth):
        from drivetrain.detection.readers.coco import ground_truth_from

        source = truth_source(truth)
        truth = ground_truth_from(source, issues=issues, task=task, threads=threads)
    advance(STAGES[1])
    if isinstance(found, (str, os.PathLike)):
        from drivetrain.detection.readers.choose import read_detections

        chosen = formats[0] if formats[1] is None else formats[1]
        return truth, read_detections(found, truth, issues=issues, format=chosen, **told)
    if not isinstance(found, Detections):
        from drivetrain.detection.readers.coco import detections_from

        source = found_source(found)
        found = detections_from(source, truth, issues=issues, task=task, threads=threads)
    return truth, found


# The columns that a task compares, and how a truth or detection is told that it lacks them.
_COMPARED = {"segm": "masks", "boundary": "masks", "keypoints": "keypoints", "rotated": "rotated"}


def _compared(columns: Any, other: Any, task: str) -> Any:
    """Return the columns with what the task compares: empty where there is nothing anyway."""
    name = _COMPARED.get(task)
    if name is None or getattr(columns, name) is not None:
        return columns
    if len(columns):
        raise ValueError(
            f"task {task!r} compares {name}, and {columns.source} has none. "
            f"Give {name}, or another task."
        )
    if name == "masks":
        from drivetrain.detection.masks import Masks

        return replace(columns, masks=Masks.concatenate([]))
    theirs = getattr(other, name)
    width = (0, 5) if name == "rotated" else (0, 17, 3)
    return replace(columns, **{name: np.empty(width if theirs is None else (0, *theirs.shape[1:]))})
