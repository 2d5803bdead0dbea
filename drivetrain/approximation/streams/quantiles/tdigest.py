"""The t-digest: clusters of neighbouring values, finest at the tails."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.streams.quantiles import _numba as kernels
from drivetrain.approximation.streams.quantiles.engine import Array, Engine, interpolate
from drivetrain.core.checks import check_real

_NONE = np.empty(0)


class TDigest(Engine):
    r"""Clusters of neighbouring values, none larger than a scale function allows.

    $$k(q_1) - k(q_0) \le 1, \qquad k(q) = \frac{δ}{2π} \arcsin(2q - 1)$$

    Args:
        compression: δ; at most δ + 2 clusters are kept, about 0.6 δ in practice.

    References:
        Dunning, Ertl, "Computing extremely accurate quantiles using t-digests" (2019), the
        merging digest with scale function k1 and alternating direction.
    """

    __slots__ = ("compression", "ends", "mean", "turns", "weight")
    block: ClassVar[int] = 32768
    mergeable: ClassVar[bool] = True

    def __init__(self, compression: float = 6000) -> None:
        self.compression = check_real("compression", compression, low=10, high=1e6)
        self.mean, self.weight = np.empty(0), np.empty(0)
        self.ends = (np.inf, -np.inf)
        self.turns = 0

    @property
    def count(self) -> int:
        """Number of values taken in."""
        return int(self.weight.sum())

    def absorb(self, x: Array) -> None:
        """Sort and merge the values, a block at a time."""
        if len(x):
            self.ends = (min(self.ends[0], float(x.min())), max(self.ends[1], float(x.max())))
            self.mean, self.weight, self.turns = kernels.digest(
                x, self.block, self.mean, self.weight, len(self.mean), self.compression, self.turns
            )

    def quantiles(self, q: Array) -> Array:
        """Return the quantiles at sorted levels."""
        return interpolate(self.mean, self.weight, self.ends, q)

    def merge(self, other: "TDigest") -> None:
        """Compress the clusters of both together."""
        capacity = int(self.compression) + 8
        mean, weight = np.empty(capacity), np.empty(capacity)
        backward = self.turns % 2 == 1
        count = kernels.compress(
            other.mean,
            other.weight,
            self.mean,
            self.weight,
            mean,
            weight,
            self.compression,
            backward,
        )
        self.mean, self.weight = mean[:count].copy(), weight[:count].copy()
        self.ends = (min(self.ends[0], other.ends[0]), max(self.ends[1], other.ends[1]))
        self.turns += 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return clusters, extremes and the number of runs merged."""
        return {
            "mean": self.mean.copy(),
            "weight": self.weight.copy(),
            "ends": np.array(self.ends),
            "turns": np.array([self.turns]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``arrays`` returned."""
        self.mean, self.weight = state["mean"].copy(), state["weight"].copy()
        self.ends = (float(state["ends"][0]), float(state["ends"][1]))
        self.turns = int(state["turns"][0])
