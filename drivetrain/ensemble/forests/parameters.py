"""What forests are told: scikit-learn's parameters under its names, with its defaults."""

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from drivetrain.core.checks import check_choice, check_integer, check_real
from drivetrain.trees.deep.rules import DeepRules

#: Which columns hold categories: a mask, places, or names.
Chosen = Sequence[bool] | Sequence[int] | Sequence[str] | NDArray[Any] | None
#: More bins than this do not fit two bytes beside the code of a missing value.
MOST_BINS = 65534


@dataclass(eq=False, repr=False)
class ForestParameters(BaseEstimator):
    """Parameters that all forests share; those from ``tree_method`` on are not scikit-learn's.

    Attributes:
        n_estimators: Trees.
        criterion: What splits lower: ``squared_error``; of classes ``gini``, ``entropy`` or
            ``log_loss``.
        max_depth: Greatest depth; None for no limit.
        min_samples_split: Fewest rows of a node that is split, or their share.
        min_samples_leaf: Fewest rows of a leaf, or their share.
        min_weight_fraction_leaf: Least share of the weights in a leaf.
        max_features: Features drawn for each split: a number, a share, ``sqrt``, ``log2``, or
            None for all.
        max_leaf_nodes: Most leaves, split best first; None for no limit.
        min_impurity_decrease: Least decrease of the impurity by a split.
        bootstrap: Whether each tree draws its rows, with replacement.
        oob_score: Whether to score each row by the trees that did not draw it; or the score, a
            function of y and predictions.
        n_jobs: Threads; one where None. The model is the same bits for any.
        random_state: Seed.
        verbose: Kept for scikit-learn's sake.
        warm_start: Whether another ``fit`` adds trees.
        ccp_alpha: What a leaf costs in impurity; trees are pruned where it is above 0.
        max_samples: Rows each tree draws, or their share; as many as there are where None.
        monotonic_cst: -1, 0 or 1 for each feature: how predictions may move with it.
        tree_method: ``hist``: splits between bins of values; ``exact``: between any values.
        max_bin: Most bins of a feature, at most 65534.
        categorical_features: Columns of categories, numbered from 0: a mask, places, or names.
    """

    #: Whether each feature is cut at random, not searched.
    splits_at_random: ClassVar[bool] = False

    n_estimators: int = 100
    _: KW_ONLY
    criterion: str = "squared_error"
    max_depth: int | None = None
    min_samples_split: float = 2
    min_samples_leaf: float = 1
    min_weight_fraction_leaf: float = 0.0
    max_features: float | str | None = 1.0
    max_leaf_nodes: int | None = None
    min_impurity_decrease: float = 0.0
    bootstrap: bool = True
    oob_score: bool | Callable[..., float] = False
    n_jobs: int | None = None
    random_state: Any = None
    verbose: int = 0
    warm_start: bool = False
    ccp_alpha: float = 0.0
    max_samples: float | None = None
    monotonic_cst: Sequence[int] | None = None
    tree_method: str = "hist"
    max_bin: int = 255
    categorical_features: Chosen = None


def rules_of(given: ForestParameters, rows: int, features: int) -> DeepRules:
    """Return the parameters as a tree grows by them.

    Args:
        given: The parameters.
        rows: Rows of the table.
        features: Its features.

    Raises:
        TypeError: A parameter of another type.
        ValueError: A parameter out of range.
    """
    least = _number("min_samples_leaf", given.min_samples_leaf, rows, low=1)
    split = _number("min_samples_split", given.min_samples_split, rows, low=2)
    share = check_real("min_weight_fraction_leaf", given.min_weight_fraction_leaf, low=0, high=0.5)
    return DeepRules(
        max_features=_tried(given.max_features, features),
        max_depth=_limit("max_depth", given.max_depth, low=1),
        max_leaf_nodes=_limit("max_leaf_nodes", given.max_leaf_nodes, low=2),
        min_samples_split=max(split, 2 * least),
        min_samples_leaf=least,
        min_weight_fraction=share,
        min_impurity_decrease=given.min_impurity_decrease,
        criterion="entropy" if given.criterion == "log_loss" else given.criterion,  # type: ignore[arg-type]
        monotonic=_directions(given.monotonic_cst, features),
    )


def _number(name: str, value: Any, rows: int, *, low: int) -> int:
    if isinstance(value, Integral):
        return check_integer(name, value, low=low)
    share = check_real(name, value, low=0, high=1, open_low=True)
    return max(low, math.ceil(share * rows))


def _limit(name: str, value: Any, *, low: int) -> int:
    return 0 if value is None else check_integer(name, value, low=low)


def _tried(value: Any, features: int) -> int:
    if value is None:
        return features
    if isinstance(value, str):
        check_choice("max_features", value, ("sqrt", "log2"))
        return max(1, int(math.sqrt(features) if value == "sqrt" else math.log2(features)))
    if isinstance(value, Integral):
        return min(features, check_integer("max_features", value, low=1))
    return max(1, int(check_real("max_features", value, low=0, high=1, open_low=True) * features))


def _directions(value: Sequence[int] | None, features: int) -> tuple[int, ...]:
    if value is None:
        return ()
    if len(value) != features:
        raise ValueError(f"monotonic_cst must have {features} entries. Got {len(value)}.")
    return tuple(check_integer("monotonic_cst", one, low=-1, high=1) for one in value)


def kinds_of(given: Chosen, features: int, names: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Return whether each feature is categorical, (F,).

    Args:
        given: A mask, places, or names; None for none.
        features: Number of features.
        names: Their names, where they have any.

    Raises:
        ValueError: A place or a name that there is not, a mask of another length.
    """
    out = np.zeros(features, np.bool_)
    if given is None or not len(given):
        return out
    chosen = np.asarray(given)
    if chosen.dtype.kind == "b":
        if chosen.shape != (features,):
            raise ValueError(
                f"categorical_features must have {features} entries. Got shape {chosen.shape}."
            )
        return chosen
    if chosen.dtype.kind in "iu":
        if chosen.min() < 0 or chosen.max() >= features:
            raise ValueError(
                f"categorical_features must be places below {features}. Got {chosen.tolist()}."
            )
        out[chosen] = True
        return out
    known = [] if names is None else list(names)
    for name in chosen.tolist():
        if name not in known:
            raise ValueError(f"categorical_features names {name!r}, which X has not.")
        out[known.index(name)] = True
    return out
