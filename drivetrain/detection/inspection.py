"""What is wrong with truths and detections, told before a single match is made."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids
from drivetrain.detection.findings import Rows, tell
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.selection import select


def inspect(
    truth: GroundTruth, found: Detections, issues: Issues
) -> tuple[GroundTruth, Detections]:
    """Return the entries that can be evaluated; each one that cannot is an issue.

    Refused, or dropped where lenient: boxes, masks' areas, keypoints and rotated boxes that are
    not finite, negative widths and heights, NaN scores, unknown images and categories. Refused,
    or kept where lenient: infinite scores (they sort first or last) and repeated annotation ids.
    Noted and kept: truths without area, annotation id 0, no truths, no detections. On clean
    columns nothing is copied, and half a million detections take some milliseconds.

    Args:
        truth: The truths.
        found: The detections.
        issues: Where findings are told; ``issues.lenient`` says whether defects are errors.

    Returns:
        The same columns, or copies without what was dropped.

    Raises:
        ValueError: A defect, unless lenient: names the source, the entry's position and id.

    Example:
        >>> truth = GroundTruth.from_arrays(images=[1], categories=[1], boxes=[[0, 0, 9, 9]])
        >>> found = Detections.from_arrays(
        ...     images=[1, 7], categories=[1, 1], scores=[0.9, 0.8], boxes=[[0, 0, 9, 9]] * 2
        ... )
        >>> issues = Issues(lenient=True)
        >>> _, kept = inspect(truth, found, issues)
        >>> len(kept), str(issues.found[0])
        (1, 'detections entry 1 (id 7): image 7 is not among the 1 images of the truth')
    """
    truth = inspect_truth(truth, issues)
    return truth, _Inspection(found, truth, issues).of_found(found)


def inspect_truth(truth: GroundTruth, issues: Issues) -> GroundTruth:
    """Return the truths that can be found; the half of :func:`inspect` that needs no detections.

    Raises:
        ValueError: A defect, unless lenient.
    """
    truth = _unique_lists(truth, issues)
    return _Inspection(truth, truth, issues).of_truth(truth)


class _Inspection:
    """One pass over one set of columns: what is bad is gathered, and dropped at the end."""

    def __init__(
        self, columns: GroundTruth | Detections, truth: GroundTruth, issues: Issues
    ) -> None:
        self.columns = columns
        self.truth = truth
        self.issues = issues
        self.bad: Flags | None = None

    def of_truth(self, truth: GroundTruth) -> GroundTruth:
        """Return the truths that can be found."""
        if not len(truth):
            self._note("empty-truth", "no annotation: there is nothing to find, AP is NaN")
        self._ids(truth)
        self._shared()
        self._flat(truth)
        kept = truth if self.bad is None else select(truth, ~self.bad)
        return _Inspection(kept, kept, self.issues)._with_areas(kept)

    def of_found(self, found: Detections) -> Detections:
        """Return the detections that can be ranked and placed."""
        if not len(found):
            self._note("empty-detections", "no detection: nothing is found, AP is 0")
        self._scores(found)
        self._shared()
        return found if self.bad is None else select(found, ~self.bad)

    def _shared(self) -> None:
        columns, truth = self.columns, self.truth
        self._known("image", columns.images, truth.image_ids)
        self._known("category", columns.categories, truth.category_ids)
        self._finite("box", columns.boxes)
        self._sizes("box", columns.boxes[:, 2:])
        # Mostly the visibilities are finite, too: so nothing has to be copied to tell.
        if columns.keypoints is not None and not _all_finite(columns.keypoints):
            n = columns.keypoints.shape[1]
            self._finite("keypoints", columns.keypoints[:, :, :2].reshape(len(columns), 2 * n))
        if columns.rotated is not None:
            self._finite("rotated", columns.rotated)
            self._sizes("rotated", columns.rotated[:, 2:4])

    def _ids(self, truth: GroundTruth) -> None:
        repeats = _repeats(truth.ids)
        self._tell(
            "duplicate-id",
            repeats,
            lambda row: f"annotation id {truth.ids[row]} is used before: ids must be unique",
            done="kept",
            ids=truth.ids,
        )
        if len(truth) and not truth.ids.all():
            rows = np.flatnonzero(truth.ids == 0)
            text = "annotation id 0: pycocotools takes its match for none, here it counts"
            self._tell("zero-id", rows, lambda row: text, done="kept", ids=truth.ids, defect=False)

    def _flat(self, truth: GroundTruth) -> None:
        if len(truth) and not truth.boxes[:, 2:].all():
            rows = np.flatnonzero((truth.boxes[:, 2:] == 0).any(axis=1))
            self._tell(
                "zero-size",
                rows,
                lambda row: f"box {truth.boxes[row].tolist()} has no area: nothing overlaps it",
                done="kept",
                defect=False,
            )

    def _scores(self, found: Detections) -> None:
        if _all_finite(found.scores):
            return
        nan = np.isnan(found.scores)
        self._tell(
            "nan-score", np.flatnonzero(nan), lambda row: "score is NaN: it cannot be ranked"
        )
        self._tell(
            "infinite-score",
            np.flatnonzero(np.isinf(found.scores)),
            lambda row: f"score is {found.scores[row]}: scores must be finite",
            done="kept",
        )

    def _known(self, what: str, values: Ids, known: Ids) -> None:
        rows = _strangers(values, known)
        many = {"image": "images", "category": "categories"}[what]
        self._tell(
            f"unknown-{what}",
            rows,
            lambda row: f"{what} {values[row]} is not among the {len(known)} {many} of the truth",
            ids=values,
        )

    def _finite(self, what: str, values: Floats) -> None:
        if _all_finite(values):
            return
        rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
        self._tell(
            f"nan-{what}",
            rows,
            lambda row: f"{what} {values[row].tolist()} must be finite",
        )

    def _sizes(self, what: str, sizes: Floats) -> None:
        # A NaN makes the minimum NaN, which is no reason to look twice: it is told as not finite.
        with np.errstate(invalid="ignore"):
            if not sizes.size or sizes.min() >= 0:
                return
            rows = np.flatnonzero((sizes < 0).any(axis=1))
        self._tell(
            f"negative-{what}",
            rows,
            lambda row: (
                f"{what} has width {sizes[row, 0]} and height {sizes[row, 1]}: both must be >= 0"
            ),
        )

    def _with_areas(self, truth: GroundTruth) -> GroundTruth:
        """Return truths whose areas are numbers >= 0; a box's own area stands in for the others."""
        with np.errstate(invalid="ignore"):
            if not len(truth) or (_all_finite(truth.areas) and truth.areas.min() >= 0):
                return truth
            bad = ~((truth.areas >= 0) & np.isfinite(truth.areas))
        self._tell(
            "bad-area",
            np.flatnonzero(bad),
            lambda row: f"area {truth.areas[row]} must be a number >= 0",
            done="repaired",
        )
        own = truth.boxes[:, 2] * truth.boxes[:, 3]
        return replace(truth, areas=np.where(bad, own, truth.areas))

    def _tell(
        self,
        kind: str,
        rows: Rows,
        what: Callable[[int], str],
        *,
        done: str = "dropped",
        ids: Ids | None = None,
        defect: bool = True,
    ) -> None:
        if not len(rows):
            return
        if done == "dropped":
            self.bad = np.zeros(len(self.columns), np.bool_) if self.bad is None else self.bad
            self.bad[rows] = True
        tell(
            self.issues,
            rows,
            lambda row: self._issue(kind, row, what(row), done, ids),
            defect=defect,
        )

    def _issue(self, kind: str, row: int, what: str, done: str, ids: Ids | None) -> Issue:
        columns = self.columns
        if ids is None and isinstance(columns, GroundTruth):
            ids = columns.ids
        places = columns.places
        return Issue(
            kind=kind,
            source=columns.source,
            what=what + self._where(row),
            done=done,
            entry=row,
            id=None if ids is None else int(ids[row]),
            place=None if places is None else int(places[row]),
        )

    def _where(self, row: int) -> str:
        """Return the name of a row's image: in a folder, the position alone says little."""
        at = np.flatnonzero(self.truth.image_ids == self.columns.images[row])
        names = self.truth.image_names
        return f", in image {names[at[0]]!r}" if len(at) and len(names) > at[0] else ""

    def _note(self, kind: str, what: str) -> None:
        self.issues.note(Issue(kind=kind, source=self.columns.source, what=what, done="kept"))


