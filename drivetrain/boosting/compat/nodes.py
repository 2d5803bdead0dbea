"""Nodes of trees as data frames."""

from typing import Any

import numpy as np

from drivetrain.boosting.compat.dumps import Naming, Node, nodes_of
from drivetrain.core.errors import require, unknown
from drivetrain.trees.forest import Forest

_COLUMNS = (
    "Tree", "Node", "ID", "Feature", "Split", "Yes", "No", "Missing", "Gain", "Cover", "Category",
)  # fmt: skip


def frame_of(forest: Forest, called: Naming) -> Any:
    """Return every node of every tree as a row, as XGBoost's ``trees_to_dataframe``."""
    pandas = require("pandas", "pandas")
    rows = [
        _row(tree, node)
        for tree in range(len(forest))
        for _, node in sorted(nodes_of(forest, tree, called).items())
    ]
    return pandas.DataFrame(rows, columns=_COLUMNS)


def _row(tree: int, node: Node) -> tuple[Any, ...]:
    own, nan = f"{tree}-{node.number}", float("nan")
    if node.kind == "leaf":
        value = node.value[0] if len(node.value) == 1 else node.value
        return (tree, node.number, own, "Leaf", nan, nan, nan, nan, value, node.cover, nan)
    sides = tuple(f"{tree}-{child}" for child in (node.yes, node.no, node.missing))
    split = node.value if node.kind in ("number", "whole") else nan
    chosen = [str(one) for one in node.value] if node.kind == "set" else None
    return (tree, node.number, own, node.name, split, *sides, node.gain, node.cover, chosen)


def histogram_of(
    forest: Forest, called: Naming, feature: str, bins: int | None, as_pandas: bool
) -> Any:
    """Return how often a feature was split at which values, in bins.

    Raises:
        ValueError: No feature of that name, or one that is split by sets of categories.
    """
    if feature not in called.names:
        raise unknown("feature", feature, called.names)
    number = list(called.names).index(feature)
    if called.types[number] == "c":
        raise ValueError(f"Feature {feature!r} is split by sets of categories, not at values.")
    values = forest.threshold[~forest.is_leaf & (forest.feature == number)]
    most = len(np.unique(values))
    count, edges = np.histogram(values, bins=max(1, most if bins is None else min(bins, most)))
    table = np.column_stack([edges[1:], count])
    table = table[table[:, 1] > 0]
    if not as_pandas:
        return table
    return require("pandas", "pandas").DataFrame(table, columns=["SplitValue", "Count"])
