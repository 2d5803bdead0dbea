"""COCO's dictionaries and lists, as Python holds them, as the text that the reader takes.

One reader then finds every defect, and words it once, wherever the entries came from.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.detection.json.source import Source


def truth_source(data: Any) -> Source:
    """Return the text of a dictionary of images, annotations and categories.

    Args:
        data: The dictionary; numbers and lists of numbers may be numpy's or CPU tensors, counts
            of masks may be bytes.

    Raises:
        TypeError: Not a dictionary, or it holds what COCO's JSON cannot.

    Example:
        >>> truth_source({"annotations": [{"bbox": np.arange(4)}]}).buffer
        b'{"annotations":[{"bbox":[0,1,2,3]}]}'
    """
    if not isinstance(data, Mapping):
        raise TypeError(
            "ground_truth must be a path, GroundTruth, or a dictionary of images, annotations and "
            f"categories. Got {type(data).__name__}."
        )
    return _source("ground_truth", dict(data))


def found_source(entries: Any) -> Source:
    """Return the text of a list of results.

    Raises:
        TypeError: Not a list of dictionaries, or it holds what COCO's JSON cannot.
    """
    wanted = "detections must be a path, Detections, or a list of dictionaries."
    if not isinstance(entries, Sequence) or isinstance(entries, (str, bytes)):
        raise TypeError(f"{wanted} Got {type(entries).__name__}.")
    for at, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise TypeError(f"{wanted} Got {type(entry).__name__} at position {at}.")
    return _source("detections", list(entries))


def _source(name: str, value: Any) -> Source:
    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, np.generic):
            return value.item()
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError):
            array = np.empty(0, np.object_)
        if array.dtype.kind in "fiub":
            return array.tolist()
        words = " ".join(repr(value).split())[:60]
        raise TypeError(
            f"{name} holds a {type(value).__name__}, which COCO's JSON cannot: {words}."
        )

    try:
        text = json.dumps(value, default=plain, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise TypeError(f"{name} holds itself: it cannot be written as COCO's JSON.") from None
    return Source(name, text.encode())
