"""Draws one panel in the page's style and returns it as inline SVG.

No pyplot: a figure belongs to the call that draws it, and nothing global changes.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from drivetrain.gallery.page.palette import AXIS, GRID, HIGH, INK, LEVELS, MUTED, SEQUENCE
from drivetrain.gallery.page.svg import fragment

# Widths in CSS pixels, so that one, two or three panels fill the column and each still reads
# on a phone, where every panel takes the whole width.
FULL, HALF, THIRD = 880, 430, 280

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "drivetrain",
    "font.size": 12,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": AXIS,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 12,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 1,
    "xtick.color": AXIS,
    "ytick.color": AXIS,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def panel(paint: Callable[[Axes], None], *, alt: str, width: int = HALF, height: int = 280) -> str:
    """Return the SVG of one axes that ``paint`` draws on.

    Args:
        paint: Called with empty axes; draws in the palette's colours.
        alt: What a person who cannot see the panel should know of it.
        width: In CSS pixels.
        height: In CSS pixels.
    """
    with matplotlib.rc_context():
        # The user's own matplotlibrc must not change the page.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        canvas = Canvas(figsize=(width / 72, height / 72), layout="constrained", frameon=False)
        FigureCanvasSVG(canvas)
        axes = canvas.subplots()
        axes.patch.set_visible(False)
        paint(axes)
        written = io.StringIO()
        canvas.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return fragment(written.getvalue(), alt)


def end_labels(
    ax: Axes, labels: Sequence[tuple[float, str, str]], *, size: float = 12, gap: float = 0.075
) -> None:
    """Name lines at the right edge of the axes, where they end, instead of in a legend.

    Args:
        ax: The axes, with their limits and scales already set.
        labels: For each line: its last y, its name, its colour.
        size: Of the text.
        gap: Least distance between two labels, as a share of the height; nearer ones are
            pushed apart.
    """
    to_share = ax.transData + ax.transAxes.inverted()
    x = ax.get_xlim()[1]
    wanted = [float(np.clip(to_share.transform((x, y))[1], 0, 1)) for y, _, _ in labels]
    for share, (_, text, colour) in zip(_apart(wanted, gap), labels, strict=True):
        ax.text(1.02, share, text, color=colour, size=size, va="center", transform=ax.transAxes)


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    # Relaxation: overlapping neighbours push each other by half of what is missing.
    order = np.argsort(wanted, kind="stable")
    places = np.array(wanted, float)[order]
    for _ in range(200):
        missing = gap - np.diff(places)
        if not (missing > 1e-6).any():
            break
        push = np.maximum(missing, 0) / 2
        places[:-1] -= push
        places[1:] += push
    # Whoever was pushed out of the axes pushes back.
    room = gap * np.arange(len(places))
    places = np.maximum.accumulate(np.maximum(places, room))
    places = np.minimum(places, 1 - room[::-1])
    result = np.empty_like(places)
    result[order] = places
    return [float(place) for place in result]


def power(value: float) -> str:
    """Return a power of ten as text; 1, 10 and 100 stay as they are.

    Example:
        >>> power(0.001), power(100)
        ('10⁻³', '100')
    """
    if value <= 0:
        return "0"
    exponent = round(float(np.log10(value)))
    return f"{value:g}" if 0 <= exponent <= 2 else "10" + str(exponent).translate(_SUPERSCRIPTS)


def _log_tick(value: float, _: int | None) -> str:
    exact = value > 0 and np.isclose(np.log10(value) % 1, (0, 1)).any()
    return power(value) if exact else f"{value:g}"


def log_axis(ax: Axes, which: str, *, count: int = 6, steps: Sequence[float] = (1,)) -> None:
    """Make axes logarithmic, with ticks at powers of ten written as plain text.

    Args:
        ax: The axes.
        which: ``"x"``, ``"y"`` or ``"xy"``.
        count: About how many ticks.
        steps: Multiples of the powers that get a tick too, such as ``(1, 2, 5)``.
    """
    for name in which:
        axis = ax.xaxis if name == "x" else ax.yaxis
        (ax.set_xscale if name == "x" else ax.set_yscale)("log")
        axis.set_major_locator(LogLocator(subs=steps, numticks=count))
        axis.set_major_formatter(FuncFormatter(_log_tick))
        axis.set_minor_locator(NullLocator())


def thin(count: int, keep: int = 400, *, logarithmic: bool = False) -> NDArray[np.int64]:
    """Return at most ``keep`` indices out of ``range(count)``, first and last among them.

    Example:
        >>> thin(1000, 4)
        array([  0, 333, 666, 999])
    """
    if count <= keep:
        return np.arange(count)
    spots = np.geomspace(1, count, keep) - 1 if logarithmic else np.linspace(0, count - 1, keep)
    return np.unique(np.rint(spots).astype(np.int64))


def dots(
    ax: Axes, x: ArrayLike, y: ArrayLike, *, color: str, size: float = 4, **style: Any
) -> None:
    """Draw many round dots as one path: a third of the bytes of as many markers.

    Args:
        ax: The axes; their limits are the caller's to set.
        x: Of each dot, (n,).
        y: Of each dot, (n,).
        color: Of all.
        size: Diameter in CSS pixels.
        style: Of the patch, such as ``alpha``: dots that overlap do not darken each other.
    """
    ends = np.repeat(np.stack([np.ravel(x), np.ravel(y)], axis=1), 2, axis=0)
    path = Path(ends, np.tile([Path.MOVETO, Path.LINETO], len(ends) // 2))
    # A line from a point to itself, drawn with round ends, is a dot; simplifying would drop it.
    path.should_simplify = False
    ax.add_patch(PathPatch(path, fill=False, edgecolor=color, lw=size, capstyle="round", **style))


def heat(
    ax: Axes,
    values: ArrayLike,
    *,
    columns: Sequence[str],
    rows: Sequence[str],
    low: float,
    high: float,
    write: Callable[[int, int, float], str] = lambda row, column, value: f"{value:.0f}",
) -> None:
    """Draw a table of shaded cells, each with its value written in it.

    Args:
        ax: The axes.
        values: Rows x columns; the first row is drawn at the top. NaN leaves a cell empty.
        columns: Names under the columns.
        rows: Names beside the rows.
        low: The value of the palest shade.
        high: The value of the strongest shade.
        write: Row, column and value to the text of a cell.
    """
    grid = np.asarray(values, float)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    share = np.clip((np.nan_to_num(grid) - low) / (high - low), 0, 1)
    level = np.rint(share * (LEVELS - 1)).astype(int)
    for i, j in np.ndindex(*grid.shape):
        if np.isnan(grid[i, j]):
            continue
        shade = int(level[i, j])
        cell = (j - 0.48, i - 0.47)
        ax.add_patch(matplotlib.patches.Rectangle(cell, 0.96, 0.94, color=SEQUENCE[shade], lw=0))
        text = write(i, j, float(grid[i, j]))
        colour = HIGH if shade > LEVELS * 0.55 else INK
        ax.text(j, i + 0.02, text, ha="center", va="center", color=colour, size=11)
    ax.set_xlim(-0.5, grid.shape[1] - 0.5)
    ax.set_ylim(grid.shape[0] - 0.5, -0.5)
    ax.set_xticks(range(grid.shape[1]), columns)
    ax.set_yticks(range(grid.shape[0]), rows)
