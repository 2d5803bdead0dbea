"""The comparison behind COCOeval: by kernels where they equal pycocotools, else the definitions."""

import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.backend import choose
from drivetrain.detection import problem
from drivetrain.detection.annotations import Ids
from drivetrain.detection.compat.params import Params
from drivetrain.detection.compat.prepare import Prepared
from drivetrain.detection.curves import Tables
from drivetrain.detection.styles import COCO_SIGMAS, Style

if TYPE_CHECKING:
    from drivetrain.detection.matching import Index, Matches

Floats = NDArray[np.float64]


class Comparison:
    """Truths and results under the parameters of one ``evaluate``.

    Args:
        prepared: The columns.
        params: The parameters.

    Raises:
        ValueError: No maxDets.
    """

    def __init__(self, prepared: Prepared, params: Params) -> None:
        if not len(params.maxDets):
            raise ValueError("maxDets must hold at least one number. Got none.")
        self._prepared = prepared
        self._params = copy.copy(params)
        self._thresholds, self._threshold_at = _unique(np.minimum(params.iouThrs, 1 - 1e-10))
        self._style = Style(
            name="pycocotools",
            thresholds=self._thresholds,
            areas=tuple((str(i), float(a[0]), float(a[1])) for i, a in enumerate(params.areaRng)),
            max_detections=_unique(np.asarray(params.maxDets, np.int64))[0],
            honour_ignore=True,
            zero_id_unmatched=True,
        )
        self._matched: tuple[Index, Matches] | None = None

    def tables(self, p: Params, evaluated: Params) -> tuple[Floats, Floats, Floats]:
        """Return precision, recall and scores for ``p``, -1 where there is nothing to be found.

        pycocotools takes the n-th class, range or image of ``p`` for the n-th of ``evaluated``,
        skips those that ``evaluated`` has not, and fills the table from its start.

        Raises:
            ValueError: ``p`` has another number of thresholds, or more entries than ``evaluated``.
        """
        if len(p.iouThrs) != len(evaluated.iouThrs):
            raise ValueError(
                f"accumulate needs the {len(evaluated.iouThrs)} iouThrs of evaluate. "
                f"Got {len(p.iouThrs)}."
            )
        known = evaluated.catIds if evaluated.useCats else [-1]
        k = _shared("catIds", p.catIds, known)
        a = _shared("areaRng", [tuple(r) for r in p.areaRng], [tuple(r) for r in evaluated.areaRng])
        i = _shared("imgIds", p.imgIds, evaluated.imgIds)
        caps = [cap for cap in p.maxDets if cap in set(evaluated.maxDets)]
        shape = (len(p.iouThrs), len(p.recThrs), len(p.catIds), len(p.areaRng), len(p.maxDets))
        precision, scores = -np.ones(shape), -np.ones(shape)
        recall = -np.ones((shape[0], *shape[2:]))
        if not (len(k) and len(a) and len(i) and caps):
            return precision, recall, scores
        unique_caps, cap_at = _unique(np.asarray(caps, np.int64))
        style = replace(
            self._style,
            areas=tuple(self._style.areas[n] for n in a),
            max_detections=unique_caps,
            recalls=tuple(float(r) for r in p.recThrs),
        )
        found = self._compute(style, self._prepared.images[i], self._prepared.classes[k])
        cut = np.ix_(self._threshold_at, np.arange(len(k)), np.arange(len(a)), cap_at)
        there = ~np.isnan(found.recall[cut])
        where = np.s_[:, : len(k), : len(a), : len(caps)]
        recall[where][there] = found.recall[cut][there]
        for ours, theirs in ((precision, found.precision), (scores, found.scores)):
            sampled = np.moveaxis(theirs, 1, -1)[cut]
            np.moveaxis(ours, 1, -1)[where][there] = sampled[there]
        return precision, recall, scores

    def _compute(self, style: Style, images: Ids, classes: Ids) -> Tables:
        given = self._prepared
        if choose(None, ("numba", "reference")) == "numba" and _regular(given, style):
            return self._by_kernels(style, images, classes)
        return problem.tables(
            given.truth,
            given.found,
            style,
            given.task,
            images=images,
            categories=classes,
            sigmas=given.sigmas,
        )

    def match(self) -> None:
        """Do the work of ``evaluate``, where kernels do it; the definitions match when tabling."""
        given = self._prepared
        chosen = choose(None, ("numba", "reference")) == "numba"
        if chosen and len(given.images) and len(given.classes) and _regular(given, self._style):
            self._matched = _matched(given, self._style, given.images, given.classes)

    def _by_kernels(self, style: Style, images: Ids, classes: Ids) -> Tables:
        from drivetrain.detection.precision import accumulate

        given = self._prepared
        same = replace(style, recalls=self._style.recalls) == self._style
        whole = len(images) == len(given.images) and len(classes) == len(given.classes)
        if same and whole and self._matched is not None:
            return accumulate(*self._matched, style)
        return accumulate(*_matched(given, style, images, classes), style)

    @cached_property
    def _problem(self) -> problem.Problem:
        given = self._prepared
        return problem.Problem(
            truth=given.truth,
            found=given.found,
            style=self._style,
            task=given.task,
            images=given.images,
            categories=given.classes,
            sigmas=COCO_SIGMAS if given.sigmas is None else tuple(given.sigmas.tolist()),
        )

    def overlaps(self, evaluated: Params) -> dict[tuple[Any, Any], Any]:
        """Return pycocotools' ``ious``: overlaps (D, G) by image and class, [] where none are."""
        return {
            (image, category): self._overlap(i, k)
            for i, image in enumerate(evaluated.imgIds)
            for k, category in enumerate(evaluated.catIds if evaluated.useCats else [-1])
        }

    def _overlap(self, i: int, k: int) -> Any:
        never = self._params.iouType == "keypoints" and not self._params.useCats
        overlap = self._problem.overlap(*self._called(i, k))
        return [] if never or not overlap.size else overlap

    def overlap_of(self, image: Any, category: Any) -> Any:
        """Return pycocotools' ``computeIoU``: overlaps (D, G), or [] where there are none."""
        return self._overlap(*self._places(image, category))

    def image_of(self, image: Any, category: Any, area: Any) -> dict[str, Any] | None:
        """Return pycocotools' ``evaluateImg`` at the last cap."""
        p = self._params
        ranges = [tuple(one) for one in p.areaRng]
        if tuple(area) not in ranges:
            raise ValueError(f"aRng must be one of params.areaRng, {ranges}. Got {tuple(area)}.")
        a = ranges.index(tuple(area))
        judged = self._problem.judge(*self._called(*self._places(image, category)), a)
        return self._image(judged, image, category, p, a)

    def _places(self, image: Any, category: Any) -> tuple[int, int]:
        """Return which of the images and classes that are counted these are."""
        images, classes = self._place_of
        for name, key, known in (("imgId", image, images), ("catId", category, classes)):
            if key not in known:
                raise ValueError(
                    f"{name} must be one of the {len(known)} that are counted. Got {key!r}."
                )
        return images[image], classes[category]

    @cached_property
    def _place_of(self) -> tuple[dict[Any, int], dict[Any, int]]:
        p = self._params
        classes = p.catIds if p.useCats else [-1]
        return {key: n for n, key in enumerate(p.imgIds)}, {key: n for n, key in enumerate(classes)}

    def by_image(self, evaluated: Params) -> list[dict[str, Any] | None]:
        """Return pycocotools' ``evalImgs``: by class, then area range, then image."""
        return [
            self._image(judged, image, category, evaluated, a)
            for k, category in enumerate(evaluated.catIds if evaluated.useCats else [-1])
            for a in range(len(evaluated.areaRng))
            for i, image in enumerate(evaluated.imgIds)
            for judged in (self._problem.judge(*self._called(i, k), a),)
        ]

    def _called(self, i: int, k: int) -> tuple[int, int]:
        """Return what the columns call the i-th image and the k-th class."""
        return int(self._prepared.images[i]), int(self._prepared.classes[k])

    def _image(
        self,
        judged: problem.Judged | None,
        image: Any,
        category: Any,
        evaluated: Params,
        area: int,
    ) -> dict[str, Any] | None:
        if judged is None:
            return None
        order = np.argsort(judged.truth_ignored, kind="stable")
        ids, found_ids = self._prepared.truth.ids, self._prepared.found_ids[judged.detections]
        match = judged.match[self._threshold_at]
        truth_match = np.zeros((len(match), len(order)))
        found_match = np.zeros(match.shape)
        for t, d in zip(*np.nonzero(match >= 0)):
            truth_match[t, match[t, d]] = found_ids[d]
            found_match[t, d] = ids[judged.truths[match[t, d]]]
        return {
            "image_id": image,
            "category_id": category,
            "aRng": evaluated.areaRng[area],
            "maxDet": evaluated.maxDets[-1],
            "dtIds": found_ids.tolist(),
            "gtIds": ids[judged.truths[order]].tolist(),
            "dtMatches": found_match,
            "gtMatches": truth_match[:, order],
            "dtScores": self._prepared.found.scores[judged.detections].tolist(),
            "gtIgnore": judged.truth_ignored[order].astype(np.int64),
            "dtIgnore": judged.ignored[self._threshold_at],
        }


