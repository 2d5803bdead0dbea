"""Which features a node may be split on: samples of the tree, level and node; interactions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.trees.growing.drawing._numba import draw, fold
from drivetrain.trees.growing.settings import Growth

Flags = NDArray[np.uint8]

_WORD = (1 << 64) - 1


def sample(allowed: Flags, share: float, key: list[int]) -> Flags:
    """Return max(1, int(share · size)) of the allowed features, drawn by the key alone."""
    if share >= 1:
        return allowed
    out = allowed.copy()
    draw(out, float(share), folded(key))
    return out


def folded(key: list[int]) -> np.uint64:
    """Return the numbers of a key as one."""
    held = np.uint64(0)
    for part in key:
        held = np.uint64(fold(held, np.uint64(part & _WORD)))
    return held


class Masks:
    """The features that each node of one tree may use.

    Draws depend on the seed and on the node's place in the tree, not on when it is split, so
    they are the same for any number of threads and any look-ahead.

    Args:
        growth: The rules.
        features: Number of features.
        seed: The tree's.
    """

    def __init__(self, growth: Growth, features: int, seed: int) -> None:
        self._growth = growth
        self._seed = seed
        self._groups = [set(group) for group in growth.interaction_constraints]
        self.tree = sample(np.ones(features, np.uint8), growth.colsample_bytree, [seed, 0])
        self._used: dict[int, frozenset[int]] = {0: frozenset()}
        self._place = {0: 1}

    @staticmethod
    def needed(growth: Growth) -> bool:
        """Tell whether any node may be kept from any feature."""
        shares = (growth.colsample_bytree, growth.colsample_bylevel, growth.colsample_bynode)
        return min(shares) < 1 or bool(growth.interaction_constraints)

    def root(self) -> Flags:
        """Return the features of the root, (F,)."""
        return self._of(0, 0)

    def children(self, parent: int, feature: int, first: int, depth: int) -> list[Flags]:
        """Return the features of both children of a split.

        Args:
            parent: The node split.
            feature: On what.
            first: Number of the left child; the right one's is the next.
            depth: Their depth.
        """
        for side, child in enumerate((first, first + 1)):
            self._used[child] = self._used[parent] | {feature}
            self._place[child] = 2 * self._place[parent] + side
        return [self._of(child, depth) for child in (first, first + 1)]

    def _of(self, node: int, depth: int) -> Flags:
        growth, seed = self._growth, self._seed
        level = sample(self.tree, growth.colsample_bylevel, [seed, 1, depth])
        drawn = sample(level, growth.colsample_bynode, [seed, 2, self._place[node]])
        used = self._used[node]
        if not self._groups or not used:
            return drawn
        meeting: set[Any] = set(used)
        for group in self._groups:
            if used <= group:
                meeting |= group
        out = np.zeros_like(drawn)
        chosen = sorted(meeting)
        out[chosen] = drawn[chosen]
        return out
