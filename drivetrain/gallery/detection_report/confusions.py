"""Which class is taken for which."""

import numpy as np
from matplotlib.axes import Axes

from drivetrain.detection.protocols import Confusion, confusion
from drivetrain.detection.result import Result
from drivetrain.gallery.detection_report.scenes import best_score
from drivetrain.gallery.page.draw import FULL, heat, panel
from drivetrain.gallery.page.palette import ORANGE
from drivetrain.gallery.page.section import Figure, Table

# More classes than this do not fit a matrix that can be read.
MATRIX, PAIRS = 20, 24


def figure(result: Result) -> Figure | None:
    """Return the confusion matrix, or the commonest confusions of many classes."""
    if not len(result.truth) or not len(result.found):
        return None
    score = best_score(result)
    found = confusion(result, score=score, iou=0.5)
    pairs = found.worst(PAIRS)
    title = "No class is taken for another"
    if pairs:
        truth, other, times = pairs[0]
        title = f"The commonest confusion: {truth} taken for {other}, {_times(times)}"
    few = len(found.category_ids) <= MATRIX
    return Figure(
        title=title,
        panels=(matrix_panel(found),) if few else (),
        caption=("Rows: the truth's class. Columns: what was said. " if few else "")
        + f"Detections scored {score:.3f} or more (the best F1), paired at IoU .50 by falling "
        "overlap, whatever their class; what the protocol ignores is left out. Background: truths "
        "that nothing was paired with, and detections of nothing.",
        table=None
        if few
        else Table(
            header=("truth", "taken for", "times"),
            rows=tuple((truth, other, f"{times:,}") for truth, other, times in pairs),
        ),
    )


def matrix_panel(found: Confusion) -> str:
    """Return the matrix, shaded by the share of each row."""
    share = found.normalised()
    n = len(found.names)
    names = [name if len(name) <= 12 else name[:11] + "…" for name in found.names]

    def paint(ax: Axes) -> None:
        heat(
            ax,
            np.where(found.matrix > 0, share, np.nan),
            columns=[name if n <= 14 else name[:5] for name in names],
            rows=names,
            low=0,
            high=1,
            write=lambda row, column, _: f"{found.matrix[row, column]:,}",
        )
        ax.axhline(n - 1.5, color=ORANGE, lw=1)
        ax.axvline(n - 1.5, color=ORANGE, lw=1)
        ax.set(xlabel="detected as", ylabel="truth")

    right = int(np.trace(found.matrix[:-1, :-1]))
    return panel(
        paint,
        alt=f"Confusion matrix of {n - 1} classes: {right} detections of the right class.",
        width=FULL if n > 8 else FULL // 2,
        height=90 + 26 * n,
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
