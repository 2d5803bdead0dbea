"""One image's boxes, labels and scores, as training loops hold them, checked and put in columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from drivetrain.core.checks import check_array, check_choice, check_finite
from drivetrain.detection.annotations import Floats
from drivetrain.detection.masks import Masks, from_dense

BOX_FORMATS = ("xyxy", "xywh", "cxcywh")
#: What is compared, by task: the key that a dictionary must have.
COMPARED = {"segm": "masks", "boundary": "masks", "keypoints": "keypoints", "rotated": "rotated"}

Columns = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How dictionaries of one image each become columns.

    Attributes:
        task: What is compared.
        box_format: ``xyxy`` (corners), ``xywh``, or ``cxcywh`` (centre).
        finite: Whether NaN and infinities are refused here.
    """

    task: str
    box_format: str
    finite: bool

    def __post_init__(self) -> None:
        check_choice("box_format", self.box_format, BOX_FORMATS)

    def found(self, images: Sequence[int], preds: Sequence[Mapping[str, Any]]) -> Columns:
        """Return the columns of predictions, (n, ...) in the images' order."""
        parts = [self._shapes(f"preds[{i}]", one) for i, one in enumerate(preds)]
        for i, (part, one) in enumerate(zip(parts, preds)):
            part["scores"] = self._column(f"preds[{i}]", one, "scores", len(part["labels"]))
        return self._finite("preds", preds, self._joined(images, parts, ["scores"]))

    def truth(self, images: Sequence[int], target: Sequence[Mapping[str, Any]]) -> Columns:
        """Return the columns of targets, (n, ...) in the images' order."""
        parts = [self._shapes(f"target[{i}]", one) for i, one in enumerate(target)]
        for i, (part, one) in enumerate(zip(parts, target)):
            at, n = f"target[{i}]", len(part["labels"])
            for name, key in (("crowd", "iscrowd"), ("ignore", "ignore"), ("ignore", "difficult")):
                if key in one:
                    part[name] = part.get(name, False) | (self._column(at, one, key, n) != 0)
                part.setdefault(name, np.zeros(n, np.bool_))
            part["areas"] = self._areas(at, one, part)
        return self._finite(
            "target", target, self._joined(images, parts, ["crowd", "ignore", "areas"])
        )

    def _finite(self, name: str, given: Sequence[Mapping[str, Any]], columns: Columns) -> Columns:
        """Return the columns if all of their numbers are finite, or if that is not asked for.

        All at once, since a pass over each image's few numbers would cost more than the rest;
        only where something is wrong, image by image, to name it.
        """
        checked = ("boxes", "scores", "areas", "keypoints", "rotated")
        some = [columns[key] for key in checked if columns.get(key) is not None]
        if self.finite and not all(np.isfinite(column).all() for column in some):
            for i, one in enumerate(given):
                for key in ("boxes", "scores", "area", "keypoints", "rotated"):
                    if key in one:
                        at = f"{name}[{i}][{key!r}]"
                        check_finite(at, _numbers(at, one[key], np.float64))
            raise ValueError(f"{name} has boxes too large for 64 bits.")
        if self.finite:
            _not_negative(name, given, columns["boxes"])
        return columns

    def _shapes(self, at: str, one: Any) -> Columns:
        """The labels of one image, its boxes in x, y, width, height, and what else is compared."""
        if not isinstance(one, Mapping):
            raise TypeError(f"{at} must be a dictionary. Got {type(one).__name__}.")
        labels = _numbers(f"{at}['labels']", _given(at, one, "labels"), np.int64)
        if labels.ndim != 1:
            raise ValueError(f"{at}['labels'] must be 1-d. Got shape {labels.shape}.")
        part: Columns = {"labels": labels}
        compared = COMPARED.get(self.task)
        if compared is not None:
            part[compared] = self._compared(at, one, compared, len(labels))
        part["boxes"] = self._boxes(at, one, part)
        return part

    def _compared(self, at: str, one: Mapping[str, Any], key: str, n: int) -> Any:
        value, name = _given(at, one, key), f"{at}[{key!r}]"
        if key == "masks":
            masks = value if isinstance(value, Masks) else _masks(name, value, n)
            if len(masks) != n:
                raise ValueError(f"{name} must be {n}, one a label. Got {len(masks)}.")
            return masks
        array = _numbers(name, value, np.float64)
        if array.size == 0 and n == 0:
            return None
        tail = (5,) if key == "rotated" else (*array.shape[1:2], 3)
        if array.shape != (n, *tail):
            wanted = f"({n}, 5)" if key == "rotated" else f"({n}, keypoints, 3)"
            raise ValueError(f"{name} must be of shape {wanted}. Got {array.shape}.")
        return array

    def _boxes(self, at: str, one: Mapping[str, Any], part: Columns) -> Floats:
        n = len(part["labels"])
        if "masks" in part:
            return part["masks"].boxes
        if "boxes" not in one and part.get("keypoints") is not None:
            return _extent(part["keypoints"])
        if "boxes" not in one and (n == 0 or part.get("rotated") is not None):
            return np.zeros((n, 4))
        boxes = self._column(at, one, "boxes", n, 4)
        if self.box_format == "xyxy":
            return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
        if self.box_format == "cxcywh":
            return np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]), axis=1)
        return boxes

    def _areas(self, at: str, one: Mapping[str, Any], part: Columns) -> Floats:
        if "area" in one:
            return self._column(at, one, "area", len(part["labels"]))
        if "masks" in part:
            return part["masks"].areas.astype(np.float64)
        sides = part["boxes"] if part.get("rotated") is None else part["rotated"]
        return sides[:, 2] * sides[:, 3]

    def _column(
        self, at: str, one: Mapping[str, Any], key: str, n: int, *tail: int
    ) -> NDArray[np.float64]:
        name = f"{at}[{key!r}]"
        array = _numbers(name, _given(at, one, key), np.float64)
        if array.size == 0 and n == 0:
            return np.zeros((0, *tail))
        if array.shape != (n, *tail):
            raise ValueError(
                f"{name} must be of shape {(n, *tail)}, as there are {n} labels. Got {array.shape}."
            )
        return array

    def _joined(self, images: Sequence[int], parts: list[Columns], names: list[str]) -> Columns:
        sizes = [len(part["labels"]) for part in parts]
        out: Columns = {
            "images": np.repeat(np.array(images, np.int64), sizes),
            "categories": _concatenated([part["labels"] for part in parts], np.int64),
            "boxes": _concatenated([part["boxes"] for part in parts], np.float64, 4),
        }
        for name in names:
            kind = np.bool_ if name in ("crowd", "ignore") else np.float64
            out[name] = _concatenated([part[name] for part in parts], kind)
        compared = COMPARED.get(self.task)
        if compared == "masks":
            out[compared] = Masks.concatenate([part[compared] for part in parts])
        elif compared is not None:
            some = [part[compared] for part in parts if part[compared] is not None]
            out[compared] = stacked(compared, some)
        return out


