"""Why two numbers differ: between two protocols, or between two detectors."""

import math
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from drivetrain.commands.scores.kept import Kept
from drivetrain.commands.scores.printed import print_rows, shown

if TYPE_CHECKING:
    from drivetrain.detection.bootstrap import Interval
    from drivetrain.detection.protocols import Gap
    from drivetrain.detection.result import Result

_DIGITS = Decimal("0.00001")


def gaps(results: "Mapping[str, Result]") -> "list[Gap]":
    """Take apart the difference between the first style and each other, where both have one."""
    from drivetrain.detection.protocols import decompose

    first = next(iter(results.values()))
    others = islice(results.values(), 1, None)
    return [decompose(first, other) for other in others if _known(first) and _known(other)]


def differences(
    results: "Mapping[str, Result]", others: "Mapping[str, Result]", *, resamples: int
) -> "dict[str, Interval]":
    """Return the paired interval of each style's difference, where both have a number."""
    return {
        name: results[name].bootstrap(resamples, theirs, random_state=0)
        for name, theirs in others.items()
        if _known(results[name]) and _known(theirs)
    }


def print_gaps(found: "Iterable[Gap]") -> None:
    """Print each gap, rule by rule. The changes are of the rounded numbers, so they sum."""
    for gap in found:
        first, last = gap.names
        print(f"from {first} to {last}, one rule at a time")
        rows = [(first, "", "", f"{_rounded(gap.first)}")]
        for term in gap.terms:
            change = _rounded(term.after) - _rounded(term.before)
            rows.append((term.rule, term.what, f"{change:+}", f"{_rounded(term.after)}"))
        total = _rounded(gap.last) - _rounded(gap.first)
        rows.append((last, "sum of the changes", f"{total:+}", f"{_rounded(gap.last)}"))
        print_rows(("rule", "what", "change", "number"), rows, words=("what",))


def print_differences(kept: Kept) -> None:
    """Say how much better one detector is than the other, and how sure that is."""
    if not kept.others:
        return
    ours, theirs = (next(iter(each.values())) for each in (kept.results, kept.others))
    names = [os.path.basename(one.found.source) for one in (ours, theirs)]
    print(f"{names[0]} less {names[1]}")
    rows = []
    for name, result in kept.results.items():
        values = [shown(one.numbers[0].value) for one in (result, kept.others[name])]
        interval = kept.differences.get(name)
        said = ("–", "–", "–")
        if interval is not None:
            said = (
                f"{interval.estimate:+.4f}",
                f"{interval.low:+.4f} to {interval.high:+.4f}",
                f"{interval.share_above_zero:.1%}",
            )
        rows.append((name, *values, *said))
    print_rows(("style", "first", "second", "difference", "95 % interval", "first leads in"), rows)
    if kept.differences:
        n = len(next(iter(kept.differences.values())).replicates)
        print(f"interval: {n:,} resamples of the images, the same ones for both detectors")


def _rounded(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(_DIGITS)


def _known(result: "Result") -> bool:
    return not math.isnan(result.numbers[0].value)
