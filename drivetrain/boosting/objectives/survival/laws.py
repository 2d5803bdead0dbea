"""The laws of the noise of log times: density, its slopes, and distribution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_choice

Doubles = NDArray[np.float64]
LAWS = ("normal", "logistic", "extreme")


@dataclass(frozen=True)
class Values:
    """A law at some points z.

    Attributes:
        density: p(z).
        slope: p'(z).
        bend: p''(z).
        below: The distribution, ∫ p up to z.
    """

    density: Doubles
    slope: Doubles
    bend: Doubles
    below: Doubles


def law_at(name: str, z: Doubles) -> Values:
    """Return the law at z; all zero far out, where exp(z) overflows.

    Raises:
        ValueError: No such law.
    """
    check_choice("aft_loss_distribution", name, LAWS)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if name == "normal":
            return _normal(z)
        return _logistic(z) if name == "logistic" else _extreme(z)


def law_where(name: str, z: Doubles, wanted: NDArray[np.bool_]) -> Values:
    """Return the law at some of the points; all zero at the others.

    Args:
        name: The law.
        z: Points, (n,).
        wanted: Which, (n,).
    """
    at = np.flatnonzero(wanted)
    if len(at) == len(z):
        return law_at(name, z)
    some = law_at(name, z[at])
    held = np.zeros((4, len(z)))
    for row, part in zip(held, (some.density, some.slope, some.bend, some.below)):
        row[at] = part
    return Values(*held)


def _normal(z: Doubles) -> Values:
    from scipy.special import erf

    p = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return Values(p, -z * p, (z * z - 1) * p, 0.5 * (1 + erf(z / np.sqrt(2))))


def _logistic(z: Doubles) -> Values:
    w = np.exp(z)
    p = _finite(w / np.square(1 + w), w * w)
    slope = _finite(p * (1 - w) / (1 + w), w)
    bend = _finite(p * (w * w - 4 * w + 1) / np.square(1 + w), w * w)
    return Values(p, slope, bend, np.where(np.isinf(w), 1.0, w / (1 + w)))


def _extreme(z: Doubles) -> Values:
    w = np.exp(z)
    p = _finite(w * np.exp(-w), w)
    slope = _finite((1 - w) * p, w)
    return Values(p, slope, _finite((w * w - 3 * w + 1) * p, w * w), 1 - np.exp(-w))


def _finite(value: Doubles, size: Doubles) -> Doubles:
    return np.where(np.isinf(size), 0.0, value)