def _unique_lists(truth: GroundTruth, issues: Issues) -> GroundTruth:
    """Return truths whose images and categories are listed once: the first of each id stays."""
    for what, ids in (("image", truth.image_ids), ("category", truth.category_ids)):
        rows = _repeats(ids)
        for row in rows.tolist():
            text = f"{what} id {ids[row]} is listed twice: it must be unique"
            issues.refuse(
                Issue(
                    kind=f"duplicate-{what}",
                    source=truth.source,
                    what=text,
                    done="dropped",
                    entry=row,
                    id=int(ids[row]),
                )
            )
        if len(rows):
            truth = _without(truth, what, np.delete(np.arange(len(ids)), rows))
    return truth


def _without(truth: GroundTruth, what: str, rows: Rows) -> GroundTruth:
    def some(names: "tuple[str, ...] | list[str]") -> tuple[str, ...]:
        return tuple(names[row] for row in rows) if names else ()

    if what == "image":
        sizes = None if truth.image_sizes is None else truth.image_sizes[rows]
        names = some(list(truth.image_names))
        return replace(truth, image_ids=truth.image_ids[rows], image_sizes=sizes, image_names=names)
    names = some(list(truth.category_names))
    federation = truth.federation
    if federation is not None and federation.frequency:
        letters = "".join(federation.frequency[row] for row in rows)
        federation = replace(federation, frequency=letters)
    return replace(
        truth, category_ids=truth.category_ids[rows], category_names=names, federation=federation
    )


def _all_finite(values: Floats) -> bool:
    # A sum is finite only if every term is; one that overflows is looked at again, exactly.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())


def _repeats(ids: Ids) -> Rows:
    """Return the rows whose id an earlier row has."""
    if len(ids) < 2 or (ids[1:] > ids[:-1]).all():
        return np.empty(0, np.intp)
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    return np.sort(order[1:][ranked[1:] == ranked[:-1]])


def _strangers(values: Ids, known: Ids) -> Rows:
    """Return the rows whose value is not among the known ids."""
    if not len(values):
        return np.empty(0, np.intp)
    if not len(known):
        return np.arange(len(values))
    low, high = int(known.min()), int(known.max())
    within = int(values.min()) >= low and int(values.max()) <= high
    # The ids are unique here, so as many as their span holds are all of it.
    if within and high - low + 1 == len(known):
        return np.empty(0, np.intp)
    if within and high - low < 4 * (len(values) + len(known)) + 1_000_000:
        listed = np.zeros(high - low + 1, np.bool_)
        listed[known - low] = True
        return np.flatnonzero(~listed[values - low])
    ranked = np.sort(known)
    at = np.minimum(np.searchsorted(ranked, values), len(ranked) - 1)
    return np.flatnonzero(ranked[at] != values)
