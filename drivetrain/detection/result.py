"""What an evaluation says: the numbers, the classes, the curves, and why they are what they are."""

import warnings
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.core.checks import check_choice, check_real
from drivetrain.core.errors import require
from drivetrain.core.seeds import RandomState
from drivetrain.detection.annotations import Detections, Floats, GroundTruth, Ids
from drivetrain.detection.curves import Tables
from drivetrain.detection.events import Events
from drivetrain.detection.issues import Issues
from drivetrain.detection.judgement import Judgement, Limits
from drivetrain.detection.pr_curve import Curve, draw, rank_of
from drivetrain.detection.soundness import sound
from drivetrain.detection.styles import Style, for_task
from drivetrain.detection.summaries import (
    ClassScore,
    Number,
    averaged,
    mean,
    score_classes,
    summarise,
    whole,
)
from drivetrain.detection.tables import class_table, result_dict, summary_table

if TYPE_CHECKING:
    from drivetrain.detection.bootstrap import Interval
    from drivetrain.detection.protocols import Confusion, ErrorKinds, Gap, ImageErrors, Verdict


class UndefinedScoreWarning(UserWarning):
    """A number was asked for that the data cannot give; it is NaN."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """The answer of ``evaluate``: what a style says of detections on a data set.

    Shapes: T thresholds, R recalls, K classes, A area ranges, M caps on detections.

    Attributes:
        style: The rules.
        task: ``bbox``, ``segm``, ``keypoints``, ``rotated`` or ``boundary``.
        truth: The truths that were compared, after inspection.
        found: The detections that were compared, after inspection.
        issues: What was found wrong with the data, and what was done about it.
        judgement: The tables, and on request who found whom.
        limits: The images, classes and sigmas that were asked for.
        threads: As asked for.

    Example:
        >>> from drivetrain.detection import evaluate
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> result = evaluate(*survey_data(), style=survey_style("voc2007"))
        >>> result
        <Result voc2007 bbox: mAP .2684 · 24 detections, 15 truths, 7 images, 1 classes>
    """

    style: Style
    task: str
    truth: GroundTruth
    found: Detections
    issues: Issues
    judgement: Judgement
    limits: Limits = field(default_factory=Limits)
    threads: int | None = None

    def __repr__(self) -> str:
        first = self.numbers[0]
        value = f"{first.value:.4f}".removeprefix("0")
        return (
            f"<Result {self.style.name} {self.task}: {first.key} {value} · {len(self.found)} "
            f"detections, {len(self.truth)} truths, {len(self.image_ids)} images, "
            f"{len(self.category_ids)} classes>"
        )

    @property
    def tables(self) -> Tables:
        """Precision, recall and scores at the style's recalls."""
        return self.judgement.tables

    @property
    def precision(self) -> Floats:
        """Best precision at each recall or beyond, (T, R, K, A, M); NaN without truths."""
        return self.tables.precision

    @property
    def recall(self) -> Floats:
        """Greatest recall, (T, K, A, M); NaN for classes without truths."""
        return self.tables.recall

    @property
    def average_precision(self) -> Floats:
        """Area under each curve as the style means it, (T, K, A, M); NaN without truths."""
        return self.judgement.average_precision

    @property
    def image_ids(self) -> Ids:
        """The images that were counted, rising, (I,)."""
        return self.tables.image_ids

    @property
    def category_ids(self) -> Ids:
        """The classes that were counted, rising, (K,)."""
        return self.tables.category_ids

    @property
    def events(self) -> Events:
        """Every detection that was judged, class by class by falling score."""
        return self.judgement.events

    @property
    def verdict(self) -> "Verdict":
        """All pairs that overlap, and which of them the style took."""
        return self.judgement.verdict

    @cached_property
    def numbers(self) -> list[Number]:
        """The numbers that the style quotes, each with what it is a mean of."""
        return summarise(self.judgement, self.style, self.task, self.truth)

    @property
    def summary(self) -> dict[str, float]:
        """The numbers that the style quotes, by their usual names: COCO's ``AP`` to ``ARl``."""
        return {number.key: number.value for number in self.numbers}

    @property
    def ap(self) -> float:
        """The headline: mean over classes (that have truths) and thresholds; NaN without any."""
        return self._said("AP", self.numbers[0].value)

    @property
    def ap50(self) -> float:
        """The mean over classes at threshold .5."""
        return self.at(0.5)

    @property
    def ap75(self) -> float:
        """The mean over classes at threshold .75."""
        return self.at(0.75)

    def at(self, threshold: float, *, area: str = "all") -> float:
        """Return the mean average precision at one threshold of the style.

        Args:
            threshold: IoU or OKS, one of the style's.
            area: Name of the area range, one of the style's.

        Returns:
            The mean; NaN, with a warning, where no class has truths of that size.

        Raises:
            ValueError: The style has no such threshold or area range.

        Example:
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data
            >>> result = evaluate(*survey_data())
            >>> round(result.at(0.5), 4), result.at(0.5) == result.summary["AP50"]
            (0.0231, True)
        """
        a, t = self._area(area), self._threshold(threshold)
        block = averaged(self.judgement, self.style)[t : t + 1, :, :, a, -1]
        return self._said(f"AP at threshold {threshold:g}", mean(block))

    def _threshold(self, threshold: float) -> int:
        away = np.abs(np.array(self.style.thresholds) - check_real("threshold", threshold))
        # COCO's .9 is .8999999999999999: whoever asks for .9 means it.
        if away.min() > 1e-9:
            offered = ", ".join(f"{t:g}" for t in self.style.thresholds)
            raise ValueError(
                f"threshold must be one that style {self.style.name!r} has: {offered}. "
                f"Got {threshold:g}."
            )
        return int(np.argmin(away))

    def _said(self, name: str, value: float) -> float:
        if np.isnan(value):
            words = f"{name} is NaN: no class of {self.truth.source} has truths to be found."
            warnings.warn(words, UndefinedScoreWarning, stacklevel=3)
        return float(value)

    def _area(self, area: str) -> int:
        names = [name for name, _, _ in self.style.areas]
        return (
            names.index(check_choice("area", area, names)) if area != "all" else whole(self.style)
        )

    def name_of(self, category_id: int) -> str:
        """Return the name of a class, or an empty string where it is not known."""
        return self._names.get(int(category_id), "")

    @cached_property
    def _names(self) -> dict[int, str]:
        return dict(zip(self.truth.category_ids.tolist(), self.truth.category_names))

    def per_class(self) -> list[ClassScore]:
        """Return what each class scored, over all sizes and at the largest cap.

        Classes without truths to be found have NaN, and are in no mean; their detections are
        listed all the same.

        Example:
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data, survey_style
            >>> (person,) = evaluate(*survey_data(), style=survey_style("voc2010")).per_class()
            >>> person.name, round(person.ap, 5), person.n_truths, person.n_detections
            ('person', 0.24569, 15, 24)
        """
        return score_classes(self.judgement, self.style, self._names)

    def pr_curve(
        self, category: int | str, *, threshold: float | None = None, area: str = "all"
    ) -> Curve:
        """Return precision against recall of one class, raw and under three interpolations.

        Args:
            category: Id of the class, or its name.
            threshold: IoU or OKS, one of the style's; its first one where None.
            area: Name of the area range, one of the style's.

        Raises:
            ValueError: No such class, threshold or area range.

        Example:
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data, survey_style
            >>> curve = evaluate(*survey_data(), style=survey_style("coco")).pr_curve("person")
            >>> {name: round(ap, 5) for name, ap in curve.ap.items()}
            {'11-point': 0.2684, 'all-point': 0.24569, '101-point': 0.24816}
        """
        return draw(
            self.events,
            rank_of(category, self.category_ids.tolist(), self._names),
            t=0 if threshold is None else self._threshold(threshold),
            a=self._area(area),
            cap=self.style.max_detections[-1],
        )

    def compare(self, other: "Result | Style | str") -> "Gap":
        """Return why two protocols, or two tools, disagree on the same detections.

        One rule at a time is switched from this result's to the other's, in a fixed order; the
        steps sum exactly to the difference.

        Args:
            other: A style or its name, or a result on the same images and detections, whose
                scores and boxes may have been rounded.

        Raises:
            ValueError: An unknown style, or a result on other detections.

        Example:
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data, survey_style
            >>> result = evaluate(*survey_data(), style=survey_style("voc2007"))
            >>> gap = result.compare(survey_style("voc2010"))
            >>> [(term.rule, f"{term.before:.4f} -> {term.after:.4f}") for term in gap.terms]
            [('interpolation', '0.2684 -> 0.2457')]
        """
        from drivetrain.detection.protocols import decompose

        if isinstance(other, (str, Style)):
            # Of a result only the data and the rules are asked for.
            return decompose(self, replace(self, style=sound(for_task(other, self.task))))
        return decompose(self, _result("other", other))

    def errors(self, *, foreground: float = 0.5, background: float = 0.1) -> "ErrorKinds":
        """Return what kind of error each false or missing detection is, and what each kind costs.

        Args:
            foreground: Overlap at which a truth is found.
            background: Overlap below which a detection shows background.
        """
        from drivetrain.detection.protocols import error_kinds

        return error_kinds(self, foreground=foreground, background=background)

    def confusion(self, *, score: float = 0.25, iou: float = 0.5) -> "Confusion":
        """Return which class was taken for which.

        Args:
            score: Least score of a detection that is looked at.
            iou: Least overlap of a detection with the truth it is said to mean.
        """
        from drivetrain.detection.protocols import confusion

        return confusion(self, score=score, iou=iou)

    def worst_images(self, n: int = 10, *, score: float = 0.25) -> "list[ImageErrors]":
        """Return the images with the most errors, the worst first.

        Args:
            n: How many, >= 1.
            score: Least score of a detection that is looked at.
        """
        from drivetrain.detection.protocols import worst_images

        return worst_images(self, n, score=score)

    def bootstrap(
        self,
        n: int = 1000,
        other: "Result | None" = None,
        *,
        level: float = 0.95,
        method: str = "centred",
        per_class: bool = False,
        random_state: RandomState = None,
    ) -> "Interval":
        """Return an interval of the headline, or of its difference to another result's.

        Args:
            n: Number of replicates: resamples of the images.
            other: A result on the same images; both see the same draws, so the difference is
                surer than either.
            level: Share of data sets of this size whose number it is meant to hold, in (0, 1).
            method: ``centred``, or ``percentile``, which lies too high on small data sets.
            per_class: Intervals of every class too.
            random_state: Seed; the same one gives the same bits, whatever the number of threads.

        Raises:
            ValueError: ``other`` is on other images, or on other classes if classes are asked for.

        Example:
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data, survey_style
            >>> result = evaluate(*survey_data(), style=survey_style("voc2007"))
            >>> interval = result.bootstrap(200, random_state=0)
            >>> interval.low < result.ap < interval.high
            True
        """
        from drivetrain.detection.bootstrap import bootstrap

        return bootstrap(
            self,
            n,
            None if other is None else _result("other", other),
            level=level,
            method=method,
            per_class=per_class,
            random_state=random_state,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything that JSON can hold: numbers, classes, issues; None where undefined.

        Example:
            >>> import json
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data, survey_style
            >>> said = evaluate(*survey_data(), style=survey_style("voc2007")).to_dict()
            >>> json.loads(json.dumps(said, allow_nan=False))["summary"]
            {'mAP': 0.26839826839826836}
        """
        return result_dict(self)

    def to_markdown(self, *, classes: bool = True) -> str:
        """Return the summary, and the classes unless told otherwise, as Markdown tables.

        Example:
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data, survey_style
            >>> result = evaluate(*survey_data(), style=survey_style("voc2007"))
            >>> print(result.to_markdown(classes=False))
            |     | value | IoU  | area | detections |
            |-----|-------|------|------|------------|
            | mAP | .2684 | 0.30 | all  | all        |
        """
        text = summary_table(self.numbers)
        return f"{text}\n\n{class_table(self.per_class())}" if classes else text

    def to_pandas(self) -> Any:
        """Return the classes as a pandas DataFrame, a row a class, indexed by the category's id.

        Raises:
            MissingDependency: pandas is not installed.
        """
        pandas = require("pandas", "pandas")
        return pandas.DataFrame([asdict(one) for one in self.per_class()]).set_index("id")


def _result(name: str, value: Any) -> Result:
    if not isinstance(value, Result):
        raise TypeError(f"{name} must be a Result. Got {type(value).__name__}.")
    return value
