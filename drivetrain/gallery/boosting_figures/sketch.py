"""Where a column is cut: the paper's example of weighted ranks, and real delays three ways."""

from fractions import Fraction

import numpy as np
from matplotlib.axes import Axes

from drivetrain.gallery.boosting_figures.task import task
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE, TEAL
from drivetrain.gallery.page.section import Figure, Number, Table
from drivetrain.trees.binning.cuts import greedy_cuts
from drivetrain.trees.reference import candidates, weighted_ranks

VALUES = np.array([1, 1, 3, 4, 5, 12, 45, 50, 99], float)
H = np.array([0.1] * 6 + [0.4, 0.2, 0.6])
#: r(z) as fractions of the sum, 1.8, worked by hand.
GOLDEN = {1: "0", 3: "1/9", 4: "1/6", 5: "2/9", 12: "5/18", 45: "1/3", 50: "5/9", 99: "2/3"}
BINS = 24


def figure(seed: int) -> Figure:
    """Return the figure: the example's table, and the cuts of a real column."""
    z, rank = weighted_ranks(VALUES, H)
    tertiles = candidates(VALUES, H, 1 / 3)
    here = task(seed)
    name = here.train.feature_names[0]
    column = here.train.x[:, 0]
    column = column[~np.isnan(column)]
    cuts = ways(column, np.abs(here.train.target)[~np.isnan(here.train.x[:, 0])] + 1.0)
    counts = {way: len(np.unique(found)) for way, found in cuts.items()}
    return Figure(
        title=f"Quantiles give {counts['quantiles']} cuts of {name} where "
        f"{counts['frequent values apart']} were asked for",
        panels=(_ticks(column, cuts, name),),
        caption=f"{len(column):,} {here.rows}. Many share a value: quantiles then fall on the same "
        "one, and its neighbours share a bin. Weighted ranks put cuts where second derivatives "
        "are; here the weight grows with the target. Frequent values apart, the default: what is "
        f"as frequent as a mean of {BINS} bins gets one of its own, the rest is spread evenly.",
        table=Table(
            header=("value z", "h", "weighted rank r(z)", "by hand"),
            rows=tuple(
                (f"{value:g}", _weight(value), f"{r:.5f}", GOLDEN[int(value)])
                for value, r in zip(z, rank, strict=True)
            ),
            note="Nine values with weights; r(z) is the share of the weight below z (eq. 8).",
        ),
        numbers=_numbers(_off(z, rank), ", ".join(f"{one:g}" for one in tertiles)),
        sources=(here.source,),
    )


def _numbers(off: float, thirds: str) -> tuple[Number, ...]:
    return (
        Number(
            what="largest difference of a rank to the fraction",
            ours=f"{off:.1e}",
            reference="0",
            source="exact fractions, by hand",
        ),
        Number(
            what="candidates for thirds",
            ours=thirds,
            reference="45, 99",
            source="first values at or past ranks 1/3 and 2/3",
        ),
    )


def _weight(value: float) -> str:
    return f"{H[value == VALUES].sum():.1f}"


def _off(z: np.ndarray, rank: np.ndarray) -> float:
    exact = [float(Fraction(GOLDEN[int(value)])) for value in z]
    return float(np.abs(rank - np.array(exact)).max())


def ways(column: np.ndarray, weight: np.ndarray, bins: int = BINS) -> dict[str, np.ndarray]:
    """Return the inner cuts of a column by quantiles, by weighted ranks, and as we cut by default.

    Args:
        column: Values, none missing.
        weight: Of each.
        bins: Wanted.
    """
    return {
        "quantiles": np.unique(np.quantile(column, np.arange(1, bins) / bins, method="lower")),
        "weighted ranks": candidates(column.astype(float), weight.astype(float), 1 / bins),
        "frequent values apart": np.asarray(greedy_cuts(column, bins)[0][:-1], float),
    }


def _ticks(column: np.ndarray, cuts: dict[str, np.ndarray], name: str) -> str:
    low, high = np.quantile(column, [0.002, 0.975])

    def paint(ax: Axes) -> None:
        edges = np.arange(np.floor(low), np.ceil(high) + 1) if high - low > 20 else 60
        shares, edges = np.histogram(column, edges, range=(low, high))
        ax.stairs(shares / shares.max(), edges, color=AXIS, fill=True, alpha=0.6)
        for place, (ink, (way, found)) in enumerate(zip((ORANGE, TEAL, BLUE), cuts.items())):
            y = -0.22 - 0.3 * place
            ax.vlines(found, y - 0.1, y + 0.1, color=ink, lw=1.6)
            ax.text(high, y, f" {way}: {len(np.unique(found))}", color=ink, va="center", size=11)
        ax.set(xlim=(low, high), ylim=(-1.02, 1.05), xlabel=name)
        ax.text(high, 0.6, f" {name}, rows", color=MUTED, va="center", size=11)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.grid(visible=False)
        ax.set_title("where the column is cut", color=INK)

    said = "; ".join(f"{way}: {len(found)} cuts" for way, found in cuts.items())
    return panel(paint, alt=f"Cuts of {name}: {said}.", width=FULL, height=300)
