"""Whether probabilities are what they say, and which class is taken for which."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.gallery.boosting_report.subject import Subject, brief
from drivetrain.gallery.page.draw import FULL, HALF, heat, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, GRID, INK, MUTED, ORANGE
from drivetrain.gallery.page.section import Figure

Floats = NDArray[np.float64]
BINS, LEAST, MATRIX = 10, 20, 16


def figures(subject: Subject) -> list[Figure]:
    """Return the figures of classes; none for other tasks."""
    if subject.task != "classes":
        return []
    return [_calibration(subject), _confusion(subject)]


def binned(said: Floats, right: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean probability, share that came true and rows, for tenths of rows by probability.

    Fewer parts where a tenth would be less than 20 rows.

    Example:
        >>> said, true, rows = binned(np.repeat([0.2, 0.9], 20), np.repeat([0.0, 1.0], [10, 30]))
        >>> true.tolist(), rows.tolist()
        ([0.5, 1.0], [20.0, 20.0])
    """
    # Bins of equal counts; equal probabilities stay together.
    parts = int(np.clip(len(said) // LEAST, 1, BINS))
    edges = np.unique(np.quantile(said, np.arange(1, parts) / parts, method="inverted_cdf"))
    place = np.searchsorted(edges, said, side="left")
    _, place = np.unique(place, return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    return np.bincount(place, said) / rows, np.bincount(place, right) / rows, rows


def _calibration(subject: Subject) -> Figure:
    p, target = subject.answers, subject.held.target.astype(np.int64)
    two = p.shape[1] == 2
    said = p[:, 1] if two else p.max(axis=1)
    right = (target == 1 if two else p.argmax(axis=1) == target).astype(np.float64)
    mean, true, rows = binned(said, right)
    off = float(np.average(np.abs(mean - true), weights=rows))
    what = f"of {brief(subject.class_names[1])}" if two else "of the likeliest class"
    panels = [
        _reliability(mean, true, rows, what),
        _histogram(said, right, subject.class_names if two else None),
    ]
    return Figure(
        title=f"Probabilities {what} are off by {off:.1%} on the mean",
        panels=tuple(panels),
        caption=f"{len(p):,} held-out rows in parts of equal size by the probability they were "
        "given: how often it came true. The bars span two standard errors of a share of so many "
        "rows; on the line, the probabilities are what they say.",
    )


def _reliability(mean: Floats, true: Floats, rows: Floats, what: str) -> str:
    def paint(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], color=AXIS, lw=1)
        error = 2 * np.sqrt(np.maximum(mean * (1 - mean), 1e-12) / rows)
        ax.vlines(
            mean, np.clip(true - error, 0, 1), np.clip(true + error, 0, 1), color=BLUE, alpha=0.4
        )
        ax.plot(mean, true, "o-", color=BLUE, ms=6, lw=1.4)
        ax.set(
            xlim=(0, 1), ylim=(0, 1.02), xlabel="probability given", ylabel="share that came true"
        )
        ax.set_title(f"calibration {what}")

    said = ", ".join(f"{a:.2f} came true {b:.2f}" for a, b in zip(mean, true))
    return panel(paint, alt=f"Reliability: {said}.", width=HALF, height=320)


def _histogram(said: Floats, right: Floats, classes: tuple[str, ...] | None) -> str:
    edges = np.linspace(0 if classes else said.min(), 1, 31)
    names = (brief(classes[1]), brief(classes[0])) if classes else ("right", "wrong")

    def paint(ax: Axes) -> None:
        for which, ink, name in ((1, BLUE, names[0]), (0, ORANGE, names[1])):
            counts, _ = np.histogram(said[right == which], edges)
            ax.stairs(counts, edges, color=ink, lw=1.8, label=name)
            ax.stairs(counts, edges, color=ink, alpha=0.15, fill=True)
        ax.set(xlim=(edges[0], 1), xlabel="probability given", ylabel="rows")
        ax.set_title("how sure it is")
        ax.legend(frameon=False, fontsize=11, labelcolor=MUTED, loc="upper center")

    return panel(
        paint, alt=f"Histogram of {len(said)} probabilities, median {np.median(said):.3f}.",
        width=HALF, height=320,
    )  # fmt: skip


def _confusion(subject: Subject) -> Figure:
    p, target = subject.answers, subject.held.target.astype(np.int64)
    count = p.shape[1]
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (target, p.argmax(axis=1)), 1)
    wrong = matrix - np.diag(np.diag(matrix))
    title = "No class is taken for another"
    if wrong.any():
        i, j = divmod(int(wrong.argmax()), count)
        title = (
            f"The commonest mistake: {brief(subject.class_names[i])} taken for "
            f"{brief(subject.class_names[j])}, {wrong[i, j]:,} of {matrix[i].sum():,}"
        )
    panels: tuple[str, ...] = (_matrix(subject, matrix),) if count <= MATRIX else ()
    if count == 2 and 0 < target.sum() < len(target):
        panels += (_roc(p[:, 1], target, subject.class_names),)
    return Figure(
        title=title,
        panels=panels,
        caption="Rows: the truth. Columns: the likeliest class."
        + (" Its curve: every threshold's share of each class found." if count == 2 else ""),
    )


def _matrix(subject: Subject, matrix: NDArray[np.int64]) -> str:
    count = len(matrix)
    names = [brief(name, 12) for name in subject.class_names]
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    def paint(ax: Axes) -> None:
        heat(
            ax, np.where(matrix > 0, share, np.nan), low=0, high=1, rows=names,
            columns=[brief(name, 12 if count <= 4 else 6) for name in names],
            write=lambda i, j, _: f"{matrix[i, j]:,}",
        )  # fmt: skip
        ax.set(xlabel="predicted", ylabel="truth")

    return panel(
        paint, alt=f"Confusion matrix: {np.trace(matrix)} of {matrix.sum()} rows are right.",
        width=HALF if count <= 6 else FULL, height=320 if count <= 6 else 90 + 30 * count,
    )  # fmt: skip


def _roc(said: Floats, target: NDArray[np.int64], names: tuple[str, ...]) -> str:
    from sklearn.metrics import roc_auc_score, roc_curve

    false, true, _ = roc_curve(target, said)
    area = float(roc_auc_score(target, said))

    def paint(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], color=GRID, lw=1)
        ax.plot(false, true, color=BLUE)
        ax.fill_between(false, true, color=BLUE, alpha=0.1, lw=0)
        ax.text(0.97, 0.06, f"area {area:.4f}", ha="right", color=INK)
        ax.set(xlim=(0, 1), ylim=(0, 1.02))
        ax.set(
            xlabel=f"share of {brief(names[0])} raised", ylabel=f"share of {brief(names[1])} found"
        )
        ax.set_title("ROC curve")

    return panel(paint, alt=f"ROC curve, area {area:.3f}.", width=HALF, height=320)
