"""One row explained: from the mean to its margin, feature by feature."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.boosting.tables import Encoded
from drivetrain.gallery.boosting_report.subject import brief, short, signed
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE

SHOWN = 10


def waterfall(encoded: Encoded, row: int, values: NDArray[np.float64]) -> str:
    """Return bars from the base to the margin of a row.

    Args:
        encoded: The table.
        row: Which row.
        values: Its Shapley values and the base, (F + 1,).
    """
    order = np.argsort(-np.abs(values[:-1]), kind="stable")
    kept, rest = order[:SHOWN], order[SHOWN:]
    steps = [(f"{brief(encoded.names[f], 20)} = {_told(encoded, row, f)}", values[f]) for f in kept]
    if len(rest):
        steps.append((f"{len(rest)} others", float(values[rest].sum())))
    base = float(values[-1])

    def paint(ax: Axes) -> None:
        at = base
        ends = [base]
        for place, (_, change) in enumerate(steps):
            ink = ORANGE if change >= 0 else BLUE
            ax.barh(place, change, left=at, color=ink, height=0.62, lw=0)
            ax.vlines(at + change, place - 0.31, place + 1.31, color=AXIS, lw=1)
            at += change
            ends.append(at)
        low, high = min(ends), max(ends)
        span = (high - low) or 1.0
        for place, (_, change) in enumerate(steps):
            edge = max(ends[place], ends[place + 1]) + 0.012 * span
            ax.text(edge, place, signed(change, 3), va="center", size=10, color=MUTED)
        ax.axvline(base, color=AXIS, lw=1, ls=(0, (3, 3)))
        ax.set_yticks(range(len(steps)), [name for name, _ in steps], color=INK)
        ax.set(xlim=(low - 0.06 * span, high + 0.13 * span), ylim=(len(steps) - 0.4, -0.6))
        ax.grid(axis="y", visible=False)
        ax.set_xlabel(f"margin: from {short(base)}, the mean, to {short(at)}")

    said = ", ".join(f"{name} {change:+.3g}" for name, change in steps[:4])
    return panel(paint, alt=f"Row {row}: {said}.", width=FULL, height=80 + 27 * len(steps))


def _told(encoded: Encoded, row: int, feature: int) -> str:
    value = float(encoded.x[row, feature])
    if np.isnan(value):
        return "missing"
    words = encoded.categories[feature]
    return brief(words[int(value)], 16) if words else short(value)
