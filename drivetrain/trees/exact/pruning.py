"""Pruning from below: a split of too little gain between two leaves is taken back."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.floating.nodes import Node


def prune(nodes: list[Node], gamma: np.float32) -> tuple[list[Node], NDArray[np.int64]]:
    """Return the nodes that stay, and for each node the one that now holds its rows.

    A bad split above a good one stays.

    Args:
        nodes: All of them; children stand after their parents, siblings side by side.
        gamma: Splits of a smaller gain are taken back.
    """
    kept = np.ones(len(nodes), np.bool_)
    homes = np.arange(len(nodes))
    for k in reversed(range(len(nodes))):
        first = nodes[k].left
        if first < 0 or nodes[k].gain >= gamma:
            continue
        if nodes[first].left < 0 and nodes[first + 1].left < 0:
            nodes[k].left = -1
            kept[first : first + 2] = False
            homes[first : first + 2] = k
    for k in range(len(nodes)):
        homes[k] = homes[homes[k]]
    number = np.cumsum(kept) - 1
    staying = [node for node, stays in zip(nodes, kept) if stays]
    for node in staying:
        if node.left >= 0:
            node.left = int(number[node.left])
    return staying, number[homes]
