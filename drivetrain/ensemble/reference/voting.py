"""Rules that combine members' answers: averaging, plurality, majority with rejection."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def average(h: Floats, w: Floats) -> Floats:
    """Return H = sum_i w_i h_i / sum_i w_i.

    Args:
        h: Answers of the members, (members, ...).
        w: Weights, >= 0, (members,).
    """
    total = np.zeros(h.shape[1:])
    for h_i, w_i in zip(h, w):
        total += w_i * h_i
    return total / w.sum()


def votes(h: Sequence[int], w: Sequence[float | Fraction], classes: int) -> list[Fraction]:
    """Return V_c = sum_i w_i [h_i = c] exactly.

    Args:
        h: The class each member votes for.
        w: Weights.
        classes: How many there are.
    """
    return [sum((Fraction(b) for a, b in zip(h, w) if a == c), Fraction(0)) for c in range(classes)]


def plurality(h: Sequence[int], w: Sequence[float | Fraction], classes: int) -> list[int]:
    """Return the classes of most votes: several where they tie."""
    v = votes(h, w, classes)
    return [c for c in range(classes) if v[c] == max(v)]


def majority(h: Sequence[int], w: Sequence[float | Fraction], classes: int) -> int | None:
    """Return the class with V_c > 1/2 sum_c V_c, or None: refuse."""
    v = votes(h, w, classes)
    for c in range(classes):
        if v[c] > sum(v) / 2:
            return c
    return None
