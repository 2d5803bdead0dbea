"""Why two protocols disagree on the same detections: a waterfall whose bars sum exactly."""

import math
from decimal import Decimal

from matplotlib.axes import Axes

from drivetrain.detection.protocols import Gap
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE, TEAL
from drivetrain.gallery.page.section import Figure, Number, Table


def figure(gap: Gap) -> Figure | None:
    """Return the waterfall of a gap, and its parts to the last digit; None without numbers."""
    first, last = gap.names
    if math.isnan(gap.first) or math.isnan(gap.last):
        return None
    return Figure(
        title=f"Why {last} says {gap.last:.4f} where {first} says {gap.first:.4f}",
        panels=(waterfall([gap]),) if gap.terms else (),
        caption="One rule is switched at a time, from top to bottom; each bar is the number after "
        "the switch less the number before it, so the bars telescope. A bar depends on what was "
        "switched before it.",
        table=Table(header=("rule", "from, to", "change", "number", "detections"), rows=rows(gap)),
        numbers=(total(gap),),
    )


def rows(gap: Gap) -> tuple[tuple[str, ...], ...]:
    """Return a row a switch: what, the exact change, the number after it, what it moved."""
    return (
        (gap.names[0], "", "", repr(gap.first), ""),
        *(
            (term.rule, term.what, f"{term.change:+f}", repr(term.after), f"{term.moved:,}")
            for term in gap.terms
        ),
        (gap.names[1], "sum", f"{gap.difference:+f}", repr(gap.last), ""),
    )


def total(gap: Gap) -> Number:
    """Return the sum of the parts beside the difference of the two numbers, both exact."""
    changes = [term.change for term in gap.terms]
    return Number(
        what=f"sum of the parts, {gap.names[0]} → {gap.names[1]}",
        ours=f"{sum(changes, Decimal(0)):+f}",
        reference=f"{gap.difference:+f}",
        source="the difference of the two numbers, in exact decimals",
    )


def waterfall(gaps: list[Gap], *, width: int = FULL) -> str:
    """Return the bars of gaps, each of which begins where the one before it ends."""
    bars: list[tuple[str, float, float]] = []
    for gap in gaps:
        bars.append((gap.names[0], 0.0, gap.first))
        bars += [(term.rule, term.before, term.after) for term in gap.terms]
    bars.append((gaps[-1].names[1], 0.0, gaps[-1].last))
    values = [value for _, low, high in bars for value in (low or high, high)]
    least, most = min(values), max(values)
    room = max(most - least, 1e-3)
    totals = {0, len(bars) - 1}
    for gap in gaps[:-1]:
        totals.add(max(totals - {len(bars) - 1}) + len(gap.terms) + 1)

    def paint(ax: Axes) -> None:
        edge = max(least - 0.6 * room, 0.0)
        for place, (_, low, high) in enumerate(bars):
            whole = place in totals
            start = edge if whole else low
            ink = BLUE if whole else TEAL if high >= low else ORANGE
            ax.barh(place, high - start, left=start, color=ink, height=0.62, lw=0)
            if place + 1 < len(bars):
                ax.plot([high, high], [place - 0.31, place + 1.31], color=AXIS, lw=1)
            text = f"{high:.4f}" if whole else f"{high - low:+.4f}".replace("-", "−")
            ax.text(max(low, high) + 0.015 * room, place, text, va="center", color=INK, size=11)
        ax.set_yticks(range(len(bars)), [name for name, _, _ in bars])
        for place, label in enumerate(ax.get_yticklabels()):
            label.set_color(INK if place in totals else MUTED)
        ax.set(xlim=(edge, most + 0.3 * room), ylim=(len(bars) - 0.4, -0.6))
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("mean average precision (the axis does not begin at 0)" if edge else "mAP")

    said = "; ".join(f"{name} {high - low:+.4f}" for name, low, high in bars if low)
    return panel(paint, alt=f"Waterfall: {said}.", width=width, height=70 + 30 * len(bars))
