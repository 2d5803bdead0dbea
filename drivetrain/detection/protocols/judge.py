"""The verdict of a style on a pool: precision averaged as the style means it, and its tables.

Shapes: T thresholds, R recalls, K classes, A area ranges, M caps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.detection.annotations import Detections, Floats, GroundTruth
from drivetrain.detection.curves import Tables
from drivetrain.detection.protocols.expansion import expanded
from drivetrain.detection.protocols.gather import gather
from drivetrain.detection.protocols.interpolation import average_precision, sampled
from drivetrain.detection.protocols.outcome import Outcome, assign, walk
from drivetrain.detection.protocols.pool import Pool
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
        """The style's headline: mean over thresholds and classes that have truths; else NaN.

        Of the first area range and the last cap. For 101 points the order of additions is
        pycocotools', over the flattened (T, R, K) block.
        """
        if self.style.interpolation == "101-point":
            values = self.tables.precision[:, :, :, 0, -1]
        else:
            values = self.ap[:, :, 0, -1]
        values = values[~np.isnan(values)]
        return float(np.mean(values)) if values.size else float("nan")


def judge(pool: Pool, style: Style, outcome: Outcome | None = None) -> Verdict:
    """Return the verdict of a style on a pool.

    Args:
        pool: The pairs, gathered as ``needs`` of the style says.
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
        sample = sampled(events, np.array(style.recalls), pool.scores, float(np.spacing(1)))
        precision[..., a, m], scores[..., a, m] = (np.moveaxis(s, 2, 1) for s in sample)
        with np.errstate(divide="ignore", invalid="ignore"):
            recall[:, :, a, m] = events.totals[:, :, 0] / events.to_find
        ap[:, :, a, m] = average_precision(events, style, pool.scores)
    tables = Tables(
        precision=precision,
        recall=recall,
        scores=scores,
        image_ids=pool.images,
        category_ids=pool.classes,
    )
    return Verdict(style=style, pool=pool, outcome=outcome, ap=ap, tables=tables)


def needs(style: Style) -> tuple[bool, bool, bool]:
    """Return what decides which pairs a style asks for: inclusive, per class, expanded."""
    return style.inclusive, style.per_class, style.hierarchy


def judge_all(
    truth: GroundTruth,
    found: Detections,
    styles: Sequence[str | Style],
    task: str = "bbox",
    **limits: ArrayLike | None,
) -> dict[str, Verdict]:
    """Return the verdict of every style, from as few sets of pairs as they allow: mostly one.

    Args:
        truth: What is there.
        found: What was said.
        styles: Styles or their names.
        task: As of ``gather``.
        limits: As of ``gather``.

    Example:
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> styles = [survey_style(name) for name in ("voc2007", "voc2010", "coco")]
        >>> found = judge_all(*survey_data(), styles)
        >>> [round(one.mean, 5) for one in found.values()]
        [0.2684, 0.24569, 0.24816]
    """
    rules = [style_named(style) for style in styles]
    least = min((min(style.thresholds) for style in rules), default=0.5)
    pools: dict[tuple[bool, bool, bool], Pool] = {}
    outcomes: dict[Style, Outcome] = {}
    out = {}
    for style in rules:
        key = needs(style)
        if style.hierarchy and not has_hierarchy(truth):
            key = (*key[:2], False)
        if key not in pools:
            pools[key] = gather(
                expanded(truth) if key[2] else truth,
                found,
                task,
                minimum=least,
                inclusive=key[0],
                per_class=key[1],
                **limits,
            )
        matching = matching_rules(style)
        if matching not in outcomes:
            outcomes[matching] = assign(pools[key], style)
        out[style.name] = judge(pools[key], style, outcomes[matching])
    return out


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