def _matched(given: Prepared, style: Style, images: Ids, classes: Ids) -> "tuple[Index, Matches]":
    from drivetrain.detection.matching import Index, find_candidates, match

    index = Index.build(given.truth, given.found, images=images, categories=classes)
    candidates = find_candidates(
        index,
        given.truth,
        given.found,
        given.task,
        style.thresholds[0],
        style=style,
        cap=style.max_detections[-1],
        sigmas=None if given.sigmas is None else given.sigmas.tolist(),
    )
    return index, match(index, candidates, given.truth, given.found, style, task=given.task)


def _regular(given: Prepared, style: Style) -> bool:
    """Whether the kernels' short cuts hold: finite overlaps, rising recalls, thresholds > 0."""
    from drivetrain.detection.matching.matches import MOST

    numbers: list[Floats | None] = [given.truth.areas]
    if given.found.areas is not None:
        numbers.append(given.found.areas)
    if given.task == "bbox":
        numbers += [given.truth.boxes, given.found.boxes]
    if given.task == "keypoints":
        numbers += [given.truth.boxes, given.truth.keypoints, given.found.keypoints, given.sigmas]
    # Areas of sizes between these bounds neither overflow nor vanish, so that no union is 0.
    sizes = np.concatenate([given.truth.boxes[:, 2:], given.found.boxes[:, 2:]])
    fair = (sizes == 0) | ((sizes >= 1e-100) & (sizes <= 1e100))
    return (
        all(column is not None and bool(np.isfinite(column).all()) for column in numbers)
        and bool(fair.all())
        and (given.task != "keypoints" or bool((given.truth.areas >= 0).all()))
        and (given.sigmas is None or bool((given.sigmas > 0).all()))
        and len(style.thresholds) > 0
        and style.thresholds[0] > 0
        and style.max_detections[0] > 0
        and all(len(getattr(style, name)) <= most for name, most in MOST.items())
        and bool(np.all(np.diff(style.recalls) >= 0))
    )


def _unique(values: NDArray[Any]) -> tuple[tuple[Any, ...], Ids]:
    unique, inverse = np.unique(values, return_inverse=True)
    return tuple(unique.tolist()), inverse.reshape(-1)


def _shared(name: str, asked: Any, evaluated: Any) -> Ids:
    """Return the positions in ``asked`` of what ``evaluated`` has too."""
    known = set(evaluated)
    places = np.array([n for n, value in enumerate(asked) if value in known], np.int64)
    if places.size and places[-1] >= len(evaluated):
        raise ValueError(
            f"accumulate takes the n-th of {name} for the n-th that evaluate saw. "
            f"Got {len(asked)}, of {len(evaluated)}."
        )
    return places
