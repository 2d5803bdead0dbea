"""The verdict of a style on a pool: precision averaged as the style means it, and its tables.

Shapes: T thresholds, R recalls, K classes, A area ranges, M caps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.detection.annotations import Detections, Floats, GroundTruth
from drivetrain.detection.curves import Tables
from drivetrain.detection.protocols.expansion import expanded
from drivetrain.detection.protocols.interpolation import average_precision, sampled
from drivetrain.detection.protocols.outcome import Outcome, assign, walk
from drivetrain.detection.protocols.pool import Pool, gather
from drivetrain.detection.styles import Style, style_named


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What a style says of a pool.

    Attributes:
        style: The style.
        pool: The pairs it judged.
        outcome: Who found whom.
        ap: Area under each curve, (T, K, A, M); NaN where there is no truth to be found.
        tables: The curves at the style's recalls.
    """

    style: Style
    pool: Pool
    outcome: Outcome
    ap: Floats
    tables: Tables

    @property
    def mean(self) -> float:
        """The style's headline, as of ``headline``."""
        if self.style.interpolation == "101-point":
            return _mean(self.tables.precision[:, :, :, 0, -1])
        return _mean(self.ap[:, :, 0, -1])


def headline(pool: Pool, style: Style, outcome: Outcome) -> float:
    """Return the one number of a style: mean over thresholds and classes that have truths.

    Of the first area range and the last cap. For 101 points the order of additions is
    pycocotools', over the flattened (T, R, K) block. NaN where no class has a truth.
    """
    events = walk(pool, outcome, style, 0, style.max_detections[-1])
    if style.interpolation != "101-point":
        return _mean(average_precision(events, style, pool.index.scores))
    recalls = np.array(style.recalls)
    precision, _ = sampled(events, recalls, pool.index.scores, float(np.spacing(1)))
    return _mean(np.moveaxis(precision, 2, 1))


def _mean(values: Floats) -> float:
    some = values[~np.isnan(values)]
    return float(np.mean(some)) if some.size else float("nan")


def judge(pool: Pool, style: Style, outcome: Outcome | None = None) -> Verdict:
    """Return the verdict of a style on a pool.

    Args:
        pool: The pairs, gathered as the style asks.
        style: The rules.
        outcome: Who found whom, where a style that differs only in its area has found it.
    """
    outcome = assign(pool, style) if outcome is None else outcome
    T, R, K = len(style.thresholds), len(style.recalls), len(pool.classes)
    A, M = len(style.areas), len(style.max_detections)
    ap, recall = np.empty((T, K, A, M)), np.empty((T, K, A, M))
    precision, scores = np.empty((T, R, K, A, M)), np.empty((T, R, K, A, M))
    for a, m in np.ndindex(A, M):
        events = walk(pool, outcome, style, a, style.max_detections[m])
        sample = sampled(events, np.array(style.recalls), pool.index.scores, float(np.spacing(1)))
        precision[..., a, m], scores[..., a, m] = (np.moveaxis(s, 2, 1) for s in sample)
        with np.errstate(divide="ignore", invalid="ignore"):
            recall[:, :, a, m] = events.totals[:, :, 0] / events.to_find
        ap[:, :, a, m] = average_precision(events, style, pool.index.scores)
    tables = Tables(
        precision=precision,
        recall=recall,
        scores=scores,
        image_ids=pool.index.image_ids,
        category_ids=pool.classes,
    )
    return Verdict(style=style, pool=pool, outcome=outcome, ap=ap, tables=tables)


class Pools:
    """A data set's pairs and matches, kept, so that styles share what their rules allow.

    Most styles share one set of pairs; those that differ in the area only share their matches.

    Args:
        truth: What is there.
        found: What was said.
        task: As of ``gather``.
        minimum: Least overlap that any style will ask about.
        limits: As of ``gather``: ``images``, ``categories``, ``sigmas``, ``threads``.
    """

    def __init__(
        self,
        truth: GroundTruth,
        found: Detections,
        task: str = "bbox",
        *,
        minimum: float = 0.5,
        **limits: Any,
    ) -> None:
        self.truth, self.found, self.task, self.minimum = truth, found, task, minimum
        self._limits = limits
        self._pools: dict[tuple[bool, bool, bool], Pool] = {}
        self._outcomes: dict[Style, Outcome] = {}

    def pool(self, style: Style) -> Pool:
        """Return the pairs that a style judges."""
        expand = style.hierarchy and has_hierarchy(self.truth)
        key = (style.inclusive, style.per_class, expand)
        if key not in self._pools:
            self._pools[key] = gather(
                expanded(self.truth) if expand else self.truth,
                self.found,
                self.task,
                minimum=self.minimum,
                inclusive=style.inclusive,
                per_class=style.per_class,
                **self._limits,
            )
        return self._pools[key]

    def keep(self, pool: Pool) -> None:
        """Take a pool of the same data, found already, for the styles that it serves."""
        self._pools[pool.inclusive, pool.classes is pool.categories, False] = pool

    def outcome(self, style: Style) -> Outcome:
        """Return who found whom by a style's rules."""
        rules = matching_rules(style)
        if rules not in self._outcomes:
            self._outcomes[rules] = assign(self.pool(style), style)
        return self._outcomes[rules]

    def judge(self, style: str | Style) -> Verdict:
        """Return the verdict of a style.

        Raises:
            ValueError: An unknown style, or a threshold below ``minimum``.
        """
        rules = style_named(style)
        if min(rules.thresholds) < self.minimum:
            raise ValueError(
                f"thresholds must be >= {self.minimum}, the least overlap that was looked for. "
                f"Got {min(rules.thresholds)}."
            )
        return judge(self.pool(rules), rules, self.outcome(rules))


def judge_all(
    truth: GroundTruth,
    found: Detections,
    styles: Sequence[str | Style],
    task: str = "bbox",
    **limits: Any,
) -> dict[str, Verdict]:
    """Return the verdict of every style, from as few sets of pairs as they allow: mostly one.

    Args:
        truth: What is there.
        found: What was said.
        styles: Styles or their names.
        task: As of ``gather``.
        limits: As of ``gather``: ``images``, ``categories``, ``sigmas``, ``threads``.

    Example:
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> styles = [survey_style(name) for name in ("voc2007", "voc2010", "coco")]
        >>> found = judge_all(*survey_data(), styles)
        >>> [round(one.mean, 5) for one in found.values()]
        [0.2684, 0.24569, 0.24816]
    """
    rules = [style_named(style) for style in styles]
    least = min((min(style.thresholds) for style in rules), default=0.5)
    pools = Pools(truth, found, task, minimum=least, **limits)
    return {style.name: pools.judge(style) for style in rules}


def has_hierarchy(truth: GroundTruth) -> bool:
    """Return whether some classes are parts of others."""
    return truth.federation is not None and len(truth.federation.parents) > 0


def matching_rules(style: Style) -> Style:
    """Return the style without what only decides the area: two equal ones match alike."""
    plain = Style(name="")
    return replace(
        style,
        name="",
        interpolation=plain.interpolation,
        grid=plain.grid,
        recalls=plain.recalls,
        max_detections=style.max_detections[-1:],
    )
