"""Average precision class by class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from drivetrain.detection.result import Result
from drivetrain.detection.summaries import ClassScore
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import BLUE, GOLD, GRID, INK, MUTED
from drivetrain.gallery.page.section import Figure, Table

# Beyond this many classes the middle ones are a line, not bars.
BARS, EDGE = 40, 12


def figure(result: Result) -> Figure:
    """Return bars of the classes' AP, best first, and the table of them all."""
    classes = result.per_class()
    known = sorted((one for one in classes if not np.isnan(one.ap)), key=lambda one: -one.ap)
    without = [one for one in classes if np.isnan(one.ap)]
    panels = []
    if len(known) > BARS:
        panels.append(_sorted_line(known))
    if known:
        chosen = known if len(known) <= BARS else known[:EDGE] + known[-EDGE:]
        panels.append(_bars(chosen, cut=EDGE if len(known) > BARS else None))
    words = (
        f" {len(without)} of {len(classes)} classes have no truths to be found: their AP is "
        "undefined and in no mean."
        if without
        else ""
    )
    return Figure(
        title=_title(known, len(classes)),
        panels=tuple(panels),
        caption=f"Mean over the thresholds of {result.style.name}; the tick marks AP at IoU .50."
        + (f" The {EDGE} best and the {EDGE} worst have bars." if len(known) > BARS else "")
        + words,
        table=Table(
            header=("class", "AP", "AP50", "AR", "truths", "detections"),
            rows=tuple(_row(one) for one in known + without),
        ),
    )


def _title(known: Sequence[ClassScore], n_classes: int) -> str:
    if not known:
        return "No class has truths, so no class has an AP"
    if len(known) == 1:
        return f"One class with truths{'' if n_classes == 1 else f' of {n_classes}'}"
    best, worst = known[0], known[-1]
    return (
        f"From {_name(worst)} ({worst.ap:.3f}) to {_name(best)} ({best.ap:.3f}): "
        f"AP of {len(known)} classes"
    )


def _name(one: ClassScore, longest: int = 26) -> str:
    name = one.name or str(one.id)
    return name if len(name) <= longest else name[: longest - 3] + "..."


def _row(one: ClassScore) -> tuple[str, ...]:
    cells = ("–" if np.isnan(value) else f"{value:.4f}" for value in (one.ap, one.ap50, one.ar))
    return (one.name or str(one.id), *cells, f"{one.n_truths:,}", f"{one.n_detections:,}")


def _bars(chosen: Sequence[ClassScore], *, cut: int | None) -> str:
    def paint(ax: Axes) -> None:
        places = [n + (0.8 if cut is not None and n >= cut else 0) for n in range(len(chosen))]
        for place, one in zip(places, chosen, strict=True):
            ax.barh(place, 1, color=GRID, height=0.62, lw=0, alpha=0.5)
            ax.barh(place, one.ap, color=BLUE, height=0.62, lw=0)
            if not np.isnan(one.ap50):
                ax.plot([one.ap50] * 2, [place - 0.4, place + 0.4], color=GOLD, lw=2)
            ax.text(1.015, place, f"{one.ap:.3f}", color=MUTED, va="center", size=10)
        ax.set_yticks(places, [_name(one) for one in chosen], color=INK)
        ax.set(xlim=(0, 1), ylim=(places[-1] + 0.6, -0.6))
        ax.grid(axis="y", visible=False)
        ax.set_title("AP of each class" if cut is None else "the best and the worst")

    said = ", ".join(f"{_name(one)} {one.ap:.2f}" for one in chosen[:6])
    height = round(70 + 21 * (len(chosen) + (cut is not None)))
    return panel(paint, alt=f"Bars of AP a class: {said}.", width=FULL, height=height)


def _sorted_line(known: Sequence[ClassScore]) -> str:
    ap = [one.ap for one in known]

    def paint(ax: Axes) -> None:
        ax.fill_between(range(len(ap)), ap, color=BLUE, alpha=0.25, lw=0)
        ax.plot(range(len(ap)), ap, color=BLUE)
        ax.axhline(float(np.mean(ap)), color=GOLD, lw=1.4)
        ax.text(len(ap) - 1, float(np.mean(ap)), "mean ", color=GOLD, ha="right", va="bottom")
        ax.set(xlim=(0, len(ap) - 1), ylim=(0, 1), xlabel="classes, best first")
        ax.set_title(f"AP of all {len(ap)} classes")

    return panel(paint, alt=f"AP of {len(ap)} classes, sorted.", width=FULL, height=220)
