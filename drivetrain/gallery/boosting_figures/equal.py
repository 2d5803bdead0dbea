"""Our trees beside XGBoost's own, node by node."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.peers import xgboost
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import loads
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.core.errors import MissingDependency
from drivetrain.gallery.boosting_figures.task import task
from drivetrain.gallery.page.section import Figure, Number, Table
from drivetrain.trees.forest import Forest
from drivetrain.trees.growing.settings import Growth

ROWS, ROUNDS, DEPTH, BINS = 5000, 10, 6, 256
#: Our settings and XGBoost's for the same trees; the last pair is our default, on other cuts.
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "exact": ({"tree_method": "exact"}, {"tree_method": "exact"}),
    "hist, float histograms": (
        {"histogram": "float", "cuts": "quantile", "max_bin": BINS},
        {"tree_method": "hist", "max_bin": BINS},
    ),
    "hist, whole-number histograms": (
        {"cuts": "quantile", "max_bin": BINS},
        {"tree_method": "hist", "max_bin": BINS},
    ),
}
SAME = ("exact", "hist, float histograms")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two forests side by side.

    Attributes:
        nodes: Nodes of the peer's.
        same: Those with the same split, to the threshold's bits and the missing direction, or
            leaves both, and all above them the same.
        leaf: Greatest difference of the values of such leaves.
    """

    nodes: int
    same: int
    leaf: float

    @property
    def share(self) -> float:
        """Of the peer's nodes, the share that is the same."""
        return self.same / max(self.nodes, 1)


def figure(seed: int) -> Figure:
    """Return the figure: the shares of equal nodes, or what is not installed."""
    here = task(seed)
    n = min(ROWS, len(here.train))
    x, y = here.train.x[:n], here.train.target[:n]
    gaps = with_gaps(x, seed)
    try:
        rows = _compared({"none": x, "a tenth of each column": gaps}, y)
    except MissingDependency as missing:
        return _absent(str(missing))
    wanted = [one for method, _, one in rows if method in SAME]
    same, nodes = (sum(getattr(one, name) for one in wanted) for name in ("same", "nodes"))
    return Figure(
        title=f"{same:,} of {nodes:,} nodes are XGBoost's own, exact and on float histograms",
        caption=f"{ROUNDS} trees of depth {DEPTH} on {n:,} {here.rows}, by us and by the XGBoost "
        "installed here. A node counts as the same if all above it are, it splits on the same "
        "feature at the same threshold, to the bit, and sends missing values the same way. Whole "
        "numbers round gradients at random: where two splits are as good, another may win.",
        table=Table(
            header=("method", "missing values", "XGBoost's nodes", "the same", "share", "leaves"),
            rows=tuple(
                (method, what, f"{one.nodes:,}", f"{one.same:,}", f"{one.share:.2%}",
                 f"differ by {one.leaf:.1e}")
                for method, what, one in rows
            ),
        ),
        numbers=tuple(
            Number(
                what=f"nodes that differ, {method}, missing values: {what}",
                ours=f"{one.nodes - one.same:,}",
                reference="0",
                source="XGBoost's trees from its model file",
            )
            for method, what, one in rows
            if method in SAME
        ),
        sources=(here.source,),
    )  # fmt: skip


def _compared(
    tables: dict[str, NDArray[np.float32]], y: NDArray[np.float32]
) -> list[tuple[str, str, Compared]]:
    return [
        (method, what, compare(*both(method, x, y)))
        for method in METHODS
        for what, x in tables.items()
    ]


def _absent(words: str) -> Figure:
    title = "XGBoost is not installed: its trees cannot be set beside ours here"
    return Figure(title=title, caption=words)


def with_gaps(x: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return the values with a tenth of them missing."""
    holes = np.random.default_rng(seed).random(x.shape) < 0.1
    return np.where(holes, np.float32(np.nan), x)


def both(method: str, x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[Booster, Booster]:
    """Return our model and XGBoost's of the same rows.

    Raises:
        MissingDependency: XGBoost is not installed.
    """
    ours, theirs = METHODS[method]
    common = {"learning_rate": 0.3, "max_depth": DEPTH}
    peer = loads(xgboost.raw(x, y, common | theirs, rounds=ROUNDS))
    settings = Settings(
        n_estimators=ROUNDS, learning_rate=0.3, growth=Growth(max_depth=DEPTH), **ours
    )
    return boost(Dataset(x=x, label=y), SquaredError(), settings)[0], peer


def compare(ours: Booster, theirs: Booster) -> Compared:
    """Return how many of the second's nodes the first has."""
    same, leaf = 0, 0.0
    a, b = ours.forest, theirs.forest
    for tree in range(min(len(a), len(b))):
        held = [(int(a.offsets[tree]), int(b.offsets[tree]))]
        starts = held[0]
        while held:
            i, j = held.pop()
            if not _alike(a, i, b, j):
                continue
            same += 1
            if a.left[i] < 0:
                leaf = max(leaf, abs(float(a.value[i, 0]) - float(b.value[j, 0])))
                continue
            held += [
                (starts[0] + int(u[i]), starts[1] + int(v[j]))
                for u, v in ((a.left, b.left), (a.right, b.right))
            ]
    return Compared(nodes=len(b.left), same=same, leaf=leaf)


def _alike(a: Forest, i: int, b: Forest, j: int) -> bool:
    if (a.left[i] < 0) != (b.left[j] < 0):
        return False
    return bool(
        a.left[i] < 0
        or (
            a.feature[i] == b.feature[j]
            and a.threshold[i] == b.threshold[j]
            and a.default_left[i] == b.default_left[j]
        )
    )
