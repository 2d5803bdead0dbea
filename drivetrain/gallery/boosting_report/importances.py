"""Which features the trees use: by gain, by number of splits, by rows."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.gallery.boosting_report.subject import Subject, brief
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import BLUE, INK, MUTED, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Table
from drivetrain.trees.forest import Forest
from drivetrain.trees.importance import split_importance

SHOWN = 15
_INKS = {"total gain": BLUE, "splits": TEAL, "total cover": PURPLE}


def measured(forest: Forest) -> dict[str, NDArray[np.float64]]:
    """Return sums and means over the splits on each feature, (F,) each; 0 where it has none."""
    kinds = {
        "total gain": "total_gain",
        "splits": "weight",
        "total cover": "total_cover",
        "gain": "gain",
        "cover": "cover",
    }
    return {name: split_importance(forest, kind).astype(float) for name, kind in kinds.items()}


def figure(subject: Subject) -> Figure | None:
    """Return bars of the features used most, by three measures, and the table; None for a line."""
    if subject.forest is None:
        return None
    found = measured(subject.forest)
    order = np.argsort(-found["total gain"], kind="stable")
    used = int((found["splits"] > 0).sum())
    whole = found["total gain"].sum() or 1.0
    names = subject.names
    title = "No split: the model is a constant"
    if used:
        title = (
            f"{names[order[0]]} makes {found['total gain'][order[0]] / whole:.0%} of the gain; "
            f"{used} of {len(names)} features are split"
        )
    shown = [int(f) for f in order[:SHOWN] if found["splits"][f]]
    return Figure(
        title=title,
        panels=(_bars(names, shown, found),) if shown else (),
        caption="Sums over all splits of the trees in use. Gain is what the splits took off the "
        "loss on the fitted rows; cover is the sum of second derivatives that passed them. "
        "Features of many values are split oftener: Shapley values, below, lack that bias.",
        table=Table(
            header=("feature", "splits (weight)", "gain", "cover", "total gain", "total cover"),
            rows=tuple(_row(names[f], int(f), found) for f in order),
            note="gain and cover are means of a split, as XGBoost's importance types of that name.",
        ),
    )


def _row(name: str, f: int, found: Mapping[str, NDArray[np.float64]]) -> tuple[str, ...]:
    numbers = (found[which][f] for which in ("gain", "cover", "total gain", "total cover"))
    return (name, f"{found['splits'][f]:,.0f}", *(f"{value:,.4g}" for value in numbers))


def _bars(
    names: tuple[str, ...], shown: list[int], found: Mapping[str, NDArray[np.float64]]
) -> str:
    """Return bars of each measure's shares, the measures side by side."""

    def paint(ax: Axes) -> None:
        for k, (which, ink) in enumerate(_INKS.items()):
            share = found[which] / (found[which].sum() or 1.0)
            long = share[shown] / max(share[shown].max(), 1e-12)
            ax.barh(range(len(shown)), long, left=1.4 * k, color=ink, height=0.66, lw=0)
            for place, (f, end) in enumerate(zip(shown, long)):
                words = f" {share[f]:.1%}"
                ax.text(1.4 * k + end, place, words, va="center", size=10, color=MUTED)
            ax.text(1.4 * k, -0.85, f"share of {which}", color=ink, weight="bold", size=12)
        ax.set_yticks(range(len(shown)), [brief(names[f]) for f in shown], color=INK)
        ax.set(xlim=(0, 1.4 * len(_INKS) - 0.12), ylim=(len(shown) - 0.5, -1.3))
        ax.xaxis.set_visible(False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.grid(visible=False)

    gain = found["total gain"] / (found["total gain"].sum() or 1.0)
    said = ", ".join(f"{names[f]} {gain[f]:.0%}" for f in shown[:5])
    height = 60 + 23 * len(shown)
    return panel(paint, alt=f"Share of the total gain: {said}.", width=FULL, height=height)
