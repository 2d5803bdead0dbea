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
from drivetrain.detection.protocols.outcome import Events, Outcome, assign, walk
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


def headline(pools: "Pools", style: Style) -> float:
    """Return the one number of a style: mean over thresholds and classes that have truths.

    Of the first area range and the last cap. For 101 points the order of additions is
    pycocotools', over the flattened (T, R, K) block. NaN where no class has a truth.
    """
    events, scores = (
        pools.events(style, 0, style.max_detections[-1]),
        pools.pool(style).index.scores,
    )
    if style.interpolation != "101-point":
        return _mean(average_precision(events, style, scores))
    precision, _ = sampled(events, np.array(style.recalls), scores, float(np.spacing(1)))
    return _mean(np.moveaxis(precision, 2, 1))


def _mean(values: Floats) -> float:
    some = values[~np.isnan(values)]
    return float(np.mean(some)) if some.size else float("nan")


def judge(pools: "Pools", style: Style) -> Verdict:
    """Return the verdict of a style on the pairs and matches that are kept for it."""
    pool = pools.pool(style)
    T, R, K = len(style.thresholds), len(style.recalls), len(pool.classes)
    A, M = len(style.areas), len(style.max_detections)
    ap, recall = np.empty((T, K, A, M)), np.empty((T, K, A, M))
    precision, scores = np.empty((T, R, K, A, M)), np.empty((T, R, K, A, M))
    for a, m in np.ndindex(A, M):
        events = pools.events(style, a, style.max_detections[m])
        sample = sampled(events, np.array(style.recalls), pool.index.scores, float(np.spacing(1)))
        precision[..., a, m], scores[..., a, m] = (np.moveaxis(s, 2, 1) for s in sample)
        with np.errstate(divide="ignore", invalid="ignore"):
            recall[:, :, a, m] = events.totals[:, :, 0] / events.to_find
        if style.interpolation == "101-point":
            ap[:, :, a, m] = np.mean(sample[0], axis=-1)
        else:
            ap[:, :, a, m] = average_precision(events, style, pool.index.scores)
    tables = Tables(
        precision=precision,
        recall=recall,
        scores=scores,
        image_ids=pool.index.image_ids,
        category_ids=pool.classes,
    )
    return Verdict(style=style, pool=pool, outcome=pools.outcome(style), ap=ap, tables=tables)


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
        self._events: dict[tuple[Style, int, int], Events] = {}

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
        rules = matching_rules(style, self.truth)
        if rules not in self._outcomes:
            self._outcomes[rules] = assign(self.pool(style), style)
        return self._outcomes[rules]

    def events(self, style: Style, area: int, cap: int) -> Events:
        """Return the true positives of one area range, of at most ``cap`` detections a cell."""
        key = (matching_rules(style, self.truth), area, cap)
        if key not in self._events:
            pool, outcome = self.pool(style), self.outcome(style)
            self._events[key] = walk(pool, outcome, style, area, cap)
        return self._events[key]

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
        return judge(self, rules)


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


def matching_rules(style: Style, truth: GroundTruth) -> Style:
    """Return the style without what only decides the area, and what the truths do not ask for.

    Two styles that are then equal match alike.
    """
    plain = Style(name="")
    federated = style.federated and truth.federation is not None
    return replace(
        style,
        name="",
        interpolation=plain.interpolation,
        grid=plain.grid,
        recalls=plain.recalls,
        max_detections=style.max_detections[-1:],
        crowd=style.crowd and bool(truth.crowd.any()),
        honour_ignore=style.honour_ignore and bool(truth.ignore.any()),
        group_of=plain.group_of if truth.group_of is None else style.group_of,
        federated=federated,
        hierarchy=style.hierarchy and has_hierarchy(truth),
        zero_id_unmatched=style.zero_id_unmatched and bool(np.any(truth.ids == 0)),
    )