def _not_negative(name: str, given: Sequence[Mapping[str, Any]], boxes: Floats) -> None:
    """Raise a ValueError that names the first box whose corners are in the wrong order."""
    wrong = np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))
    if len(wrong):
        ends = np.cumsum([len(one["labels"]) for one in given])
        image = int(np.searchsorted(ends, wrong[0], side="right"))
        place = int(wrong[0] - (ends[image - 1] if image else 0))
        width, height = boxes[wrong[0], 2:]
        raise ValueError(
            f"{name}[{image}]['boxes'] must have a width and height >= 0. "
            f"Got {width:g} x {height:g} in box {place}."
        )


def stacked(name: str, arrays: list[NDArray[Any]]) -> NDArray[np.float64] | None:
    """Return arrays one after the other; None where there are none.

    Raises:
        ValueError: They differ in their number of keypoints.
    """
    shapes = sorted({array.shape[1:] for array in arrays})
    if len(shapes) > 1:
        counts = " and ".join(str(shape[0]) for shape in shapes)
        raise ValueError(f"{name} must be equally many for every object. Got {counts}.")
    return np.concatenate(arrays) if arrays else None


def _numbers(name: str, value: Any, dtype: DTypeLike) -> NDArray[Any]:
    # What training loops hold mostly is what is asked for: then even looking costs.
    if type(value) is np.ndarray and value.dtype == dtype:
        return value
    return check_array(name, value, dtype=dtype)


def _given(at: str, one: Mapping[str, Any], key: str) -> Any:
    if key not in one:
        had = ", ".join(repr(name) for name in one) or "nothing"
        raise ValueError(f"{at} has no {key!r}. It has {had}.")
    return one[key]


def _masks(name: str, value: ArrayLike, n: int) -> Masks:
    pixels = check_array(name, value, dtype=np.bool_ if _is_bool(value) else np.float64)
    return Masks.concatenate([]) if n == 0 and pixels.size == 0 else from_dense(pixels)


def _is_bool(value: ArrayLike) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.bool_


def _extent(points: Floats) -> Floats:
    """The box about all keypoints, labelled or not, as COCO takes it for results."""
    low, high = points[:, :, :2].min(axis=1), points[:, :, :2].max(axis=1)
    return np.concatenate((low, high - low), axis=1)


def _concatenated(arrays: list[NDArray[Any]], kind: Any, *tail: int) -> NDArray[Any]:
    return np.concatenate([np.zeros((0, *tail), kind), *arrays]).astype(kind, copy=False)
