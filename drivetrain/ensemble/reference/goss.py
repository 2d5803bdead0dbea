"""Gradient-based one-side sampling, algorithm 2 of the LightGBM paper, line by line."""

import numpy as np
from numpy.typing import NDArray


def split_rows(g: NDArray[np.float64], top: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the largest \\|g\\|, and the others, by a sort.

    Args:
        g: Derivatives, (n,).
        top: How many are kept.
    """
    by_size = sorted(range(len(g)), key=lambda i: (-abs(float(g[i])), i))
    return np.array(by_size[:top], np.int64), np.array(by_size[top:], np.int64)


def factor(a: float, b: float) -> float:
    """Return what the drawn rows count: fact = (1 - a) / b."""
    return (1 - a) / b
