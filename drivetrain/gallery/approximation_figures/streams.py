"""A year of flight delays as they arrive: moments and quantiles, and what order does to them."""

import warnings
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.approximation import Moments, Quantiles, TrendWarning
from drivetrain.core.errors import MissingDependency
from drivetrain.data import flights
from drivetrain.gallery.page.draw import FULL, end_labels, log_axis, panel
from drivetrain.gallery.page.palette import BLUE, GOLD, INK, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Number

Array = NDArray[np.float64]
LEVELS = (0.01, 0.5, 0.9, 0.99)
METHODS = {
    "tdigest": ("t-digest", BLUE),
    "kll": ("KLL", TEAL),
    "rm": ("Robbins-Monro", GOLD),
    "p2": ("P²", PURPLE),
}
MONTHS = "JFMAMJJASOND"


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the summaries said after each day, and at the end of the year."""

    days: int
    mean: Array
    std: Array
    quantiles: Array
    moments: Moments
    sketch: Quantiles


def tell(day: NDArray[np.int64], delays: Array) -> Story:
    """Read a year day by day, keeping nothing but the summaries."""
    moments, sketch = Moments(order=4), Quantiles(LEVELS)
    mean, std, quantiles = [], [], []
    ends = np.flatnonzero(np.diff(day)) + 1
    for block in np.split(delays, ends):
        moments.update(block)
        sketch.update(block)
        mean.append(moments.mean)
        std.append(moments.std)
        quantiles.append(sketch.values)
    return Story(
        days=len(mean),
        mean=np.array(mean),
        std=np.array(std),
        quantiles=np.array(quantiles),
        moments=moments,
        sketch=sketch,
    )


def rank_errors(values: Array) -> tuple[dict[str, float], dict[str, bool]]:
    """Return each method's largest rank error over the levels, and whether it warned."""
    ordered, errors, warned = np.sort(values), {}, {}
    for method in METHODS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TrendWarning)
            found = Quantiles(LEVELS, method=method).update(values).values
        # A tied value covers a whole range of ranks: only what lies outside it is an error.
        low = np.searchsorted(ordered, found, "left") / len(values)
        high = np.searchsorted(ordered, found, "right") / len(values)
        off = np.maximum(np.maximum(low - LEVELS, LEVELS - high), 0)
        errors[method] = float(off.max())
        warned[method] = any(issubclass(w.category, TrendWarning) for w in caught)
    return errors, warned


def figure(seed: int) -> Figure:
    """Return the figure: running moments and quantiles, and rank errors by order of the data."""
    try:
        data = flights()
    except MissingDependency as error:
        return Figure(
            title="A year of flight delays, as they arrive",
            caption=f"Not drawn: {error}.",
        )
    left = np.isfinite(data.dep_delay)
    delays = data.dep_delay[left]
    story = tell(data.time[left].astype("datetime64[D]").astype(np.int64), delays)
    # Delays are whole minutes; a little noise unties them, as sketches of ranks deserve.
    untied = delays + np.random.default_rng(seed).uniform(-0.5, 0.5, len(delays))
    shuffled = np.random.default_rng(seed).permutation(untied)
    orders = {"shuffled": shuffled, "as they came": untied, "sorted": np.sort(untied)}
    found = {name: rank_errors(values) for name, values in orders.items()}
    return Figure(
        title="A year of flight delays, summed up as they arrive and kept nowhere",
        panels=(
            _moments_panel(story, delays),
            _quantiles_panel(story, delays),
            _orders_panel(found),
        ),
        caption=f"{len(delays):,} departures from New York in 2013, in order of time. Running "
        "mean, deviation and quantiles (t-digest); the ticks at the right edge are the answers "
        "of numpy on all values at once. Below: rank errors on the same delays, shuffled, as they "
        "came and sorted. The recursions need data in random order and warn (marked !) when "
        "they notice a trend; the sketches do not care.",
        numbers=_numbers(story, delays, found),
        sources=(f"Flights: {data.source}. Licence: {data.licence}.",),
    )


