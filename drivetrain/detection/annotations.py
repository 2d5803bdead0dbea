"""Truths and detections as flat columns: what every reader writes and every matcher reads.

Shapes: n annotations or detections, I images, K categories, P keypoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array

if TYPE_CHECKING:
    from drivetrain.detection.masks.columns import Masks

Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Federation:
    """What was labelled where: LVIS' federated rules and Open Images' verified labels.

    Attributes:
        negative: Pairs (image id, category id) known to be absent from the image, (m, 2).
        not_exhaustive: Pairs whose truths are incomplete: unmatched detections are ignored, (m, 2).
        frequency: One letter a category: ``r``, ``c``, ``f``, in the order of ``category_ids``.
        parents: Open Images' hierarchy as pairs (category id, id of an ancestor), (m, 2).
    """

    negative: Ids = field(default_factory=lambda: np.empty((0, 2), np.int64))
    not_exhaustive: Ids = field(default_factory=lambda: np.empty((0, 2), np.int64))
    frequency: str = ""
    parents: Ids = field(default_factory=lambda: np.empty((0, 2), np.int64))


@dataclass(frozen=True, kw_only=True, eq=False)
class GroundTruth:
    """The truths of a data set, a column a property, in the order of their file.

    Attributes:
        image_ids: Ids of all images, (I,), any order, unique.
        category_ids: Ids of all categories, (K,), any order, unique.
        ids: Annotation ids, (n,).
        images: Image id of each annotation, (n,).
        categories: Category id of each annotation, (n,).
        boxes: x, y, width, height in pixels, continuous coordinates, (n, 4).
        areas: Area that decides the range, pixels², (n,): a mask's where the file says so.
        crowd: A crowd region: absorbs any number of detections, (n,).
        ignore: Not to be found, not to be punished (VOC's difficult, LVIS' ignore), (n,).
        group_of: Open Images' group-of boxes, (n,), or None.
        masks: Run-length masks of the n annotations, or None.
        keypoints: x, y, visibility of each keypoint, (n, P, 3), or None.
        visible: Number of labelled keypoints (``num_keypoints``), (n,), or None.
        rotated: Centre x, y, width, height, angle in radians counter-clockwise, (n, 5), or None.
        image_sizes: Height and width in pixels, (I, 2), 0 where unknown.
        image_names: File names, in the order of ``image_ids``; empty where unknown.
        category_names: Names, in the order of ``category_ids``; empty where unknown.
        image_words: Where the files' image ids are text, that text in the order of
            ``image_ids``, which are then ranks in its order; else empty.
        category_words: The same of the category ids.
        federation: Which labels were verified where, or None where every image is exhaustive.
        source: The path, or ``ground_truth``.
        places: Byte offset or line of each annotation in its file, (n,), or None.
    """

    image_ids: Ids
    category_ids: Ids
    ids: Ids
    images: Ids
    categories: Ids
    boxes: Floats
    areas: Floats
    crowd: Flags
    ignore: Flags
    group_of: Flags | None = None
    masks: "Masks | None" = None
    keypoints: Floats | None = None
    visible: Ids | None = None
    rotated: Floats | None = None
    image_sizes: Ids | None = None
    image_names: Sequence[str] = ()
    category_names: Sequence[str] = ()
    image_words: Sequence[str] = ()
    category_words: Sequence[str] = ()
    federation: Federation | None = None
    source: str = "ground_truth"
    places: Ids | None = None

    def __post_init__(self) -> None:
        _settle(self)

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def from_arrays(
        cls,
        *,
        images: ArrayLike,
        categories: ArrayLike,
        boxes: ArrayLike,
        image_ids: ArrayLike | None = None,
        category_ids: ArrayLike | None = None,
        **columns: Any,
    ) -> "GroundTruth":
        """Return truths from arrays, lists or CPU tensors; what is not given takes its default.

        Args:
            images: Image id of each annotation, (n,).
            categories: Category id of each annotation, (n,).
            boxes: x, y, width, height in pixels, (n, 4).
            image_ids: All images, those without truths too; those that occur where None.
            category_ids: All categories; those that occur where None.
            columns: Any other attribute of the class.

        Raises:
            TypeError: An unknown column, or one that is not numeric.
            ValueError: A column of another length or shape.

        Example:
            >>> truth = GroundTruth.from_arrays(
            ...     images=[1, 1], categories=[3, 4], boxes=[[0, 0, 10, 10], [5, 5, 20, 10]]
            ... )
            >>> len(truth), truth.areas.tolist(), truth.category_ids.tolist()
            (2, [100.0, 200.0], [3, 4])
        """
        of = check_array("images", images, ndim=1, dtype=np.int64)
        classes = check_array("categories", categories, ndim=1, dtype=np.int64)
        placed = check_boxes("boxes", boxes, len(of))
        known = {
            "ids": np.arange(1, len(of) + 1),
            "areas": placed[:, 2] * placed[:, 3],
            "crowd": np.zeros(len(of), np.bool_),
            "ignore": np.zeros(len(of), np.bool_),
            "image_ids": np.unique(of) if image_ids is None else image_ids,
            "category_ids": np.unique(classes) if category_ids is None else category_ids,
        } | columns
        return cls(images=of, categories=classes, boxes=placed, **_columns(cls, known, len(of)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """What a detector said, a column a property, in the order of its file (ties keep it).

    Attributes:
        images: Image id of each detection, (n,).
        categories: Category id of each detection, (n,).
        scores: Confidence, higher is surer, (n,).
        boxes: x, y, width, height in pixels, (n, 4).
        areas: Area that decides the range, pixels², (n,), or None: the mask's where the task is
            masks, else the box's.
        masks: Run-length masks of the n detections, or None.
        keypoints: x, y, and a third number that is not read, of each keypoint, (n, P, 3), or None.
        rotated: Centre x, y, width, height, angle in radians counter-clockwise, (n, 5), or None.
        source: The path, or ``detections``.
        places: Byte offset or line of each detection in its file, (n,), or None.
    """

    images: Ids
    categories: Ids
    scores: Floats
    boxes: Floats
    areas: Floats | None = None
    masks: "Masks | None" = None
    keypoints: Floats | None = None
    rotated: Floats | None = None
    source: str = "detections"
    places: Ids | None = None

    def __post_init__(self) -> None:
        _settle(self)

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def from_arrays(
        cls,
        *,
        images: ArrayLike,
        categories: ArrayLike,
        scores: ArrayLike,
        boxes: ArrayLike,
        **columns: Any,
    ) -> "Detections":
        """Return detections from arrays, lists or CPU tensors.

        Args:
            images: Image id of each detection, (n,).
            categories: Category id of each detection, (n,).
            scores: Confidence of each detection, (n,).
            boxes: x, y, width, height in pixels, (n, 4).
            columns: Any other attribute of the class.

        Raises:
            TypeError: An unknown column, or one that is not numeric.
            ValueError: A column of another length or shape.

        Example:
            >>> found = Detections.from_arrays(
            ...     images=[1], categories=[3], scores=[0.9], boxes=[[0, 0, 10, 10]]
            ... )
            >>> len(found)
            1
        """
        of = check_array("images", images, ndim=1, dtype=np.int64)
        known = {"categories": categories, "scores": scores} | columns
        placed = check_boxes("boxes", boxes, len(of))
        return cls(images=of, boxes=placed, **_columns(cls, known, len(of)))


# dtype and trailing shape of each numeric column; the leading one is n, I or K.
_SHAPES: dict[str, tuple[Any, tuple[int | None, ...]]] = {
    "image_ids": (np.int64, ()),
    "category_ids": (np.int64, ()),
    "image_sizes": (np.int64, (2,)),
    "ids": (np.int64, ()),
    "images": (np.int64, ()),
    "categories": (np.int64, ()),
    "scores": (np.float64, ()),
    "areas": (np.float64, ()),
    "crowd": (np.bool_, ()),
    "ignore": (np.bool_, ()),
    "group_of": (np.bool_, ()),
    "visible": (np.int64, ()),
    "places": (np.int64, ()),
    "boxes": (np.float64, (4,)),
    "keypoints": (np.float64, (None, 3)),
    "rotated": (np.float64, (5,)),
}
_OF_THE_SET = ("image_ids", "category_ids", "image_sizes")


def check_boxes(name: str, value: ArrayLike, n: int) -> Floats:
    """Return boxes as (n, 4) float64; an empty list is (0, 4).

    Raises:
        ValueError: Another shape.
    """
    array = check_array(name, value, dtype=np.float64)
    if array.size == 0 and n == 0:
        return np.empty((0, 4))
    if array.shape != (n, 4):
        raise ValueError(f"{name} must be of shape ({n}, 4). Got {array.shape}.")
    return np.ascontiguousarray(array)


def _columns(kind: type, given: dict[str, Any], n: int) -> dict[str, Any]:
    names = {one.name for one in fields(kind)}
    for name in given:
        if name not in names:
            raise TypeError(
                f"Unknown column {name!r}. Expected one of: {', '.join(sorted(names))}."
            )
    return {name: _column(name, value, n) for name, value in given.items()}


def _column(name: str, value: Any, n: int) -> Any:
    if name in ("image_ids", "category_ids"):
        array = check_array(name, value, ndim=1, dtype=np.int64)
        if len(np.unique(array)) != len(array):
            raise ValueError(f"{name} must be unique. Got {len(array)} of which some repeat.")
        return array
    if name not in _SHAPES or name in _OF_THE_SET or value is None:
        return value
    return _of_shape(name, value, n)


def _of_shape(name: str, value: Any, n: int) -> Any:
    """Return a column in its dtype and shape, C-contiguous; itself where it is that already."""
    dtype, tail = _SHAPES[name]
    shape = value.shape if type(value) is np.ndarray else None
    if shape is None or value.dtype != dtype or not value.flags.c_contiguous:
        array = check_array(name, value, dtype=np.float64 if dtype is np.bool_ else dtype)
        value, shape = np.ascontiguousarray(array, dtype), array.shape
    wanted = (n, *(got if size is None else size for size, got in zip(tail, shape[1:])))
    if len(shape) == 1 + len(tail) and shape == wanted:
        return value
    if value.size == 0 and n == 0:
        return np.empty((0, *(size or 0 for size in tail)), dtype)
    raise ValueError(f"{name} must be of shape {wanted}. Got {shape}.")


def _settle(columns: "GroundTruth | Detections") -> None:
    """Give every column of an object its dtype, shape and layout: kernels do not ask again.

    Raises:
        TypeError: A column that is not numeric, or not there.
        ValueError: A column of another length or shape.
    """
    n = len(check_array("images", columns.images, ndim=1, dtype=np.int64))
    for one in fields(columns):
        value = getattr(columns, one.name)
        if value is None and one.default is None:
            continue
        if one.name == "masks" and len(value) != n:
            raise ValueError(f"masks must be {n}, one a row. Got {len(value)}.")
        if one.name in _SHAPES:
            of_set = one.name in _OF_THE_SET
            length = len(check_array(one.name, value)) if of_set else n
            if one.name == "image_sizes" and isinstance(columns, GroundTruth):
                length = len(columns.image_ids)
            settled = _of_shape(one.name, value, length)
            if settled is not value:
                object.__setattr__(columns, one.name, settled)
