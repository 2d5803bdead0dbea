"""Precision against recall, raw and as three protocols read it."""

import numpy as np
from matplotlib.axes import Axes

from drivetrain.detection.pr_curve import Curve
from drivetrain.detection.result import Result
from drivetrain.gallery.page.draw import HALF, THIRD, panel, thin
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE, TEAL
from drivetrain.gallery.page.section import Figure, Table

READINGS = {"11-point": ORANGE, "all-point": TEAL, "101-point": BLUE}
PROTOCOLS = {"11-point": "VOC 2007", "all-point": "VOC 2010", "101-point": "COCO"}
SHOWN, BEHIND = 4, 30


def figure(result: Result) -> Figure | None:
    """Return the curves of the classes with most truths and of their mean; None without truths."""
    counted = sorted(
        (one for one in result.per_class() if one.n_truths), key=lambda one: -one.n_truths
    )
    if not counted:
        return None
    threshold = result.style.thresholds[0]
    named = {one.name or str(one.id): result.pr_curve(one.id) for one in counted[:BEHIND]}
    few = dict(list(named.items())[:SHOWN])
    panels = [mean_panel(list(named.values()))] if len(named) > 1 else []
    panels += [
        # Two halves fill a row, then three thirds.
        curve_panel(curve, name, width=THIRD if place and len(few) == SHOWN else HALF)
        for place, (name, curve) in enumerate(few.items())
    ]
    rest = ""
    if len(named) > 1:
        rest = f" Of {len(counted)} classes, the {len(few)} with most truths. The mean is over "
        rest += f"{len(named)} classes, a faint line each."
    return Figure(
        title=f"Precision against recall at IoU {threshold:g}, under three interpolations",
        panels=tuple(panels),
        caption="Each detection, by falling score, moves the grey line. The protocols average its "
        "upper envelope: VOC 2007 at the orange rings, COCO at the blue dots, VOC 2010 under the "
        f"whole green stairs.{rest}",
        table=_table(named),
    )


def _table(named: dict[str, Curve]) -> Table:
    def cells(curve: Curve) -> list[str]:
        f1, score = curve.best_f1()
        return [
            *(f"{curve.ap[reading]:.4f}" for reading in READINGS),
            *("–" if np.isnan(value) else f"{value:.3f}" for value in (f1, score)),
        ]

    return Table(
        header=("class", *PROTOCOLS.values(), "best F1", "at score"),
        rows=tuple((name, *cells(curve)) for name, curve in list(named.items())[:SHOWN]),
        note="Area under the curve as each protocol takes it.",
    )


def mean_panel(curves: list[Curve], *, width: int = HALF) -> str:
    """Return the mean curve over classes at each recall, with the classes' own behind it."""
    at = np.linspace(0, 1, 101)
    each = np.array([curve.interpolated["101-point"][1] for curve in curves])
    mean = each.mean(0)

    def paint(ax: Axes) -> None:
        for line in each:
            ax.plot(at, line, color=AXIS, lw=0.8, alpha=0.6)
        ax.plot(at, mean, color=BLUE)
        _frame(ax, "mean over classes")

    alt = f"Mean precision over {len(curves)} classes, {mean.mean():.2f} on average over recalls."
    return panel(paint, alt=alt, width=width, height=250)


def curve_panel(curve: Curve, name: str, *, width: int = HALF, height: int = 250) -> str:
    """Return one class's curve: each detection's point, and what the interpolations take."""

    def paint(ax: Axes) -> None:
        spots = thin(len(curve.recall), 300)
        ax.plot(curve.recall[spots], curve.precision[spots], color=MUTED, lw=1, alpha=0.8)
        draw_readings(ax, curve)
        _frame(ax, name, longest=width // 9)

    areas = ", ".join(f"{PROTOCOLS[key]} {ap:.3f}" for key, ap in curve.ap.items())
    return panel(
        paint, alt=f"Precision against recall, {name}: {areas}.", width=width, height=height
    )


def draw_readings(ax: Axes, curve: Curve) -> None:
    """Draw the three interpolations: steps, and the dots where a protocol looks."""
    recalls, precision = curve.interpolated["all-point"]
    ax.plot(recalls, precision, color=READINGS["all-point"], lw=1.6, label="VOC 2010: all points")
    recalls, precision = curve.interpolated["101-point"]
    ax.plot(recalls, precision, ".", color=READINGS["101-point"], ms=2.6, label="COCO: 101 points")
    recalls, precision = curve.interpolated["11-point"]
    ax.plot(
        recalls,
        precision,
        "o",
        color=READINGS["11-point"],
        ms=5.5,
        mfc="none",
        label="VOC 2007: 11",
    )


def _frame(ax: Axes, title: str, longest: int = 40) -> None:
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05), xlabel="recall", ylabel="precision")
    ax.set_title(title if len(title) <= longest else title[: longest - 1] + "…", color=INK)
