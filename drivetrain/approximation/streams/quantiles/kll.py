"""The KLL sketch: levels of values, each standing for twice as many as the one below."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams.quantiles.engine import Array, Engine, interpolate
from drivetrain.core.checks import check_integer

_SHRINK = 2.0 / 3.0


class KLL(Engine):
    """Values kept at random, with a guarantee that holds for any order of the data.

    A level that is full is sorted and every other value moves up, the first or the second of
    each pair by the toss of a coin. The coins come from the seed and their own number, so the
    same data give the same bits.

    Args:
        k: Size of the highest level; rank errors are about 2 / k at worst, 99 times of 100.
        seed: Of the coins.

    References:
        Karnin, Lang, Liberty, "Optimal quantile approximation in streams" (2016), section 4.
    """

    __slots__ = ("ends", "k", "levels", "seed", "tosses")
    block: ClassVar[int] = 1024
    mergeable: ClassVar[bool] = True

    def __init__(self, k: int = 800, seed: int = 0) -> None:
        self.k = check_integer("k", k, low=8, high=1 << 20)
        self.seed = check_integer("seed", seed, low=0)
        self.tosses = 0
        self.levels: list[Array] = [np.empty(0)]
        self.ends = (np.inf, -np.inf)

    @property
    def count(self) -> int:
        """Number of values taken in."""
        return sum(len(level) << height for height, level in enumerate(self.levels))

    def absorb(self, x: Array) -> None:
        """Put the values into the lowest level, a block at a time, and compact."""
        for start in range(0, len(x), self.block):
            block = x[start : start + self.block]
            self.ends = (
                min(self.ends[0], float(block.min())),
                max(self.ends[1], float(block.max())),
            )
            self.levels[0] = np.concatenate([self.levels[0], block])
            self._compact()

    def quantiles(self, q: Array) -> Array:
        """Return the quantiles at sorted levels."""
        values = np.concatenate(self.levels)
        weights = np.concatenate(
            [np.full(len(level), 2.0**height) for height, level in enumerate(self.levels)]
        )
        order = np.argsort(values, kind="stable")
        return interpolate(values[order], weights[order], self.ends, q)

    def merge(self, other: "KLL") -> None:
        """Join the levels one by one and compact."""
        self.levels += [np.empty(0)] * (len(other.levels) - len(self.levels))
        for height, level in enumerate(other.levels):
            self.levels[height] = np.concatenate([self.levels[height], level])
        self.ends = (min(self.ends[0], other.ends[0]), max(self.ends[1], other.ends[1]))
        self._compact()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the values, the levels' sizes, extremes and the number of tosses."""
        return {
            "values": np.concatenate(self.levels),
            "sizes": np.array([len(level) for level in self.levels]),
            "ends": np.array(self.ends),
            "tosses": np.array([self.tosses]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``arrays`` returned."""
        self.levels = np.split(state["values"], np.cumsum(state["sizes"])[:-1])
        self.ends = (float(state["ends"][0]), float(state["ends"][1]))
        self.tosses = int(state["tosses"][0])

    def _compact(self) -> None:
        height = 0
        while height < len(self.levels):
            level = self.levels[height]
            depth = len(self.levels) - 1 - height
            if len(level) > max(8, round(self.k * _SHRINK**depth)):
                level = np.sort(level)
                # An odd one out stays, so that no weight is lost.
                even = len(level) // 2 * 2
                if height + 1 == len(self.levels):
                    self.levels.append(np.empty(0))
                chosen = level[self._toss() : even : 2]
                self.levels[height + 1] = np.concatenate([self.levels[height + 1], chosen])
                self.levels[height] = level[even:]
            height += 1

    def _toss(self) -> int:
        self.tosses += 1
        return int(_mix(self.seed * 0x9E3779B97F4A7C15 + self.tosses) & 1)


def _mix(z: int) -> int:
    """Return 64 well-mixed bits of a number (splitmix64, Steele, Lea, Flood 2014)."""
    z = (z + 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)
