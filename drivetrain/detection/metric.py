"""The streaming face: update, compute, reset and merge, as training loops know them."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array, check_choice
from drivetrain.detection.annotations import Detections, GroundTruth, Ids
from drivetrain.detection.batches import COMPARED, Batch, Columns, stacked
from drivetrain.detection.evaluation import TASKS, Options, check_options, evaluate
from drivetrain.detection.masks import Masks
from drivetrain.detection.result import Result
from drivetrain.detection.soundness import sound
from drivetrain.detection.styles import Style, for_task

_MASKS = ("runs", "offsets", "sizes")


class MeanAveragePrecision:
    """Mean average precision of a stream of batches, in any style.

    What is kept is the boxes themselves with the id of their image, not running averages: so any
    cutting into batches, and any merging, gives the bits of one evaluation of everything.

    Images are numbered as they come, unless ``image_ids`` are given. Merging numbers the other's
    images after this one's; with ids given, even the order of merging changes no bit.

    Args:
        style: As of ``evaluate``: a name, a ``Style``, or several.
        task: ``bbox``, ``segm``, ``boundary``, ``keypoints`` or ``rotated``.
        box_format: Of the dictionaries' boxes: ``xyxy`` (corners), ``xywh``, ``cxcywh`` (centre).
        lenient: Count and skip what cannot be evaluated, instead of an error.
        threads: As of ``evaluate``.
        backend: As of ``evaluate``.
        options: ``categories`` and ``sigmas`` of ``evaluate``. Without ``categories`` the classes
            are those that were seen, in predictions or targets.

    Raises:
        ValueError: An unknown style, task, box format or backend.

    Example:
        >>> metric = MeanAveragePrecision(style="voc2010")
        >>> metric.update(
        ...     preds=[{"boxes": [[10, 10, 50, 40]], "scores": [0.9], "labels": [3]}],
        ...     target=[{"boxes": [[10, 10, 48, 40], [60, 60, 80, 80]], "labels": [3, 3]}],
        ... )
        >>> metric.compute().ap
        0.5
    """

    def __init__(
        self,
        *,
        style: str | Style | Sequence[str | Style] = "coco",
        task: str = "bbox",
        box_format: str = "xyxy",
        lenient: bool = False,
        threads: int | None = None,
        backend: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_choice("task", task, TASKS)
        check_options(options, ("categories", "sigmas", "advance"), "MeanAveragePrecision")
        for one in [style] if isinstance(style, (str, Style)) else style:
            sound(for_task(one, task))
        self.style = style
        self.task = task
        self.lenient = lenient
        self.threads = threads
        self.backend = backend
        self.options = options
        self._batch = Batch(task=task, box_format=box_format, finite=not lenient)
        self.reset()

    def reset(self) -> None:
        """Forget everything that was seen."""
        self._images: list[Ids] = []
        self._known: set[int] = set()
        self._numbered: bool | None = None
        self._truths: list[Columns] = []
        self._founds: list[Columns] = []

    @property
    def n_images(self) -> int:
        """Number of images seen."""
        return len(self._known)

    def __repr__(self) -> str:
        return f"<MeanAveragePrecision {self.task}: {self.n_images} images seen>"

    def update(
        self,
        preds: Sequence[Mapping[str, Any]],
        target: Sequence[Mapping[str, Any]],
        *,
        image_ids: ArrayLike | None = None,
    ) -> None:
        """Add a batch: one dictionary an image on both sides; arrays, lists or CPU tensors.

        Args:
            preds: ``boxes`` (n, 4), ``scores`` (n,), ``labels`` (n,), and by task ``masks``
                (n, height, width), ``keypoints`` (n, P, 3) or ``rotated`` (n, 5).
            target: ``boxes``, ``labels``, by task the same; optionally ``iscrowd`` (n,), ``area``
                (n,), and ``ignore`` or ``difficult`` (n,). Other keys are passed over.
            image_ids: An id of each image, whole numbers. They make the order of images, which
                decides between equal scores, the same however they are spread over processes.

        Raises:
            TypeError: Not a list of dictionaries, or what is no number.
            ValueError: Lengths or shapes that do not fit, a key that is missing, or an image
                that was seen already. Nothing of the batch is then added.
        """
        n = _check_lists(preds, target)
        ids, numbered = self._ids(n, image_ids)
        found = self._batch.found(ids, preds)
        truth = self._batch.truth(ids, target)
        self._add(np.array(ids, np.int64), truth, found, numbered)

    def _ids(self, n: int, image_ids: ArrayLike | None) -> tuple[list[int], bool]:
        numbered = image_ids is None
        if self._numbered not in (None, numbered) and n:
            raise ValueError("image_ids must be given at every update, or at none.")
        if image_ids is None:
            return list(range(self.n_images, self.n_images + n)), True
        ids = check_array("image_ids", image_ids, ndim=1, dtype=np.int64).tolist()
        if len(ids) != n:
            raise ValueError(f"image_ids must be {n}, one an image. Got {len(ids)}.")
        return ids, False

    def _add(self, ids: Ids, truth: Columns, found: Columns, numbered: bool) -> None:
        fresh = set(ids.tolist())
        if len(fresh) < len(ids) or not fresh.isdisjoint(self._known):
            seen = sorted(fresh & self._known) or [i for i in fresh if (ids == i).sum() > 1]
            raise ValueError(f"An image can be added once. Got image id {seen[0]} again.")
        if not len(ids):
            return
        self._numbered = numbered
        self._known |= fresh
        self._images.append(ids)
        self._truths.append(truth)
        self._founds.append(found)

    def compute(self) -> Result | dict[str, Result]:
        """Return the result on all images seen; for several styles, a dictionary of them.

        Raises:
            ValueError: An entry that cannot be evaluated, unless lenient.
        """
        truth, found = self._columns()
        return evaluate(
            truth,
            found,
            style=self.style,
            task=self.task,
            lenient=self.lenient,
            threads=self.threads,
            backend=self.backend,
            **self.options,
        )

    def _columns(self) -> tuple[GroundTruth, Detections]:
        images = np.sort(np.concatenate([np.empty(0, np.int64), *self._images]))
        truth, found = (_in_order(_merged(parts)) for parts in (self._truths, self._founds))
        seen = np.union1d(truth.get("categories", ()), found.get("categories", ()))
        classes = self.options.get("categories")
        kept = seen.astype(np.int64) if classes is None else np.union1d(seen, classes)
        return (
            GroundTruth.from_arrays(**{**_NO_TRUTH, **truth}, image_ids=images, category_ids=kept),
            Detections.from_arrays(**{**_NOTHING, **found}),
        )

    def merge(self, *others: "MeanAveragePrecision") -> None:
        """Add all that others have seen, in the order in which they are given.

        Args:
            others: Metrics of the same task, which stay as they are.

        Raises:
            TypeError: Not a ``MeanAveragePrecision``.
            ValueError: Another task, or an image that both have seen.

        Example:
            >>> halves = [MeanAveragePrecision(), MeanAveragePrecision()]
            >>> one = {"boxes": [[0, 0, 9, 9]], "labels": [1]}
            >>> for half in halves:
            ...     half.update([{**one, "scores": [0.5]}], [one])
            >>> halves[0].merge(halves[1])
            >>> halves[0]
            <MeanAveragePrecision bbox: 2 images seen>
        """
        for other in others:
            if not isinstance(other, MeanAveragePrecision):
                raise TypeError(f"merge takes MeanAveragePrecision. Got {type(other).__name__}.")
            self._merge_state(other.state_dict())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return all that was seen as flat arrays: to be stored, or gathered over processes.

        Example:
            >>> metric = MeanAveragePrecision()
            >>> metric.update([{"boxes": [], "scores": [], "labels": []}],
            ...               [{"boxes": [[0, 0, 9, 9]], "labels": [1]}])
            >>> twin = MeanAveragePrecision()
            >>> twin.load_state_dict(metric.state_dict())
            >>> twin.compute().ap
            0.0
        """
        state: dict[str, NDArray[Any]] = {
            "image_ids": np.concatenate([np.empty(0, np.int64), *self._images]),
            "numbered": np.array(self._numbered is not False),
            "task": np.array(self.task),
        }
        for side, parts in (("truth", self._truths), ("found", self._founds)):
            for name, column in _merged(parts).items():
                if isinstance(column, Masks):
                    state |= {f"{side}.masks.{part}": getattr(column, part) for part in _MASKS}
                elif column is not None:
                    state[f"{side}.{name}"] = column
        return state

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace what was seen by what ``state_dict`` returned.

        Raises:
            ValueError: Not such a state, or one of another task. Nothing is then changed.
        """
        fresh = MeanAveragePrecision(style=self.style, task=self.task)
        fresh._merge_state(state)
        self.reset()
        self._merge_state(state)

    def _merge_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        ids, numbered, truth, found = _read_state(state, self.task)
        if not len(ids):
            return
        if self._numbered not in (None, numbered):
            raise ValueError("image_ids must be given to all metrics that are merged, or to none.")
        if numbered:
            moved = {"images": truth["images"] + self.n_images}
            truth, found = truth | moved, found | {"images": found["images"] + self.n_images}
            ids = ids + self.n_images
        self._add(ids, truth, found, numbered)


_NOTHING: Columns = {"images": [], "categories": [], "scores": [], "boxes": []}
_NO_TRUTH: Columns = {"images": [], "categories": [], "boxes": []}


def _check_lists(preds: Any, target: Any) -> int:
    for name, value in (("preds", preds), ("target", target)):
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            raise TypeError(
                f"{name} must be a list of dictionaries, one an image. Got {type(value).__name__}."
            )
    if len(preds) != len(target):
        raise ValueError(
            "preds and target must be equally long, one dictionary an image. "
            f"Got {len(preds)} and {len(target)}."
        )
    return len(preds)


def _merged(parts: list[Columns]) -> Columns:
    """One set of columns of the parts, in their order."""
    if not parts:
        return {}
    out: Columns = {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        if name == "masks":
            out[name] = Masks.concatenate(values)
        elif name in COMPARED.values():
            out[name] = stacked(name, [value for value in values if value is not None])
        else:
            out[name] = np.concatenate(values)
    return out


def _in_order(columns: Columns) -> Columns:
    """The rows by rising image id, as they came within an image: however they were merged."""
    if not columns or not np.any(columns["images"][1:] < columns["images"][:-1]):
        return columns
    order = np.argsort(columns["images"], kind="stable")
    return {
        name: None if one is None else one.take(order) if name == "masks" else one[order]
        for name, one in columns.items()
    }


def _read_state(state: Mapping[str, NDArray[Any]], task: str) -> tuple[Ids, bool, Columns, Columns]:
    try:
        theirs = str(state["task"])
        ids, numbered = np.asarray(state["image_ids"], np.int64), bool(state["numbered"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"state is not of a MeanAveragePrecision: it has no {error}.") from None
    if theirs != task:
        raise ValueError(f"task must be {task!r} to be merged. Got {theirs!r}.")
    sides: tuple[Columns, Columns] = ({}, {})
    for side, columns in zip(("truth", "found"), sides):
        prefix = f"{side}.masks."
        if prefix + "runs" in state:
            columns["masks"] = Masks.of_runs(*(state[prefix + part] for part in _MASKS))
        for key, value in state.items():
            if key.startswith(f"{side}.") and not key.startswith(prefix):
                columns[key.removeprefix(f"{side}.")] = np.asarray(value)
        compared = COMPARED.get(task)
        if compared is not None:
            columns.setdefault(compared, None)
    return ids, numbered, *sides
