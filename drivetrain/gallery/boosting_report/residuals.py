"""How predictions of numbers miss: against the prediction, and how far."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.gallery.boosting_report.subject import Subject, brief, signed
from drivetrain.gallery.page.draw import HALF, dots, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE
from drivetrain.gallery.page.section import Figure

Floats = NDArray[np.float64]
DOTS, BINS, LEAST = 900, 12, 20


def figure(subject: Subject, seed: int) -> Figure | None:
    """Return residuals against predictions, and their histogram; None for other tasks."""
    if subject.task not in ("number", "levels"):
        return None
    p, target = subject.answers, subject.held.target.astype(np.float64)
    middle = p[:, p.shape[1] // 2]
    off = target - middle
    low, high = np.quantile(off, [0.05, 0.95])
    inside = "" if p.shape[1] < 2 else _inside(p, target)
    return Figure(
        title=f"Nine rows in ten are between {signed(low)} and {signed(high)} from the prediction",
        panels=(_against(middle, target, seed, subject.target), _histogram(off)),
        caption="Held-out rows. Left: target against prediction; the bars hold four fifths of the "
        "targets in parts of equal size by prediction, the dot is their median; on the line, "
        "predictions are right. Right: target less prediction, without the outermost hundredth."
        + inside,
    )


def _inside(p: Floats, target: Floats) -> str:
    share = np.mean((target >= p[:, 0]) & (target <= p[:, -1]))
    return f" {share:.1%} of the targets lie between the outer levels."


def _against(p: Floats, target: Floats, seed: int, name: str) -> str:
    rows = np.random.default_rng(seed).permutation(len(p))[:DOTS]
    shown = np.concatenate([p, target])
    low, high = np.quantile(shown, [0.005, 0.995])
    pad = 0.04 * (high - low) or 1.0
    parts = int(np.clip(len(p) // LEAST, 1, BINS))
    edges = np.unique(np.quantile(p, np.arange(1, parts) / parts))
    place = np.searchsorted(edges, p)

    def paint(ax: Axes) -> None:
        ends = (low - pad, high + pad)
        kept = rows[(np.abs(target[rows] - (low + high) / 2) <= (high - low) / 2 + pad)]
        dots(ax, np.clip(p[kept], *ends), target[kept], color=BLUE, alpha=0.3, size=3)
        ax.plot(ends, ends, color=AXIS, lw=1)
        for k in np.unique(place):
            own = place == k
            at, (a, b, c) = np.median(p[own]), np.quantile(target[own], [0.1, 0.5, 0.9])
            ax.vlines(at, a, c, color=ORANGE, lw=2)
            ax.plot(at, b, "o", color=ORANGE, ms=5)
        ax.set(xlim=ends, ylim=ends, xlabel="prediction", ylabel=brief(name, 30))
        ax.set_title("target against prediction")

    r = float(np.corrcoef(p, target)[0, 1]) if np.ptp(p) and np.ptp(target) else 0.0
    return panel(
        paint, alt=f"Target against prediction, correlation {r:.3f}.", width=HALF, height=330
    )


def _histogram(off: Floats) -> str:
    low, high = np.quantile(off, [0.005, 0.995])
    if high <= low:
        low, high = low - 1, high + 1

    def paint(ax: Axes) -> None:
        counts, edges = np.histogram(off, int(np.clip(len(off) // 8, 5, 48)), (low, high))
        ax.stairs(counts, edges, color=BLUE, fill=True, alpha=0.35)
        ax.stairs(counts, edges, color=BLUE, lw=1.4)
        ax.axvline(0, color=AXIS, lw=1)
        middle = float(np.median(off))
        ax.axvline(middle, color=ORANGE, lw=1.4)
        words = f"median {signed(middle, 3)} "
        ax.text(0.98, 0.97, words, color=ORANGE, ha="right", va="top", transform=ax.transAxes)
        ax.set(xlim=(low, high), xlabel="target − prediction", ylabel="rows")
        ax.yaxis.label.set_color(MUTED)
        ax.set_title("residuals", color=INK)

    return panel(
        paint, alt=f"Histogram of residuals, standard deviation {off.std():.4g}.",
        width=HALF, height=330,
    )  # fmt: skip
