"""The rules of growth as the kernels on floats take them: rounded to float32, as XGBoost's are."""

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_integer
from drivetrain.trees.growing.settings import Growth

_WIDEST = float(np.finfo(np.float32).max)


def rule_table(growth: Growth) -> NDArray[np.float64]:
    """Return the table of rules; see `drivetrain.trees.floating._numba.scan`."""
    penalties = (growth.reg_lambda, growth.reg_alpha, growth.min_child_weight)
    rounded = np.array([*penalties, growth.max_delta_step], np.float32)
    bounded = float(bool(growth.monotone_constraints))
    return np.array([*rounded, bounded, growth.max_cat_to_onehot, growth.max_cat_threshold], float)


def directions(growth: Growth, n_features: int) -> NDArray[np.int8]:
    """Return the monotone constraint of each feature, (F,).

    Raises:
        ValueError: Constraints of features that are not there.
    """
    given = growth.monotone_constraints
    if len(given) > n_features:
        raise ValueError(
            f"monotone_constraints must be at most {n_features} long. Got {len(given)}."
        )
    for group in growth.interaction_constraints:
        for feature in group:
            check_integer("interaction_constraints", feature, low=0, high=n_features - 1)
    out = np.zeros(n_features, np.int8)
    out[: len(given)] = given
    return out


def root_state(g: float, h: float) -> NDArray[np.float64]:
    """Return a root as the kernels describe a node; its gain unsplit is still to be set."""
    return np.array([g, h, 0.0, -_WIDEST, _WIDEST])


def pairs_of(g: NDArray[np.floating], h: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return g and h side by side as float32, (n, 2).

    Args:
        g: First derivatives, (n, 1).
        h: Second derivatives, (n, 1), or one for all, (1, 1).
    """
    pairs = np.empty((len(g), 2), np.float32)
    pairs[:, 0] = g[:, 0]
    pairs[:, 1] = h[:, 0]
    return pairs
