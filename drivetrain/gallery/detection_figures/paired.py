"""Is A better than B? It depends on the protocol, and the images say how surely."""

import numpy as np
from matplotlib.axes import Axes

from drivetrain.detection import evaluate
from drivetrain.detection.bootstrap import Interval
from drivetrain.gallery.detection_figures.task import A, B, task
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE
from drivetrain.gallery.page.section import Figure, Table

STYLES = ("coco", "voc2007", "voc2010", "ultralytics")
RESAMPLES = 1000


def figure(seed: int) -> Figure:
    """Return the figure: the difference under four protocols, each with its interval."""
    here = task(seed)
    ours, theirs = (evaluate(here.truth, here.found[name], style=STYLES) for name in (A, B))
    paired = {
        name: ours[name].bootstrap(RESAMPLES, theirs[name], random_state=seed) for name in STYLES
    }
    alone = {name: ours[name].bootstrap(RESAMPLES, random_state=seed) for name in STYLES}
    rows = tuple(
        (
            name,
            f"{ours[name].ap:.4f}",
            f"{theirs[name].ap:.4f}",
            f"{one.estimate:+.4f}",
            f"{one.low:+.4f} to {one.high:+.4f}",
            f"{one.share_above_zero:.1%}",
            f"{one.standard_error / alone[name].standard_error:.2f} ×",
        )
        for name, one in paired.items()
    )
    surely = [name for name, one in paired.items() if one.low > 0]
    against = [name for name, one in paired.items() if one.high < 0]
    return Figure(
        title=_title(surely, against),
        panels=(_intervals(paired),),
        caption=f"A less B in mean average precision: the estimate and its 95 % interval from "
        f"{RESAMPLES:,} resamples of the 200 images, the same ones for both. A's boxes are exact "
        "where it finds anything, which the high thresholds of COCO reward; B finds more, which "
        "counts at IoU .50.",
        table=Table(
            header=("protocol", A, B, "A − B", "95 % interval", "A leads in", "error / A's own"),
            rows=rows,
            note="The last column: the standard error of the difference over that of A alone. "
            "Unpaired draws would give about 1.4.",
        ),
        sources=(here.source,),
    )


def _title(surely: list[str], against: list[str]) -> str:
    if surely and against:
        return f"A is better by {' and '.join(surely)}, B by {' and '.join(against)}, both surely"
    if surely or against:
        return f"{'A' if surely else 'B'} is surely better by {' and '.join(surely or against)}"
    return "No protocol tells A from B beyond chance"


def _intervals(paired: dict[str, Interval]) -> str:
    def paint(ax: Axes) -> None:
        for place, one in enumerate(paired.values()):
            ink = BLUE if one.low > 0 else ORANGE if one.high < 0 else MUTED
            known = one.replicates[~np.isnan(one.replicates)]
            spots = place + 0.4 * (np.arange(len(known)) * 0.618 % 1 - 0.5)
            ax.plot(known[::4], spots[::4], ".", color=AXIS, ms=2)
            ax.plot([one.low, one.high], [place, place], color=ink, lw=3)
            ax.plot(one.estimate, place, "o", color=ink, ms=8)
            words = f"{one.estimate:+.3f}".replace("-", "−")
            ax.text(one.high + 0.004, place - 0.3, words, color=INK, size=11)
        ax.axvline(0, color=INK, lw=1)
        ax.set_yticks(range(len(paired)), list(paired))
        ax.set(ylim=(len(paired) - 0.5, -0.6), xlabel="B better   ←   A − B   →   A better")
        ax.grid(axis="y", visible=False)

    said = "; ".join(f"{name} {one.estimate:+.3f}" for name, one in paired.items())
    return panel(paint, alt=f"Difference of A and B: {said}.", width=FULL, height=240)
