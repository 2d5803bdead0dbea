"""Dvoretzky's process with all its conditions, then with one broken at a time."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.approximation import Dvoretzky, Gain
from drivetrain.gallery.page.draw import THIRD, log_axis, panel, thin
from drivetrain.gallery.page.palette import BLUE, INK, ORANGE
from drivetrain.gallery.page.section import Figure, Number

Array = NDArray[np.float64]
STEPS, RUNS, SHOWN, START = 2000, 1000, 12, 2.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A process, what it breaks, and how its panel is scaled."""

    title: str
    process: Dvoretzky
    holds: bool = False
    log: bool = False


def _biased(rng: np.random.Generator, k: int, history: Array) -> Array:
    return np.asarray(1.0 + rng.standard_normal(history.shape[1]))


def _heavy(rng: np.random.Generator, k: int, history: Array) -> Array:
    return np.asarray(rng.standard_cauchy(history.shape[1]))


CASES = {
    "all": Case(title="all hold: Δ → 0", process=Dvoretzky(Gain(), Gain()), holds=True),
    "stops": Case(title="Σα < ∞: stops early", process=Dvoretzky(Gain(alpha=2.0, A=1.0), 0.0)),
    "swings": Case(title="Σα² = ∞: α = 2.02 swings", process=Dvoretzky(2.02, Gain()), log=True),
    "shakes": Case(title="Σβ² = ∞: never settles", process=Dvoretzky(Gain(), Gain(alpha=0.5))),
    "biased": Case(title="E[η] = 1: wrong limit", process=Dvoretzky(Gain(), Gain(), _biased)),
    "jumps": Case(title="E[η²] = ∞: jumps for ever", process=Dvoretzky(Gain(), Gain(), _heavy)),
}


def figure(seed: int) -> Figure:
    """Return the figure: six panels of paths."""
    streams = np.random.default_rng(seed).spawn(len(CASES))
    paths = {
        name: case.process.simulate(START, STEPS, replicas=RUNS, random_state=stream)
        for (name, case), stream in zip(CASES.items(), streams, strict=True)
    }
    return Figure(
        title="Dvoretzky's theorem needs each of its conditions",
        panels=tuple(_panel(CASES[name], path) for name, path in paths.items()),
        caption=f"Δ ← (1 − α)Δ + β·η from Δ = {START:g}, {SHOWN} of {RUNS:,} runs each. With "
        "α = β = 1/k and noise of mean 0 and bounded variance, Δ → 0 almost surely: the theorem "
        "behind Robbins-Monro, TD and Q-learning. Every other panel breaks one condition. "
        "Σβ = ∞ is not among them: the second panel has β = 0.",
        numbers=_numbers(paths),
    )


def _numbers(paths: dict[str, Array]) -> tuple[Number, ...]:
    # Closed forms: with α = β = 1/k, Δ is the mean of the noise; with β = k^-1/2 it is
    # Σ √k·η_k / n, of variance (n + 1)/2n; ∏(1 - 1/(k+1)²) over k = 1 ... n is (n + 2)/(2n + 2).
    n, last = STEPS, {name: path[-1] for name, path in paths.items()}
    rows = (
        ("all hold: n · mean square", n * np.mean(last["all"] ** 2), 1.0, "mean of n noises"),
        (
            "Σα < ∞: where it stops",
            last["stops"].mean(),
            START * (n + 2) / (2 * n + 2),
            "∏(1 − 1/(k + 1)²), by hand",
        ),
        (
            "Σβ² = ∞: mean square",
            np.mean(last["shakes"] ** 2),
            (n + 1) / (2 * n),
            "Σ k / n², by hand",
        ),
        ("E[η] = 1: mean of the limit", last["biased"].mean(), 1.0, "mean of n noises"),
    )
    return tuple(
        Number(what=what, ours=f"{ours:.4f}", reference=f"{reference:.4f}", source=source)
        for what, ours, reference, source in rows
    )


def _panel(case: Case, path: Array) -> str:
    kept = thin(STEPS + 1, 110, logarithmic=True)
    colour = BLUE if case.holds else ORANGE

    def paint(ax: Axes) -> None:
        values = np.abs(path) if case.log else path
        for run in range(SHOWN):
            ax.plot(kept + 1, values[kept, run], color=colour, lw=1, alpha=0.55)
        if case.log:
            log_axis(ax, "xy", count=5)
            ax.set_ylabel("|Δ|")
        else:
            log_axis(ax, "x")
            ax.axhline(0, color=INK, lw=1, ls=(0, (4, 3)))
            ax.set(ylim=(-3.2, 3.2), yticks=[-2, 0, 2])
        ax.set_xlim(1, STEPS)
        ax.set_title(case.title)

    end = float(np.median(np.abs(path[-1])))
    return panel(
        paint,
        alt=f"{case.title}. Median |Δ| after {STEPS:,} steps: {end:.3g}.",
        width=THIRD,
        height=190,
    )
