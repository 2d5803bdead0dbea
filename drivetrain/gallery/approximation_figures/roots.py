"""Robbins-Monro: a golden path, the textbook's cubic that runs away, and what keeps it home."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.approximation import (
    Box,
    Gain,
    Study,
    Truncation,
    robbins_monro,
    simulate,
)
from drivetrain.gallery.page.draw import log_axis, panel, thin
from drivetrain.gallery.page.palette import BLUE, GOLD, INK, MUTED, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Number

Array = NDArray[np.float64]
ROOT = 5 ** (1 / 3)
SEEDS, STEPS = range(200), 2000
TANH = (3, 2.035972419924183, 1.6478261074486602, 1.4577578750468403, 1.3506941108083053)
TANH_END = 1.000719807516865
GAINS = {
    "1/(5k)": (Gain(a=0.2), ORANGE, 1.7096308613463256),
    "1/(k + 10)": (Gain(A=10.0), PURPLE, 1.710366575520271),
    "0.1/k^0.6": (Gain(a=0.1, alpha=0.6), GOLD, 1.7103556855109412),
}


def cubic(w: Array) -> Array:
    """Return w³ − 5, whose slope is 0 at the start and has no bound."""
    return w * w * w - 5


def figure(seed: int) -> Figure:
    """Return the figure; the seeds of its streams are those of the published numbers."""
    tanh = robbins_monro(lambda w: np.tanh(w - 1.0), 3.0, steps=STEPS)
    assert tanh.path is not None
    loose = simulate(cubic, 0.0, steps=50, replicas=SEEDS, limit=1e200, keep_path=True)
    boxed = _study(project=Box(-3.0, 3.0))
    truncated = _study(truncate=Truncation(2.0, 2.0))
    gains = {name: _study(gain=gain, few=True) for name, (gain, _, _) in GAINS.items()}
    return Figure(
        title="The textbook's own example runs away on 199 of 200 seeds; bounds or gains cure it",
        panels=(
            _tanh_panel(tanh.path),
            _loose_panel(loose),
            _band_panel(
                {"projected on [−3, 3]": (boxed, BLUE), "truncated": (truncated, TEAL)},
                "Gain 1/k, kept within bounds",
            ),
            _error_panel(
                {name: (study, GAINS[name][1]) for name, study in gains.items()},
                "Smaller gains, no bounds",
            ),
        ),
        caption="w ← w − a·(g(w) + noise). First: g = tanh(w − 1) without noise, against the "
        "reference's path. Second: g = w³ − 5 with standard normal noise, gain 1/k, from 0: the "
        "second step lands near −55, and the cube does the rest. Below: the same seeds for 2,000 "
        "steps: median and middle 90 % with a projection and with Chen's expanding truncations; "
        "then the error with gains small enough at the start.",
        numbers=_numbers(tanh.path, loose, boxed, truncated, gains),
    )


def _study(*, few: bool = False, **options: object) -> Study:
    seeds = range(100) if few else SEEDS
    return simulate(cubic, 0.0, steps=STEPS, replicas=seeds, keep_path=True, **options)  # type: ignore[arg-type]


def _numbers(
    tanh: Array, loose: Study, boxed: Study, truncated: Study, gains: dict[str, Study]
) -> tuple[Number, ...]:
    spec = "200 runs with seeds 0 to 199"
    rows = [
        Number(
            what="tanh: w after 2,000 steps",
            ours=repr(float(tanh[-1])),
            reference=repr(TANH_END),
            source="the recursion in float64",
        ),
        Number(
            what="cubic, 1/k: diverged within 50 steps",
            ours=f"{loose.diverged.sum()} of 200",
            reference="199 of 200",
            source=spec,
        ),
        Number(
            what="projected: median of w",
            ours=f"{np.median(boxed.x):.10f}",
            reference="1.7095571039",
            source=spec,
        ),
        Number(
            what="truncated: converged, truncations",
            ours=f"{(np.abs(truncated.x - ROOT) < 0.05).sum()} of 200, "
            f"at most {truncated.truncations.max()}",
            reference="200 of 200, at most 2",
            source=spec,
        ),
    ]
    return (*rows, *_gain_numbers(gains))


def _gain_numbers(gains: dict[str, Study]) -> list[Number]:
    return [
        Number(
            what=f"gain {name}: median of w",
            ours=f"{np.median(study.x):.13f}",
            reference=f"{GAINS[name][2]:.13f}",
            source="seeds 0 to 99",
        )
        for name, study in gains.items()
    ]


def _tanh_panel(path: Array) -> str:
    def paint(ax: Axes) -> None:
        shown = np.arange(1, 31)
        ax.plot(shown, path[:30], color=BLUE)
        ax.plot(shown[:5], TANH, "o", ms=9, mfc="none", mec=MUTED, mew=1.5, clip_on=False)
        ax.axhline(1, color=INK, lw=1, ls=(0, (4, 3)))
        ax.set(xlim=(0, 30), ylim=(0.85, 3.2), xticks=[1, 10, 20, 30], yticks=[1, 2, 3])
        ax.set_title("g(w) = tanh(w − 1), gain 1/k")
        ax.set_xlabel("k")
        ax.set_ylabel("w")
        ax.text(3.2, 2.05, "rings: the reference", color=MUTED)
        ax.text(29.7, 0.97, "root", color=INK, ha="right", va="top")

    return panel(paint, alt="w falls from 3 to the root 1 and meets the reference's values.")


def _loose_panel(study: Study) -> str:
    assert study.path is not None
    size = np.minimum(np.nan_to_num(np.abs(study.path), nan=np.inf), 1e200)

    def paint(ax: Axes) -> None:
        for run in np.flatnonzero(study.diverged)[::4]:
            last = int(study.diverged_at[run]) + 1
            ax.plot(np.arange(1, last + 1), size[:last, run], color=ORANGE, lw=1, alpha=0.35)
            ax.plot(last, size[last - 1, run], "x", color=ORANGE, ms=5, alpha=0.6)
        for run in np.flatnonzero(~study.diverged):
            ax.plot(np.arange(1, 52), size[:, run], color=BLUE)
        log_axis(ax, "y")
        ax.set(xlim=(1, 10), ylim=(1e-3, 1e220))
        ax.set_title("g(w) = w³ − 5, gain 1/k, 200 seeds")
        ax.set_xlabel("k")
        ax.set_ylabel("|w|")
        ax.text(1.5, 1e120, f"{study.diverged.sum()} run away", color=ORANGE)
        ax.text(7.3, 1e12, f"{(~study.diverged).sum()} does not", color=BLUE)

    return panel(paint, alt="199 of 200 runs overflow within seven steps.")


def _band_panel(studies: dict[str, tuple[Study, str]], title: str) -> str:
    rows = thin(STEPS + 1, 160, logarithmic=True)

    def paint(ax: Axes) -> None:
        for place, (name, (study, colour)) in enumerate(studies.items()):
            assert study.path is not None
            low, middle, high = np.quantile(study.path[rows], (0.05, 0.5, 0.95), axis=1)
            ax.fill_between(rows + 1, low, high, color=colour, alpha=0.18, lw=0)
            ax.plot(rows + 1, middle, color=colour)
            ax.text(
                0.97, 0.24 - 0.085 * place, name, color=colour, ha="right", transform=ax.transAxes
            )
        log_axis(ax, "x")
        ax.axhline(ROOT, color=INK, lw=1, ls=(0, (4, 3)))
        ax.set(xlim=(1, STEPS), ylim=(-3.2, 3.2))
        ax.set_yticks([-3, 0, ROOT, 3], ["−3", "0", "1.71", "3"])
        ax.set_title(title)
        ax.set_xlabel("k")
        ax.set_ylabel("w")

    return panel(paint, alt=f"{title}: all bands close on the root 1.71 within 100 steps.")


def _error_panel(studies: dict[str, tuple[Study, str]], title: str) -> str:
    rows = thin(STEPS + 1, 120, logarithmic=True)

    def paint(ax: Axes) -> None:
        for place, (name, (study, colour)) in enumerate(studies.items()):
            assert study.path is not None
            error = np.abs(study.path[rows] - ROOT)
            ax.plot(rows + 1, np.sqrt((error**2).mean(axis=1)), color=colour)
            ax.text(0.04, 0.24 - 0.085 * place, name, color=colour, transform=ax.transAxes)
        log_axis(ax, "xy")
        ax.set(xlim=(1, STEPS), ylim=(1e-3, 3))
        ax.set_title(title)
        ax.set_xlabel("k")
        ax.set_ylabel("root mean square error")

    return panel(paint, alt=f"{title}: errors fall below 0.01 within 2,000 steps.")
