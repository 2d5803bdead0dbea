"""Pictures and polygons from a seed, of the kinds that make runs awkward."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


def _pictures(seed: int, count: int = 1, most: int = 12) -> Flags:
    """Noise, blocks (runs that wrap around columns), all 0, all 1; (count, height, width)."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, most + 1, 2).tolist()
    shape = (count, height, width)
    kind = rng.integers(8)
    if kind < 3:
        return rng.random(shape) < rng.random((count, 1, 1))
    if kind < 6:
        coarse = rng.random((count, height // 4 + 1, width // 4 + 1)) < 0.6
        return np.kron(coarse, np.ones((1, 4, 4), bool))[:, :height, :width]
    return np.full(shape, kind == 6)


def _polygon(seed: int) -> tuple[list[float], int, int]:
    """Corners, height, width: floats, whole numbers, fifths and their neighbours, far, thin."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 31, 2).tolist()
    n = int(rng.integers(3, 13))
    corners = [
        rng.uniform(-10, 40, 2 * n),
        rng.integers(-5, 35, 2 * n).astype(float),
        rng.integers(-25, 175, 2 * n) / 5 + rng.choice([0, 0.1, -0.1]),
        rng.normal(0, 300, 2 * n),
        np.repeat(rng.uniform(0, 30, n), 2) + rng.normal(0, 0.2, 2 * n),
    ][rng.integers(5)]
    if rng.random() < 0.3:
        corners[2:4] = corners[0:2]
    return corners.tolist(), height, width


@pytest.fixture(scope="session")
def pictures() -> Callable[..., Flags]:
    return _pictures


@pytest.fixture(scope="session")
def polygon() -> Callable[[int], tuple[list[float], int, int]]:
    return _polygon
