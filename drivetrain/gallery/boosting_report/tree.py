"""The first tree drawn: its upper levels, with thresholds and categories by name."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from drivetrain.gallery.boosting_report.subject import Subject, brief, short, signed
from drivetrain.gallery.page.draw import FULL, HALF, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE, PAPER, TEAL
from drivetrain.gallery.page.section import Figure
from drivetrain.trees.forest import Forest

DEPTH, LEAST, SMALL = 3, 3, 4


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A node on the picture.

    Attributes:
        node: Its number within the tree.
        depth: Level, 0 for the root.
        x: Place from the left; leaves stand at whole numbers.
        parent: Place of its parent in the list, -1 for the root.
        left: Whether it is its parent's left child.
        cut: Whether its children are left out.
    """

    node: int
    depth: int
    x: float
    parent: int
    left: bool
    cut: bool


def laid_out(forest: Forest, tree: int, deepest: int = DEPTH) -> list[Spot]:
    """Return the upper levels of a tree, parents first, children under their parent."""
    base = int(forest.offsets[tree])
    width = [0.0]

    def visit(node: int, depth: int, parent: int, left: bool) -> float:
        place = len(spots)
        spots.append(Spot(node=node, depth=depth, x=0.0, parent=parent, left=left, cut=False))
        children = (int(forest.left[base + node]), int(forest.right[base + node]))
        inner = children[0] >= 0
        if inner and depth < deepest:
            x = float(np.mean([visit(c, depth + 1, place, c == children[0]) for c in children]))
        else:
            x = width[0]
            width[0] += 1.0
        cut = inner and depth >= deepest
        spots[place] = Spot(node=node, depth=depth, x=x, parent=parent, left=left, cut=cut)
        return x

    spots: list[Spot] = []
    visit(0, 0, -1, False)
    return spots


def figure(subject: Subject) -> Figure | None:
    """Return the upper levels of the first tree; None where there is none."""
    forest = subject.forest
    if forest is None or not len(forest):
        return None
    nodes = int(forest.offsets[1] - forest.offsets[0])
    leaves = (nodes + 1) // 2
    which = ""
    if forest.n_groups > 1 and forest.group[0] >= 0:
        names = subject.class_names if subject.task == "classes" else ()
        which = f" of {brief(names[0])}" if names else " of output 0"
    spots = laid_out(forest, 0)
    hidden = sum(spot.cut for spot in spots)
    return Figure(
        title=f"The first of {len(forest):,} trees{which}: {leaves} leaves",
        panels=(_panel(subject, forest, spots),),
        caption="Rows go down, left where the test holds; a dashed line is where missing values "
        "go. Cover, under each node, is its sum of second derivatives (of squared error: its "
        "rows), and the lines are as thick as the rows' share. Leaves add their number to the "
        "margin."
        + (f" The levels below {DEPTH + 1} are left out at {hidden} nodes." if hidden else ""),
    )


def test_of(subject: Subject, forest: Forest, node: int) -> tuple[str, str]:
    """Return the test of an inner node as two lines: the feature, and what it is compared with."""
    f = int(forest.feature[node])
    name = brief(subject.names[f], 17)
    if not forest.categorical[node]:
        return name, f"< {short(float(forest.threshold[node]))}"
    held = forest.sets[forest.set_offsets[node] : forest.set_offsets[node + 1]]
    words = subject.words(f)
    # The set goes right; the test names the shorter side.
    others = [k for k in range(len(words)) if k not in set(held.tolist())]
    sign, side = ("in", others) if words and len(others) <= len(held) else ("not in", held.tolist())
    shown = [brief(words[k], 7) if k < len(words) else str(k) for k in side]
    return name, f"{sign} {_listed(shown, 13 - len(sign))}"


def _listed(words: list[str], longest: int) -> str:
    kept: list[str] = []
    for word in words:
        if kept and len(", ".join([*kept, word])) > longest:
            return f"{', '.join(kept)} +{len(words) - len(kept)}"
        kept.append(word)
    return ", ".join(kept)


def _panel(subject: Subject, forest: Forest, spots: list[Spot]) -> str:
    across = max(spot.x for spot in spots) + 1
    # A small tree keeps boxes of the usual width.
    margin = max(0.0, LEAST - across) / 2
    deepest = max(spot.depth for spot in spots)

    def paint(ax: Axes) -> None:
        ax.axis("off")
        ax.grid(visible=False)
        ax.set(xlim=(-0.55 - margin, across - 0.45 + margin), ylim=(deepest + 0.5, -0.42))
        for spot in spots:
            if spot.parent >= 0:
                _edge(ax, forest, spots[spot.parent], spot)
        for spot in spots:
            _node(ax, subject, forest, spot)

    root = " ".join(test_of(subject, forest, 0)) if forest.left[0] >= 0 else "a single leaf"
    return panel(
        paint, alt=f"Tree of {len(spots)} nodes shown; the root tests {root}.",
        width=FULL if across > SMALL else HALF, height=96 + 104 * deepest,
    )  # fmt: skip


def _edge(ax: Axes, forest: Forest, above: Spot, spot: Spot) -> None:
    share = float(forest.cover[spot.node]) / max(float(forest.cover[0]), 1e-12)
    missing = bool(forest.default_left[above.node]) == spot.left
    ax.plot(
        [above.x, spot.x], [above.depth + 0.12, spot.depth - 0.18],
        color=AXIS, lw=1 + 7 * np.sqrt(min(share, 1)), solid_capstyle="butt", zorder=1,
    )  # fmt: skip
    if missing:
        ax.plot(
            [above.x, spot.x], [above.depth + 0.12, spot.depth - 0.18],
            color=ORANGE, lw=1.2, ls=(0, (3, 3)), zorder=2,
        )  # fmt: skip


def _node(ax: Axes, subject: Subject, forest: Forest, spot: Spot) -> None:
    cover = f"cover {short(float(forest.cover[spot.node]))}"
    if forest.left[spot.node] < 0:
        value = float(forest.value[spot.node, 0])
        first, second, ink = signed(value), "", TEAL
    else:
        (first, second), ink = test_of(subject, forest, spot.node), BLUE
    box = FancyBboxPatch(
        (spot.x - 0.43, spot.depth - 0.17), 0.86, 0.32, boxstyle="round,pad=0,rounding_size=0.06",
        fc=PAPER, ec=ink, lw=1.4, zorder=3,
    )  # fmt: skip
    ax.add_patch(box)
    middle = spot.depth - 0.01
    if second:
        ax.text(
            spot.x, middle - 0.065, first, ha="center", va="center", size=9.5, color=INK, zorder=4
        )
        ax.text(
            spot.x, middle + 0.07, second, ha="center", va="center", size=9.5, color=INK, zorder=4
        )
    else:
        ax.text(spot.x, middle, first, ha="center", va="center", size=11, color=ink, zorder=4)
    told = f"{cover} …" if spot.cut else cover
    ax.text(spot.x, spot.depth + 0.23, told, ha="center", va="center", size=8.5, color=MUTED,
            zorder=4, bbox={"fc": PAPER, "ec": "none", "pad": 0.6})  # fmt: skip
