"""A whole data set judged by the definitions: the slow, plain way to every table.

Shapes: D detections, G truths, T thresholds, R recalls, K classes, A area ranges, M caps.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.core.checks import check_choice
from drivetrain.detection.annotations import Detections, Flags, Floats, GroundTruth, Ids
from drivetrain.detection.curves import Tables
from drivetrain.detection.reference import (
    average_precision,
    curve,
    iou,
    mask_iou,
    match_coco,
    match_voc,
    oks,
    sample,
)
from drivetrain.detection.styles import COCO_SIGMAS, Style, style_named

if TYPE_CHECKING:
    from drivetrain.detection.masks.columns import Masks

TASKS = ("bbox", "segm", "keypoints")


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One image and class in one area range: who found whom.

    Attributes:
        detections: Positions of the detections, by falling score, (D,).
        truths: Positions of the truths, in the order of their file, (G,).
        overlap: (D, G).
        match: Index into ``truths`` of what each detection found, or -1, (T, D).
        correct: True positives, (T, D).
        ignored: Detections that count for nothing, (T, D).
        truth_ignored: Truths that need not be found, (G,).
    """

    detections: Ids
    truths: Ids
    overlap: Floats
    match: Ids
    correct: Flags
    ignored: Flags
    truth_ignored: Flags


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Truths, detections and the rules to compare them by.

    Attributes:
        truth: What is there.
        found: What was said.
        style: The rules.
        task: ``bbox``, ``segm`` or ``keypoints``.
        images: Image ids to count, in the order in which equal scores follow each other.
        categories: Classes to count.
        sigmas: Spread of each keypoint.
    """

    truth: GroundTruth
    found: Detections
    style: Style
    task: str
    images: Ids
    categories: Ids
    sigmas: Sequence[float] = COCO_SIGMAS

    @property
    def classes(self) -> Ids:
        """The classes that are kept apart: one, -1, where the style pools them."""
        return self.categories if self.style.per_class else np.array([-1])

    @cached_property
    def truths(self) -> dict[tuple[int, int], list[int]]:
        """Positions of the truths of each image and class."""
        return self._grouped(self.truth.images, self.truth.categories)

    @cached_property
    def detections(self) -> dict[tuple[int, int], list[int]]:
        """Positions of the detections of each image and class, by falling score, capped."""
        groups = self._grouped(self.found.images, self.found.categories, self._admitted)
        cap = self.style.max_detections[-1]
        rank = {
            key: np.argsort(-self.found.scores[at], kind="stable") for key, at in groups.items()
        }
        return {key: [at[i] for i in rank[key][:cap]] for key, at in groups.items()}

    def _grouped(
        self, images: Ids, categories: Ids, admitted: Flags | None = None
    ) -> dict[tuple[int, int], list[int]]:
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for category in self.categories.tolist():
            for at in np.flatnonzero(categories == category).tolist():
                if admitted is None or admitted[at]:
                    group = category if self.style.per_class else -1
                    groups[int(images[at]), group].append(at)
        return groups

    @cached_property
    def _admitted(self) -> Flags:
        """LVIS: the best of each image over all classes, of classes verified there."""
        admitted = np.ones(len(self.found), np.bool_)
        if self.style.max_per_image is not None:
            for image in np.unique(self.found.images):
                at = np.flatnonzero(self.found.images == image)
                late = np.argsort(-self.found.scores[at], kind="stable")[self.style.max_per_image :]
                admitted[at[late]] = False
        if self.style.federated and self.truth.federation is not None:
            verified = set(zip(self.truth.images.tolist(), self.truth.categories.tolist()))
            verified |= set(map(tuple, self.truth.federation.negative.tolist()))
            pairs = zip(self.found.images.tolist(), self.found.categories.tolist())
            admitted &= np.array([pair in verified for pair in pairs], np.bool_)
        return admitted

    @cached_property
    def crowd(self) -> Flags:
        """Truths that absorb any number of detections, (n,)."""
        return self.truth.crowd & self.style.crowd

    @cached_property
    def set_aside(self) -> Flags:
        """Truths that need not be found, whatever the area range, (n,)."""
        aside = self.crowd | (self.truth.ignore & self.style.honour_ignore)
        if self.task == "keypoints":
            aside = aside | (self._labelled == 0)
        return aside

    @property
    def _labelled(self) -> Ids:
        if self.truth.visible is not None:
            return self.truth.visible
        return np.sum(_given(self.truth.keypoints, "keypoints", self.truth)[:, :, 2] > 0, axis=1)

    @cached_property
    def areas(self) -> Floats:
        """Area of each detection that decides its range, (n,)."""
        if self.found.areas is not None:
            return self.found.areas
        if self.task == "segm":
            return np.array([np.count_nonzero(m) for m in self._masks(self.found)], np.float64)
        return self.found.boxes[:, 2] * self.found.boxes[:, 3]

    def _masks(self, columns: GroundTruth | Detections) -> list[Flags]:
        masks = _given(columns.masks, "masks", columns)
        return [_pixels(masks, at) for at in range(len(columns))]

    @cached_property
    def masks(self) -> tuple[list[Flags], list[Flags]]:
        """The flat masks of all detections and all truths."""
        return self._masks(self.found), self._masks(self.truth)

    def overlap(self, image: int, category: int) -> Floats:
        """Return the overlap of every pair in one image and class, (D, G)."""
        d, g = self.detections.get((image, category), []), self.truths.get((image, category), [])
        if self.task == "segm":
            p, q = self.masks
            return mask_iou([p[i] for i in d], [q[i] for i in g], crowd=self.crowd[g])
        if self.task == "keypoints":
            p = _given(self.found.keypoints, "keypoints", self.found)[d]
            q = _given(self.truth.keypoints, "keypoints", self.truth)[g]
            return oks(p, q, self.truth.boxes[g], self.truth.areas[g], self.sigmas)
        return iou(
            self.found.boxes[d],
            self.truth.boxes[g],
            crowd=self.crowd[g],
            inclusive=self.style.inclusive,
        )

    def judge(self, image: int, category: int, area: int = 0) -> Judged | None:
        """Return who found whom in one image, class and area range; None where there is nothing."""
        key = (image, category)
        d, g = self.detections.get(key, []), self.truths.get(key, [])
        if not d and not g:
            return None
        _, low, high = self.style.areas[area]
        sizes = self.truth.areas[g]
        aside = self.set_aside[g] | (sizes < low) | (sizes > high)
        overlap = self._overlaps[key]
        match = np.array(
            [self._match(overlap, aside, self.crowd[g], t) for t in self.style.thresholds]
        )
        match = match.reshape(len(self.style.thresholds), len(d))
        matched = match >= 0
        if self.style.zero_id_unmatched and g:
            matched &= self.truth.ids[g][match] != 0
        outside = (self.areas[d] < low) | (self.areas[d] > high) | self._incomplete(key)
        ignored = (match >= 0) & aside[match] if g else np.zeros_like(matched)
        ignored |= ~matched & outside
        return Judged(
            detections=np.array(d, np.int64),
            truths=np.array(g, np.int64),
            overlap=overlap,
            match=match,
            correct=matched & ~ignored,
            ignored=ignored,
            truth_ignored=aside,
        )

    def _match(self, overlap: Floats, aside: Flags, crowd: Flags, alpha: float) -> Ids:
        strict = self.style.strict
        if self.style.assignment == "best":
            return match_voc(overlap, aside, alpha, strict=strict)
        return match_coco(overlap, aside, crowd, alpha, strict=strict)

    @cached_property
    def _overlaps(self) -> dict[tuple[int, int], Floats]:
        keys = self.detections.keys() | self.truths.keys()
        return {key: self.overlap(*key) for key in keys}

    def _incomplete(self, key: tuple[int, int]) -> bool:
        """Whether the truths of this image and class are not all labelled (LVIS)."""
        if not self.style.federated or self.truth.federation is None:
            return False
        return key in set(map(tuple, self.truth.federation.not_exhaustive.tolist()))

    def ranked(self, category: int, area: int, cap: int) -> tuple[Floats, Flags, Flags, int] | None:
        """Return one class of all images by falling score; None where nothing is or was said.

        Equal scores follow each other as their images do, then as they do inside the image.

        Returns:
            Scores (D,), true positives (T, D), ignored (T, D), and the number of truths to find.
        """
        judged = [self.judge(image, category, area) for image in self.images.tolist()]
        some = [one for one in judged if one is not None]
        if not some:
            return None
        scores = np.concatenate([self.found.scores[one.detections[:cap]] for one in some])
        correct = np.concatenate([one.correct[:, :cap] for one in some], axis=1)
        ignored = np.concatenate([one.ignored[:, :cap] for one in some], axis=1)
        n_truths = sum(int(np.count_nonzero(~one.truth_ignored)) for one in some)
        order = np.argsort(-scores, kind="stable")
        return scores[order], correct[:, order], ignored[:, order], n_truths


def _given(column: Any, name: str, owner: GroundTruth | Detections) -> Any:
    if column is None:
        raise ValueError(f"{owner.source} has no {name}: this task compares them.")
    return column


def _pixels(masks: "Masks", at: int) -> Flags:
    """One mask as flat pixels, column by column: its runs are of 0, of 1, of 0 and so on."""
    runs = masks.runs[masks.offsets[at] : masks.offsets[at + 1]]
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)


def pose(
    truth: GroundTruth,
    found: Detections,
    style: str | Style = "coco",
    task: str = "bbox",
    *,
    images: ArrayLike | None = None,
    categories: ArrayLike | None = None,
    sigmas: ArrayLike | None = None,
) -> Problem:
    """Return the problem with its defaults filled in.

    Args:
        truth: What is there.
        found: What was said.
        style: The rules, or their name.
        task: ``bbox``, ``segm`` or ``keypoints``.
        images: The images to count; all of the truth's where None.
        categories: The classes to count; all of the truth's where None.
        sigmas: Spread of each keypoint; COCO's 17 where None.

    Raises:
        ValueError: An unknown style or task, or an assignment that this has no definition of.
    """
    rule = style_named(style)
    if rule.assignment == "pairs":
        raise ValueError(f"style {rule.name!r} assigns by pairs, which is not defined here.")
    return Problem(
        truth=truth,
        found=found,
        style=rule,
        task=check_choice("task", task, TASKS),
        images=np.unique(truth.image_ids if images is None else images).astype(np.int64),
        categories=np.unique(truth.category_ids if categories is None else categories).astype(
            np.int64
        ),
        sigmas=COCO_SIGMAS if sigmas is None else tuple(np.asarray(sigmas, np.float64).tolist()),
    )


def tables(
    truth: GroundTruth,
    found: Detections,
    style: str | Style = "coco",
    task: str = "bbox",
    **limits: ArrayLike | None,
) -> Tables:
    """Return the tables of all classes, area ranges and caps.

    P = TP / (TP + FP + ε), R = TP / TP+FN after each detection; then sampled at the recalls.

    Args:
        truth: What is there.
        found: What was said.
        style: The rules, or their name.
        task: ``bbox``, ``segm`` or ``keypoints``.
        limits: ``images``, ``categories``, ``sigmas`` as of ``pose``.

    Example:
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> found = tables(*survey_data(), survey_style("coco"))
        >>> found.precision[0, :, 0, 0, -1].mean().round(4)
        np.float64(0.2482)

    References:
        T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its
        ``cocoeval.py``, whose bits these are.
    """
    problem = pose(truth, found, style, task, **limits)
    rule = problem.style
    T, R, K = len(rule.thresholds), len(rule.recalls), len(problem.classes)
    A, M = len(rule.areas), len(rule.max_detections)
    precision, scores = np.full((T, R, K, A, M), np.nan), np.full((T, R, K, A, M), np.nan)
    recall = np.full((T, K, A, M), np.nan)
    for k, a, m in np.ndindex(K, A, M):
        ranked = problem.ranked(int(problem.classes[k]), a, rule.max_detections[m])
        if ranked is None or ranked[-1] == 0:
            continue
        for t in range(T):
            at = (t, slice(None), k, a, m)
            recall[t, k, a, m], precision[at], scores[at] = _sampled(ranked, t, rule.recalls)
    return Tables(
        precision=precision,
        recall=recall,
        scores=scores,
        image_ids=problem.images,
        category_ids=problem.classes,
    )


def _sampled(
    ranked: tuple[Floats, Flags, Flags, int], t: int, recalls: Sequence[float]
) -> tuple[float, Floats, Floats]:
    """Return the greatest recall, and precision and score at each of the recalls."""
    scores, correct, ignored, n_truths = ranked
    tp = np.cumsum(correct[t]).astype(np.float64)
    fp = np.cumsum(~correct[t] & ~ignored[t]).astype(np.float64)
    R = tp / n_truths
    best, where = sample(R, tp / (fp + tp + np.spacing(1)), recalls)
    first = np.append(scores, 0.0)[where]
    return float(R[-1]) if len(R) else 0.0, best, first


def average_precisions(
    truth: GroundTruth,
    found: Detections,
    style: str | Style,
    task: str = "bbox",
    **limits: ArrayLike | None,
) -> Floats:
    """Return the area under every curve as the style means it, (T, K, A, M); NaN without truths.

    P = TP / (TP + FP) exactly, as the article and VOC have it: no ε as in ``tables``.

    Args:
        truth: What is there.
        found: What was said.
        style: The rules, or their name.
        task: ``bbox``, ``segm`` or ``keypoints``.
        limits: ``images``, ``categories``, ``sigmas`` as of ``pose``.

    Example:
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> average_precisions(*survey_data(), survey_style("voc2007")).item()
        0.26839826839826836
    """
    problem = pose(truth, found, style, task, **limits)
    rule = problem.style
    shape = (len(problem.classes), len(rule.areas), len(rule.max_detections))
    out = np.full((len(rule.thresholds), *shape), np.nan)
    for k, a, m in np.ndindex(*shape):
        ranked = problem.ranked(int(problem.classes[k]), a, rule.max_detections[m])
        if ranked is None or ranked[-1] == 0:
            continue
        _, correct, ignored, n_truths = ranked
        for t in range(len(rule.thresholds)):
            R, P = curve(correct[t][~ignored[t]], n_truths)
            out[t, k, a, m] = average_precision(R, P, rule)
    return out
