"""Gradient-based one-side sampling: the rows with large gradients, and a few of the others."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array, check_real
from drivetrain.core.seeds import RandomState, numpy_generator


class GossSample(NamedTuple):
    """Rows and what each of them counts.

    Attributes:
        rows: Numbers of the rows, rising, (m,).
        factors: What g and h of each are multiplied by, (m,): 1, or (1 - a) / b.
    """

    rows: NDArray[np.int64]
    factors: NDArray[np.float64]


def goss_sample(
    gradients: ArrayLike,
    top_rate: float = 0.2,
    other_rate: float = 0.1,
    random_state: RandomState = None,
) -> GossSample:
    r"""Keep the a·n rows of the largest :math:`|g|`, draw b·n of the others.

    .. math:: \text{factor} = 1 \text{ for the kept}, \qquad (1 - a) / b \text{ for the drawn}

    so sums of gradients over any set of rows are unbiased, up to the rounding of a·n and b·n.

    Args:
        gradients: First derivatives, (n,), or (n, K), whose sizes are added up over K. Of equal
            sizes the rows that come first are kept.
        top_rate: a, in [0, 1]; a·n is rounded down, but one row at least where a > 0.
        other_rate: b, in [0, 1], a + b <= 1, above 0 unless a = 1; rounded in the same way.
        random_state: Seed of the draw.

    Returns:
        The rows, rising, and their factors.

    Raises:
        ValueError: Rates that do not fit; no rows; gradients that are not finite.

    Example:
        >>> rows, factors = goss_sample([5.0, 0.1, -4.0, 0.2], 0.5, 0.25, random_state=0)
        >>> rows[factors == 1].tolist(), factors.max().item()
        ([0, 2], 2.0)

    References:
        Ke et al.: LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS 2017,
        algorithm 2.
    """
    g = check_array("gradients", gradients, ndim=(1, 2), finite=True)
    if not g.size:
        raise ValueError(f"gradients must have a row at least. Got shape {g.shape}.")
    a, b = _rates(top_rate, other_rate)
    n = len(g)
    size = np.abs(g.reshape(n, -1)).sum(axis=1)
    order = np.argsort(-size, kind="stable")
    kept = share_of(a, n)
    drawn = min(share_of(b, n), n - kept) if a < 1 else 0
    others = numpy_generator(random_state).choice(n - kept, drawn, replace=False)
    rows = np.concatenate([order[:kept], order[kept:][others]])
    factors = np.ones(len(rows))
    factors[kept:] = (1 - a) / b if drawn else 1.0
    rising = np.argsort(rows)
    return GossSample(rows[rising], factors[rising])


def share_of(rate: float, n: int) -> int:
    """Return rate·n rounded down; 1 at least where the rate is above 0."""
    # 0.29 * 100 is 28.999999999999996: what is meant is 29.
    return max(1, math.floor(rate * n * (1 + 2.0**-50))) if rate > 0 else 0


def _rates(top_rate: float, other_rate: float) -> tuple[float, float]:
    a = check_real("top_rate", top_rate, low=0, high=1)
    b = check_real("other_rate", other_rate, low=0, high=1)
    # 0.9 + 0.1 may round to either side of 1.
    if a + b > 1 + 2.0**-50:
        raise ValueError(f"top_rate + other_rate must be <= 1. Got {a:g} + {b:g}.")
    if b == 0 and a < 1:
        raise ValueError(
            f"other_rate must be > 0 unless top_rate is 1: the rows left out would count nothing. "
            f"Got top_rate {a:g}, other_rate 0."
        )
    return a, b