def _numbers(
    story: Story, delays: Array, found: dict[str, tuple[dict[str, float], dict[str, bool]]]
) -> tuple[Number, ...]:
    centred = delays - delays.mean()
    kurtosis = float(np.mean(centred**4) / np.mean(centred**2) ** 2 - 3)
    moments = story.moments
    pairs = {
        "mean, minutes": (repr(float(moments.mean)), repr(float(delays.mean()))),
        "variance": (repr(float(moments.var)), repr(float(delays.var(ddof=1)))),
        "excess kurtosis": (f"{moments.kurtosis:.12f}", f"{kurtosis:.12f}"),
    }
    rows = [
        Number(what=what, ours=ours, reference=reference, source="numpy, all values at once")
        for what, (ours, reference) in pairs.items()
    ]
    for level, value in zip(LEVELS, story.quantiles[-1], strict=True):
        rows.append(
            Number(
                what=f"{level:.0%} quantile, minutes",
                ours=f"{value:g}",
                reference=f"{np.quantile(delays, level):g}",
                source="numpy.quantile",
            )
        )
    noisy = [METHODS[m][0] for m, warned in found["sorted"][1].items() if warned]
    rows.append(
        Number(
            what="warn on sorted input",
            ours=" and ".join(noisy) or "none",
            reference="Robbins-Monro and P²",
            source="they need exchangeable data",
        )
    )
    return tuple(rows)


def _year(ax: Axes, story: Story) -> None:
    starts = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
    ax.set_xticks(starts + 15, list(MONTHS))
    ax.set_xlim(0, story.days)


def _moments_panel(story: Story, delays: Array) -> str:
    def paint(ax: Axes) -> None:
        for values, exact, colour in (
            (story.mean, delays.mean(), BLUE),
            (story.std, delays.std(ddof=1), ORANGE),
        ):
            ax.plot(values, color=colour)
            ax.plot(
                [story.days - 4, story.days + 4], [exact, exact], color=INK, lw=1.5, clip_on=False
            )
        _year(ax, story)
        ax.set_ylim(0, 50)
        ax.set_title("Departure delay so far, minutes")
        end_labels(ax, [(story.mean[-1], "  mean", BLUE), (story.std[-1], "  deviation", ORANGE)])

    return panel(
        paint,
        alt=f"The running mean ends at {story.mean[-1]:.2f} minutes and the "
        f"deviation at {story.std[-1]:.2f}, as numpy says.",
    )


def _quantiles_panel(story: Story, delays: Array) -> str:
    colours = (PURPLE, BLUE, TEAL, ORANGE)

    def paint(ax: Axes) -> None:
        for column, colour in enumerate(colours):
            ax.plot(story.quantiles[:, column], color=colour)
            exact = np.quantile(delays, LEVELS[column])
            ax.plot(
                [story.days - 4, story.days + 4], [exact, exact], color=INK, lw=1.5, clip_on=False
            )
        _year(ax, story)
        ax.set_yscale("symlog", linthresh=10)
        ax.set_yticks([-10, 0, 10, 50, 200], ["−10", "0", "10", "50", "200"])
        ax.minorticks_off()
        ax.set_title("Quantiles so far, minutes")
        ends = zip(story.quantiles[-1], LEVELS, colours, strict=True)
        end_labels(ax, [(float(v), f"  {level:.0%}", colour) for v, level, colour in ends])

    last = ", ".join(f"{level:.0%} {v:g}" for level, v in zip(LEVELS, story.quantiles[-1]))
    return panel(paint, alt=f"Running quantiles of the delay end at {last} minutes.")


def _orders_panel(found: dict[str, tuple[dict[str, float], dict[str, bool]]]) -> str:
    def paint(ax: Axes) -> None:
        for row, (errors, warned) in enumerate(found.values()):
            for column, (method, (_, colour)) in enumerate(METHODS.items()):
                place, error = row + 0.17 * (column - 1.5), max(errors[method], 2e-6)
                ax.hlines(place, 1e-6, error, color=colour, lw=1.5, alpha=0.5)
                ax.plot(error, place, "o", color=colour, ms=7)
                if warned[method]:
                    ax.text(error * 1.25, place, "!", color=colour, va="center", weight="bold")
        log_axis(ax, "x")
        ax.set_yticks(range(len(found)), list(found))
        ax.set(xlim=(1e-6, 1), ylim=(len(found) - 0.5, -0.75))
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("largest rank error over the four levels")
        for column, (name, colour) in enumerate(METHODS.values()):
            ax.text(0.2 * column, 1.02, f"● {name}", color=colour, transform=ax.transAxes)

    worst = found["sorted"][0]
    said = ", ".join(f"{METHODS[method][0]} {error:.1e}" for method, error in worst.items())
    return panel(paint, alt=f"Rank errors on sorted data: {said}.", width=FULL, height=230)
