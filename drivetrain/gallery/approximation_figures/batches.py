"""Gradient descent by batches: figure 6.5 of Zhao's book, its closed forms, its relative error."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from drivetrain.approximation import Descent, gradient_descent, relative_gradient_error
from drivetrain.gallery.page.draw import log_axis, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Number

Array = NDArray[np.float64]
COUNT, STEPS, START = 100, 30, (50.0, 50.0)
COLOURS = {1: ORANGE, 5: TEAL, 50: BLUE}


def figure(seed: int) -> Figure:
    """Return the figure: paths, distances, BGD beside MBGD with m = n, relative errors."""
    samples = np.random.default_rng(seed).uniform(-10, 10, size=(COUNT, 2))
    streams = {m: np.random.default_rng((seed, m)) for m in COLOURS}
    runs = {
        m: gradient_descent(samples, START, mode="mbgd", m=m, steps=STEPS, random_state=stream)
        for m, stream in streams.items()
    }
    whole = gradient_descent(samples, START, mode="bgd", steps=STEPS)
    redrawn = gradient_descent(samples, START, mode="mbgd", m=COUNT, steps=STEPS, random_state=seed)
    return Figure(
        title="Far from the mean one sample is as good as all; near it, noise is all that is left",
        panels=(
            _paths_panel(samples, runs),
            _distance_panel(samples, runs),
            _whole_panel(samples, whole, redrawn),
            _error_panel(samples, runs),
        ),
        caption="The mean of 100 points, uniform on a square of side 20, by gradient descent from "
        "(50, 50) with gain 1/k and mini-batches of m drawn with replacement. Third: BGD uses "
        "every point and is done in one step; a mini-batch of n = 100 draws repeats points, so "
        "it is not BGD. Fourth: how far a step's gradient is from the full one, relatively.",
        numbers=_numbers(samples, runs, whole),
    )


def _numbers(samples: Array, runs: dict[int, Descent], whole: Descent) -> tuple[Number, ...]:
    mean = samples.mean(axis=0)
    rows = [
        Number(
            what="BGD: distance to the mean after 1 step",
            ours=f"{np.linalg.norm(whole.path[1] - mean):.1e}",
            reference="0",
            source="closed form: the mean itself",
        )
    ]
    for m, run in runs.items():
        means = samples[run.indices].mean(axis=1)
        closed = np.cumsum(means, axis=0) / np.arange(1, STEPS + 1)[:, None]
        rows.append(
            Number(
                what=f"m = {m}: distance to the closed form, all steps",
                ours=f"{np.abs(run.path[1:] - closed).max():.1e}",
                reference="0",
                source="mean of the batch means so far",
            )
        )
    return tuple(rows)


def _distance(samples: Array, run: Descent) -> Array:
    return np.asarray(np.linalg.norm(run.path - samples.mean(axis=0), axis=1))


def _paths_panel(samples: Array, runs: dict[int, Descent]) -> str:
    def paint(ax: Axes) -> None:
        ax.add_patch(Rectangle((-10, -10), 20, 20, fill=False, ec=AXIS, lw=1))
        ax.plot(*samples.T, "o", color=AXIS, ms=2.5)
        for m, run in runs.items():
            ax.plot(*run.path.T, color=COLOURS[m], lw=1.5, marker="o", ms=3)
        ax.plot(*samples.mean(axis=0), "+", color=INK, ms=11, mew=1.5)
        ax.set(xlim=(-13, 53), ylim=(-13, 53), xticks=[-10, 0, 20, 40], yticks=[-10, 0, 20, 40])
        ax.set_title("Paths of w")
        for place, (m, colour) in enumerate(COLOURS.items()):
            ax.text(0.04, 0.92 - 0.085 * place, f"m = {m}", color=colour, transform=ax.transAxes)
        ax.text(44, 51, "start", color=INK, ha="right", va="top")

    return panel(
        paint,
        alt="Paths jump from (50, 50) into the square in one step and then wander "
        "around the mean; the smaller the batch, the more.",
        height=300,
    )


def _distance_panel(samples: Array, runs: dict[int, Descent]) -> str:
    def paint(ax: Axes) -> None:
        for place, (m, run) in enumerate(runs.items()):
            ax.plot(_distance(samples, run), color=COLOURS[m])
            ax.text(
                0.97,
                0.9 - 0.085 * place,
                f"m = {m}",
                color=COLOURS[m],
                ha="right",
                transform=ax.transAxes,
            )
        ax.set(xlim=(0, STEPS), ylim=(0, 15))
        ax.set_title("Distance to the mean")
        ax.set_xlabel("step (the start, at 70, is not shown)")

    return panel(
        paint, alt="Distance to the mean over 30 steps, smaller for larger batches.", height=300
    )


def _whole_panel(samples: Array, whole: Descent, redrawn: Descent) -> str:
    def paint(ax: Axes) -> None:
        ax.plot(np.maximum(_distance(samples, whole), 1e-17), color=PURPLE)
        ax.plot(_distance(samples, redrawn), color=BLUE)
        log_axis(ax, "y")
        ax.set(xlim=(0, STEPS), ylim=(1e-17, 1e3))
        ax.set_title("All 100 points, or 100 draws")
        ax.set_xlabel("step")
        ax.set_ylabel("distance")
        ax.text(29, 2.0, "MBGD, m = n", color=BLUE, ha="right", va="bottom")
        ax.text(29, 1e-13, "BGD", color=PURPLE, ha="right")

    return panel(
        paint,
        alt="BGD is at the mean to rounding after one step; MBGD with m = n stays a tenth away.",
    )


def _error_panel(samples: Array, runs: dict[int, Descent]) -> str:
    def paint(ax: Axes) -> None:
        for place, (m, run) in enumerate(runs.items()):
            error = relative_gradient_error(samples, run)
            ax.plot(np.arange(1, STEPS + 1), error, color=COLOURS[m], marker="o", ms=3, lw=1)
            ax.text(
                0.97,
                0.22 - 0.085 * place,
                f"m = {m}",
                color=COLOURS[m],
                ha="right",
                transform=ax.transAxes,
            )
        log_axis(ax, "y")
        ax.set(xlim=(0, STEPS))
        ax.set_title("Relative error of the gradient")
        ax.set_xlabel("step")
        ax.set_ylabel("δ")

    return panel(
        paint, alt="The relative error is below 1 at the far start and above 1 near the mean."
    )
