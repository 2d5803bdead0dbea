"""Why two numbers on the same detections differ, in parts that sum exactly to the difference.

The walk from A to B switches one thing at a time, in the order of ``DATA`` and ``RULES``; each
part is the number after the switch less the number before it, so the parts telescope. A part
depends on what was switched before it: the order is part of the answer.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Context, Decimal
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_integer
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.protocols.judge import Pools, headline
from drivetrain.detection.styles import Style

#: What is switched first: the numbers that were judged.
DATA = ("scores", "shapes", "truths")
#: Then the rules, each with its fields of ``Style``, in the order in which an evaluator meets
#: them: which truths and detections count, how overlap is measured and judged, the area.
RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("hierarchy of classes", ("hierarchy",)),
    ("classes not verified", ("federated",)),
    ("crowds", ("crowd",)),
    ("ignore flags", ("honour_ignore",)),
    ("group-of boxes", ("group_of",)),
    ("classes apart", ("per_class",)),
    ("detections an image", ("max_per_image",)),
    ("detections an image and class", ("max_detections",)),
    ("last pixel", ("inclusive",)),
    ("area range", ("areas",)),
    ("thresholds", ("thresholds",)),
    ("threshold itself", ("strict",)),
    ("assignment", ("assignment",)),
    ("truth id 0", ("zero_id_unmatched",)),
    ("interpolation", ("interpolation", "grid", "recalls")),
)
# The shortest decimals of doubles have at most 17 digits, from 1e-324 on: this adds them exactly.
_EXACT = Context(prec=400)


class Judged(Protocol):
    """What is compared: a result, or anything with the same columns."""

    @property
    def truth(self) -> GroundTruth: ...
    @property
    def found(self) -> Detections: ...
    @property
    def style(self) -> Style: ...
    @property
    def task(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Term:
    """One switch of the walk.

    Attributes:
        rule: What was switched, of ``DATA`` or ``RULES``.
        what: From what to what.
        before: The number before.
        after: The number after.
        moved: Detections of which something else became: true, false or ignored, at any
            threshold; at the least one where the thresholds themselves changed.
    """

    rule: str
    what: str
    before: float
    after: float
    moved: int

    @property
    def change(self) -> Decimal:
        """``after - before``, exactly, of the shortest decimals that name the two doubles."""
        return _EXACT.subtract(Decimal(repr(self.after)), Decimal(repr(self.before)))


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The walk from one number to another.

    Attributes:
        names: Of the two styles.
        first: The first number.
        last: The second number.
        terms: The switches, in order; what both have in common is not among them.
    """

    names: tuple[str, str]
    first: float
    last: float
    terms: tuple[Term, ...]

    @property
    def difference(self) -> Decimal:
        """``last - first``, exactly: the sum of the terms' changes."""
        return _EXACT.subtract(Decimal(repr(self.last)), Decimal(repr(self.first)))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; changes as exact decimals in text."""
        return {
            "from": self.names[0],
            "to": self.names[1],
            "first": self.first,
            "last": self.last,
            "difference": format(self.difference, "f"),
            "terms": [
                {
                    "rule": term.rule,
                    "what": term.what,
                    "before": term.before,
                    "after": term.after,
                    "change": format(term.change, "f"),
                    "moved": term.moved,
                }
                for term in self.terms
            ],
        }

    def to_markdown(self, digits: int | None = 5) -> str:
        """Return a table; what is printed sums exactly, whatever the number of digits.

        Args:
            digits: Decimals of the numbers, all of them where None. The numbers are rounded,
                and the parts are the differences of the rounded numbers.

        Raises:
            ValueError: Negative digits.
        """
        if digits is not None:
            check_integer("digits", digits, low=0)
        levels = [_shown(value, digits) for value in (self.first, *(t.after for t in self.terms))]
        lines = ["| rule | what | change | to | detections |", "|---|---|---:|---:|---:|"]
        lines.append(f"| {self.names[0]} | | | {levels[0]:f} | |")
        for term, before, after in zip(self.terms, levels, levels[1:]):
            change = _signed(_EXACT.subtract(after, before))
            lines.append(f"| {term.rule} | {term.what} | {change} | {after:f} | {term.moved} |")
        total = _signed(_EXACT.subtract(levels[-1], levels[0]))
        lines.append(f"| {self.names[1]} | sum | {total} | {levels[-1]:f} | |")
        return "\n".join(lines)


def _signed(change: Decimal) -> str:
    return f"{change:+f}" if change else "0"


def _shown(value: float, digits: int | None) -> Decimal:
    number = Decimal(repr(value))
    if digits is None or number.is_nan():
        return number
    return number.quantize(Decimal(1).scaleb(-digits), context=_EXACT)


def decompose(a: Judged, b: Judged) -> Gap:
    """Return why two results on the same detections differ.

    The numbers are the headlines: mean over thresholds and classes of the area under the curve,
    in the first area range and with the last cap on detections.

    Args:
        a: A result: has ``truth``, ``found``, ``style`` and ``task``.
        b: Another, on the same images and detections; their scores and shapes may differ, as
            they do between tools that round.

    Raises:
        ValueError: Other tasks, or other detections.

    Example:
        >>> from types import SimpleNamespace
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> truth, found = survey_data()
        >>> a, b = (
        ...     SimpleNamespace(truth=truth, found=found, task="bbox", style=survey_style(name))
        ...     for name in ("voc2007", "voc2010")
        ... )
        >>> gap = decompose(a, b)
        >>> [(term.rule, str(term.change)) for term in gap.terms]
        [('interpolation', '-0.02271158792897921')]
    """
    _check_same(a, b)
    start, end = _headline_only(a.style), _headline_only(b.style)
    walk = _Walk(a, start, minimum=min(*start.thresholds, *end.thresholds))
    for rule, what, truth, found in _data_steps(a, b):
        walk.step(rule, what, truth=truth, found=found)
    style = start
    for rule, names in RULES:
        changed = {n: getattr(end, n) for n in names if getattr(end, n) != getattr(style, n)}
        if not changed:
            continue
        what = ", ".join(_words(n, getattr(style, n), value) for n, value in changed.items())
        style = replace(style, **changed)
        walk.step(rule, what, style=style)
    terms = tuple(walk.terms)
    return Gap(names=(a.style.name, b.style.name), first=walk.first, last=walk.level, terms=terms)


class _Walk:
    """Where the walk stands: data, style, number and what became of every detection."""

    def __init__(self, at: Judged, style: Style, *, minimum: float) -> None:
        self.truth, self.found, self.style, self.task = at.truth, at.found, style, at.task
        self.limits = {**getattr(at, "limits", {}), "threads": getattr(at, "threads", None)}
        self.minimum = minimum
        self.pools = self._pools()
        self.level, self.fate = self._judge()
        self.first = self.level
        self.terms: list[Term] = []

    def _pools(self) -> Pools:
        return Pools(self.truth, self.found, self.task, minimum=self.minimum, **self.limits)

    def step(
        self,
        rule: str,
        what: str,
        *,
        truth: GroundTruth | None = None,
        found: Detections | None = None,
        style: Style | None = None,
    ) -> None:
        """Switch one thing and note what came of it."""
        before, fate, thresholds = self.level, self.fate, self.style.thresholds
        if truth is not None or found is not None:
            self.truth = self.truth if truth is None else truth
            self.found = self.found if found is None else found
            self.pools = self._pools()
        self.style = style or self.style
        self.level, self.fate = self._judge()
        moved = fate ^ self.fate
        if thresholds != self.style.thresholds:
            moved &= np.uint32(1)
        self.terms.append(
            Term(
                rule=rule,
                what=what,
                before=before,
                after=self.level,
                moved=int(np.count_nonzero(np.any(moved, axis=0))),
            )
        )

    def _judge(self) -> tuple[float, NDArray[np.uint32]]:
        """Return the headline, and the words of found and ignored thresholds, (2, n)."""
        pool, outcome = self.pools.pool(self.style), self.pools.outcome(self.style)
        fate = np.zeros((2, len(self.found)), np.uint32)
        fate[1] = (1 << len(self.style.thresholds)) - 1
        fate[0, pool.index.detections] = outcome.found[0]
        fate[1, pool.index.detections] = outcome.ignored[0]
        return headline(self.pools, self.style), fate


def _headline_only(style: Style) -> Style:
    """Return the style without the ranges and caps that its headline does not read."""
    return replace(style, areas=style.areas[:1], max_detections=style.max_detections[-1:])


def _words(name: str, old: Any, new: Any) -> str:
    return f"{name.replace('_', ' ')} {_brief(old)} → {_brief(new)}"


def _brief(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, tuple):
        return "all" if value is None else str(value)
    if len(value) == 1:
        one = value[0]
        return "all" if one == 2**31 - 1 else str(one[0] if isinstance(one, tuple) else one)
    return f"{value[0]:g} … {value[-1]:g} ({len(value)})"


def _check_same(a: Judged, b: Judged) -> None:
    if a.task != b.task:
        raise ValueError(f"tasks must be the same. Got {a.task!r} and {b.task!r}.")
    if len(a.found) != len(b.found):
        raise ValueError(
            f"detections must be the same. Got {len(a.found)} and {len(b.found)} of them."
        )
    for name in ("images", "categories"):
        differ = np.flatnonzero(getattr(a.found, name) != getattr(b.found, name))
        if len(differ):
            raise ValueError(
                f"detections must be the same. Got other {name} from entry {differ[0]} on."
            )
    first, second = getattr(a, "limits", {}), getattr(b, "limits", {})
    for name in sorted({*first, *second}):
        if not _equal(first.get(name), second.get(name)):
            raise ValueError(f"{name} must be the same. Got different ones.")


def _data_steps(
    a: Judged, b: Judged
) -> list[tuple[str, str, GroundTruth | None, Detections | None]]:
    """Return rule, words, and the truths or detections to go on with, of what differs."""
    steps: list[tuple[str, str, GroundTruth | None, Detections | None]] = []
    found = a.found
    if not np.array_equal(found.scores, b.found.scores, equal_nan=True):
        what = _rounding("scores", found.scores, b.found.scores)
        found = replace(found, scores=b.found.scores)
        steps.append(("scores", what, None, found))
    if _differing(found, b.found):
        steps.append(("shapes", _rounding("boxes", found.boxes, b.found.boxes), None, b.found))
    names = _differing(a.truth, b.truth)
    if names:
        steps.append(("truths", "other " + ", ".join(names), b.truth, None))
    return steps


def _differing(a: Any, b: Any) -> list[str]:
    """Return the names of the columns that differ; where they come from is none."""
    names = [one.name for one in fields(a) if one.name not in ("source", "places")]
    return [name for name in names if not _equal(getattr(a, name), getattr(b, name))]


def _equal(a: Any, b: Any) -> bool:
    if a is b or a is None or b is None:
        return a is b
    if is_dataclass(a):
        return type(a) is type(b) and not _differing(a, b)
    return bool(np.array_equal(np.asarray(a), np.asarray(b)))


def _rounding(name: str, old: NDArray[Any], new: NDArray[Any]) -> str:
    """Say how the numbers differ: rounded to decimals, to single precision, or otherwise."""
    for one, other, words in ((old, new, "{} to"), (new, old, "{} no more to")):
        for digits in range(10):
            if np.array_equal(np.round(one, digits), other):
                return f"{words.format(name)} {digits} decimals"
        if np.array_equal(one.astype(np.float32).astype(np.float64), other):
            return f"{words.format(name)} single precision"
    return f"other {name}" if not np.array_equal(old, new) else "other shapes"
