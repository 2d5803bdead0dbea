"""The metric after each round, on the fitted rows and on those held out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from drivetrain.gallery.boosting_report.subject import Subject, short
from drivetrain.gallery.page.draw import FULL, HALF, end_labels, panel, thin
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE, PAPER
from drivetrain.gallery.page.section import Figure

_INKS = (MUTED, BLUE)


def figure(subject: Subject) -> Figure | None:
    """Return a panel a metric; None where nothing was watched."""
    history = subject.history
    if not history or not any(history[name] for name in history):
        return None
    held = list(history)[-1]
    metric = list(history[held])[-1]
    best = len(subject.model) - 1
    values = history[held][metric]
    # A model grown further has rounds of which nothing was seen.
    before = max(0, best + 1 - len(values))
    at = min(max(best - before, 0), len(values) - 1)
    wide = FULL if len(history[held]) == 1 else HALF
    return Figure(
        title=f"{metric} {values[at]:.5g} on the held-out rows after {best + 1} rounds",
        panels=tuple(
            _panel({name: history[name][one] for name in history}, one, at, before, wide)
            for one in history[held]
        ),
        caption="Fitted rows (a sample of at most 20,000) and held-out rows, round by round. The "
        f"ring marks the round that the model stops at; {len(values)} were grown.",
    )


def _panel(
    curves: dict[str, Sequence[float]], metric: str, at: int, before: int, width: int
) -> str:
    def paint(ax: Axes) -> None:
        labels = []
        for ink, (name, values) in zip(_INKS, curves.items()):
            places = thin(len(values))
            ax.plot(places + 1 + before, np.asarray(values)[places], color=ink)
            labels.append((values[-1], name, ink))
        rounds = len(next(iter(curves.values())))
        ax.set_xlim(before + min(1, rounds - 0.5), before + max(rounds, 2))
        last = list(curves.values())[-1]
        ax.axvline(at + 1 + before, color=AXIS, lw=1)
        ax.plot(at + 1 + before, last[at], "o", mfc="none", mec=ORANGE, mew=2, ms=10)
        ax.annotate(
            f"{short(last[at])} in round {at + 1 + before}",
            (at + 1 + before, last[at]), xytext=(-8, 14), textcoords="offset points",
            ha="right" if at > rounds / 3 else "left", color=INK, size=11,
            bbox={"fc": PAPER, "ec": "none", "pad": 1, "alpha": 0.85},
        )  # fmt: skip
        ax.set(xlabel="rounds")
        ax.set_title(metric)
        ax.margins(y=0.14)
        ax.autoscale_view(scalex=False)
        end_labels(ax, labels)

    said = "; ".join(f"{name} ends at {values[-1]:.4g}" for name, values in curves.items())
    return panel(paint, alt=f"{metric} by round: {said}.", width=width, height=300)
