"""Single trees of XGBoost 3.2, and which of their nodes are ours."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.files.trees import write_tree
from drivetrain.core.errors import require
from drivetrain.trees.forest import Forest
from drivetrain.trees.growing.settings import Growth

Floats = NDArray[np.float32]
#: What a node says: its split and gain, or its leaf value; and its cover.
Node = tuple[Any, ...]
#: One thread: with more, XGBoost's sums depend on how rows are shared.
ALONE = {"nthread": 1, "learning_rate": 1.0}


def params_of(growth: Growth, method: str) -> dict[str, Any]:
    """Return the rules as XGBoost takes them."""
    names = ["max_depth", "reg_lambda", "reg_alpha", "gamma", "min_child_weight", "max_delta_step"]
    if method != "exact":
        names += ["max_leaves", "grow_policy", "max_cat_to_onehot", "max_cat_threshold"]
    out: dict[str, Any] = {name: getattr(growth, name) for name in names}
    if growth.monotone_constraints:
        out["monotone_constraints"] = str(tuple(growth.monotone_constraints))
    if growth.interaction_constraints:
        out["interaction_constraints"] = json.dumps(growth.interaction_constraints)
    return out | {"tree_method": method}


def tree(
    x: Floats,
    pairs: tuple[Floats, Floats],
    growth: Growth,
    *,
    method: str,
    bins: int = 256,
    categorical: NDArray[np.bool_] | None = None,
    objective: str = "reg:squarederror",
) -> Mapping[str, Any]:
    """Return the tree that XGBoost grows on gradients, unshrunk, as its model file has it.

    Args:
        x: Values, (n, F).
        pairs: g and h, (n,) each.
        growth: The rules.
        method: ``hist``, ``exact`` or ``approx``.
        bins: Most bins of a feature.
        categorical: Which features are, (F,).
        objective: Whose h is taken to be constant or not.

    Raises:
        MissingDependency: xgboost is not installed.
    """
    xgboost = require("xgboost", "drivetrain[peers]")
    kinds = np.zeros(x.shape[1], np.bool_) if categorical is None else categorical
    words = ["c" if one else "q" for one in kinds]
    data = xgboost.DMatrix(
        x, np.zeros(len(x)), nthread=1, feature_types=words, enable_categorical=True
    )
    params = params_of(growth, method) | ALONE | {"max_bin": bins, "objective": objective}
    booster = xgboost.Booster(params, [data])
    booster.boost(data, 0, grad=pairs[0], hess=pairs[1])
    return trees(booster)[0]


def grown(x: Floats, y: Floats, params: Mapping[str, Any], rounds: int) -> Any:
    """Return a Booster trained on values and labels.

    Raises:
        MissingDependency: xgboost is not installed.
    """
    xgboost = require("xgboost", "drivetrain[peers]")
    return xgboost.train(dict(params), xgboost.DMatrix(x, y, nthread=1), rounds)


def trees(booster: Any) -> Sequence[Mapping[str, Any]]:
    """Return all trees of a Booster, as its model file has them."""
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    found: Sequence[Mapping[str, Any]] = model["model"]["trees"]
    return found


def by_path(tree: Mapping[str, Any]) -> dict[str, Node]:
    """Return what every node says, by the way to it: L for left, R for right."""
    left, right = tree["left_children"], tree["right_children"]
    real = {name: np.asarray(tree[name], np.float32) for name in _REAL}
    sets: dict[int, Any] = {
        node: frozenset(tree["categories"][begin : begin + size])
        for node, begin, size in zip(
            tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"]
        )
    }
    found: dict[str, Node] = {}
    ways = [("", 0)]
    while ways:
        way, i = ways.pop()
        condition, gain, cover = (float(real[name][i]) for name in _REAL)
        if left[i] < 0:
            found[way] = (condition, cover)
            continue
        test = sets.get(i, condition)
        split = int(tree["split_indices"][i]), test, bool(tree["default_left"][i])
        found[way] = (*split, gain, cover)
        ways += [(way + "L", int(left[i])), (way + "R", int(right[i]))]
    return found


_REAL = ("split_conditions", "loss_changes", "sum_hessian")


def equal_nodes(ours: Forest, number: int, theirs: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many nodes of a tree are theirs to the bit, of how many in either.

    Equal are the way to a node, its feature, threshold or set of categories, default direction,
    gain and cover, or its leaf value.
    """
    a, b = by_path(write_tree(ours, number)), by_path(theirs)
    return sum(b.get(way) == node for way, node in a.items()), len(a.keys() | b.keys())
