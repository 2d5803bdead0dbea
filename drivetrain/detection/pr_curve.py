"""The curve of one class: precision against recall, raw and under each interpolation."""

from dataclasses import dataclass, field

import numpy as np

from drivetrain.core.checks import check_integer
from drivetrain.core.errors import did_you_mean
from drivetrain.detection.annotations import Floats
from drivetrain.detection.events import Events
from drivetrain.detection.reference import ap_11_point, ap_101_point, ap_all_point, curve, sample
from drivetrain.detection.styles import COCO_RECALLS


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Precision and recall after each detection of a class, by falling score.

    Attributes:
        recall: TP / (TP + FN), (n,), rising.
        precision: TP / (TP + FP), (n,).
        scores: Score of each detection, (n,): the threshold that gives the point.
        n_truths: Truths to be found.
        interpolated: By ``11-point``, ``all-point`` and ``101-point``: the recalls, and the
            precision that the interpolation takes there. ``all-point`` has a point at both ends
            of each stair.
        ap: Area that each of the three interpolations takes for the curve's.
    """

    recall: Floats
    precision: Floats
    scores: Floats
    n_truths: int
    interpolated: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    ap: dict[str, float] = field(default_factory=dict)

    def best_f1(self) -> tuple[float, float]:
        """Return the greatest F1 = 2PR / (P + R), and the score that gives it; else NaN.

        Example:
            >>> from drivetrain.detection import evaluate
            >>> from drivetrain.detection.examples import survey_data, survey_style
            >>> r = evaluate(*survey_data(), style=survey_style("voc2010"))
            >>> f1, score = r.pr_curve(1, threshold=0.3).best_f1()
            >>> round(f1, 4), score
            (0.4138, 0.48)
        """
        if not len(self.scores):
            return float("nan"), float("nan")
        both = self.precision + self.recall
        f1 = np.divide(
            2 * self.precision * self.recall, both, out=np.zeros_like(both), where=both > 0
        )
        # Equal scores cannot be told apart by a threshold: only the last of them is a choice.
        last = np.append(self.scores[1:] != self.scores[:-1], True)
        best = int(np.argmax(np.where(last, f1, -1.0)))
        return float(f1[best]), float(self.scores[best])


def draw(events: Events, k: int, *, t: int, a: int, cap: int) -> Curve:
    """Return the curve of class ``k`` at threshold ``t`` in area range ``a``.

    A class without truths to be found has a precision of 0 and an undefined recall.
    """
    scores, correct = events.walk(k, t, a, cap)
    n_truths = int(events.n_truths[a, k])
    if n_truths == 0:
        empty = np.full(len(scores), np.nan)
        return Curve(recall=empty, precision=np.zeros(len(scores)), scores=scores, n_truths=0)
    R, P = curve(correct, n_truths)
    return Curve(
        recall=R,
        precision=P,
        scores=scores,
        n_truths=n_truths,
        interpolated={
            "11-point": _at(R, P, np.arange(11) / 10),
            "all-point": _stairs(R, P),
            "101-point": _at(R, P, np.array(COCO_RECALLS)),
        },
        ap={
            "11-point": ap_11_point(R, P),
            "all-point": ap_all_point(R, P),
            "101-point": ap_101_point(R, P),
        },
    )


def _at(R: Floats, P: Floats, recalls: Floats) -> tuple[Floats, Floats]:
    return recalls, sample(R, P, recalls.tolist())[0]


def _stairs(R: Floats, P: Floats) -> tuple[Floats, Floats]:
    """The envelope's corners from recall 0 to 1: both ends of each stair."""
    edges = np.concatenate(([0.0], np.unique(R[R > 0]), [1.0]))
    height = sample(R, P, edges[1:].tolist())[0]
    return np.repeat(edges, 2)[1:-1], np.repeat(height, 2)


def rank_of(category: int | str, ids: list[int], names: dict[int, str]) -> int:
    """Return which of the classes is meant, by its id or by its name.

    Raises:
        TypeError: Neither a whole number nor a text.
        ValueError: None of the classes; the nearest name is told.
    """
    if not isinstance(category, str):
        if check_integer("category", category) not in ids:
            raise ValueError(f"No class of id {category} was counted. {len(ids)} classes were.")
        return ids.index(int(category))
    named = [k for k, one in enumerate(ids) if names.get(one, "") == category]
    if not named or not category:
        hint = did_you_mean(category, [name for name in names.values() if name])
        raise ValueError(f"No class of name {category!r} was counted.{hint}")
    return named[0]
