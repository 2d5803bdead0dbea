"""LightGBM's text models, read: every count and index checked, each tree turned to our rules."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.files.lightgbm_trees import read_tree
from drivetrain.boosting.files.trees import FileError
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.trees.forest import Forest, join

#: What such a file begins with.
MARK = b"tree"

_MOST_OUTPUTS = 1 << 16
# Those whose prediction is the margin keep it, whatever their loss; so does a custom one.
_NAMES = {
    "regression": "reg:squarederror",
    "regression_l1": "reg:absoluteerror",
    "huber": "reg:pseudohubererror",
    "fair": "reg:squarederror",
    "mape": "reg:absoluteerror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
    "tweedie": "reg:tweedie",
    "binary": "binary:logistic",
    "cross_entropy": "binary:logistic",
    "multiclass": "multi:softprob",
    "multiclassova": "binary:logistic",
    "lambdarank": "rank:ndcg",
    "rank_xendcg": "rank:ndcg",
    "custom": "reg:squarederror",
}


def read_lightgbm(text: str) -> Booster:
    """Return the model of LightGBM's text.

    Its trees send x <= t left, for a double t; ours x < t', for the float32 t' just above the
    greatest float32 not above t: for float32 values that is the same. Leaves become float32.
    Covers are LightGBM's counts of rows, which its own SHAP values weigh by.

    Args:
        text: The whole file.

    Raises:
        FileError: It is damaged, or holds what cannot be said in our trees: zeros that are
            missing where a split would send them the other way, or the objectives
            ``cross_entropy_lambda`` and ``regression sqrt``.
    """
    head, trees, rest = _sections(text)
    names = head.get("feature_names", "").split()
    features = _count(head, "max_feature_idx") + 1
    if len(names) != features:
        raise FileError(f"feature_names must hold {features} names. Got {len(names)}.")
    groups = _count(head, "num_tree_per_iteration")
    if not 1 <= groups <= _MOST_OUTPUTS or len(trees) % groups:
        raise FileError(f"{len(trees)} trees must be whole rounds of {groups}.")
    if len(head.get("tree_sizes", "").split()) != len(trees):
        raise FileError(f"tree_sizes must hold a size for each of {len(trees)} trees.")
    objective, factor = _objective(head, groups, _parameters(rest))
    if "average_output" in head and trees:
        factor /= len(trees) // groups
    forest = join([
        _empty(features, groups),
        *(
            read_tree(tree, f"tree {t}", group=t % groups, shape=(features, groups), factor=factor)
            for t, tree in enumerate(trees)
        ),
    ])  # fmt: skip
    kinds = _categorical(head, forest)
    return Booster(
        forest=forest,
        base_score=_nothing(objective, groups),
        objective=objective,
        rounds=np.arange(0, len(trees) + 1, groups, dtype=np.int64),
        feature_names=tuple(names),
        categorical=kinds if kinds.any() else None,
        categories=_words(rest, kinds),
        attributes={"lightgbm": head.get("objective", "custom")},
    )


def _sections(text: str) -> tuple[dict[str, str], list[dict[str, str]], list[str]]:
    """Return what stands before the trees, the trees, and the lines after them."""
    lines = iter(text.splitlines())
    if next(lines, "").strip() != MARK.decode():
        raise FileError("A LightGBM model must begin with a line 'tree'.")
    head = _entries(lines, "")
    version = head.get("version", "v4")
    if version not in ("v2", "v3", "v4"):
        raise FileError(f"version of the LightGBM model must be v2, v3 or v4. Got {version!r:.20}.")
    trees: list[dict[str, str]] = []
    latest = head
    while latest.pop("Tree", None) == str(len(trees)):
        latest = _entries(lines, f"tree {len(trees)}")
        trees.append(latest)
    if "end of trees" not in latest:
        raise FileError(f"tree {len(trees)} or 'end of trees' is missing: is the file truncated?")
    return head, trees, list(lines)


def _entries(lines: Iterator[str], where: str) -> dict[str, str]:
    """Return lines ``name=value`` up to the one that begins the next tree or ends them all."""
    held: dict[str, str] = {}
    for line in lines:
        name, _, value = line.strip().partition("=")
        if not name:
            continue
        if name in held:
            raise FileError(f"{where or 'the head'} says {name!r:.40} twice.")
        held[name] = value
        if name in ("Tree", "end of trees"):
            break
    return held


def _count(head: Mapping[str, str], name: str) -> int:
    text = head.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise FileError(f"{name} must be a whole number. Got {text!r:.40}.")
    return int(text)


def _parameters(rest: list[str]) -> dict[str, str]:
    """Return what was asked for in training: lines ``[name: value]``."""
    pairs = (line[1:-1].partition(": ") for line in rest if line[:1] == "[" and line[-1:] == "]")
    return {name: value for name, _, value in pairs}


def _number(given: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(given.get(name, default))
    except ValueError:
        number = np.nan
    if not 0 < number < np.inf:
        raise FileError(f"{name} must be a number > 0. Got {given.get(name)!r:.40}.")
    return number


def _objective(
    head: Mapping[str, str], groups: int, asked: Mapping[str, str]
) -> tuple[Objective, float]:
    """Return the objective, and what its margins are multiplied by."""
    name, *words = head.get("objective", "custom").split() or ["custom"]
    told = dict(word.split(":", 1) for word in words if ":" in word)
    if name not in _NAMES or "sqrt" in words:
        raise FileError(f"objective {' '.join([name, *words])!r:.60} is not known.")
    if name == "multiclass" and told.get("num_class") != str(groups):
        raise FileError(f"multiclass must have num_class:{groups}. Got {' '.join(words)!r:.60}.")
    one_output = name not in ("multiclass", "multiclassova", "custom")
    if one_output and groups != 1:
        raise FileError(f"objective {name!r} must have one tree an iteration. Got {groups}.")
    given: dict[str, Any] = {
        "num_class": groups,
        "quantile_alpha": min(_number(asked, "alpha", 0.5), 1.0),
        "huber_slope": _number(asked, "alpha", 0.9),
        "tweedie_variance_power": _number(asked, "tweedie_variance_power", 1.5),
        "max_delta_step": _number(asked, "poisson_max_delta_step", 0.7),
    }
    try:
        objective = objective_named(_NAMES[name], given)
    except ValueError as error:
        raise FileError(f"objective {name!r}: {error}") from None
    return objective, _number(told, "sigmoid", 1.0)


def _nothing(objective: Objective, groups: int) -> NDArray[np.float32]:
    """Return the base score whose margin is 0: LightGBM's leaves hold everything."""
    for score in (0.0, 0.5, 1.0):
        scores = np.full(groups, score, np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            if not np.any(objective.to_margin(scores)):
                return scores
    raise FileError(f"objective {objective.name!r} has no score of margin 0.")


def _categorical(head: Mapping[str, str], forest: Forest) -> NDArray[np.bool_]:
    """Return which features hold categories: those that list values, and those split by them."""
    infos = head.get("feature_infos", "").split()
    kinds = np.zeros(forest.n_features, np.bool_)
    if len(infos) == forest.n_features:
        kinds[:] = [info[:1] != "[" and info != "none" for info in infos]
    kinds[forest.feature[forest.categorical]] = True
    return kinds


def _words(rest: list[str], kinds: NDArray[np.bool_]) -> tuple[tuple[object, ...], ...]:
    """Return the values of pandas' categories, where LightGBM kept them for all such columns."""
    kept = [line.partition(":")[2] for line in rest if line.startswith("pandas_categorical:")]
    try:
        lists = json.loads(kept[-1]) if kept else None
    except (ValueError, RecursionError):
        raise FileError("pandas_categorical must be JSON.") from None
    if not isinstance(lists, list) or len(lists) != kinds.sum():
        return ()
    if not all(isinstance(own, list) for own in lists):
        raise FileError("pandas_categorical must hold a list of values for each column.")
    words = iter(lists)
    return tuple(tuple(next(words)) if kind else () for kind in kinds)


def _empty(features: int, groups: int) -> Forest:
    """Return a forest without trees: something to join."""
    whole, real = np.empty(0, np.int32), np.empty(0, np.float32)
    return Forest(
        offsets=np.zeros(1, np.int64),
        left=whole,
        right=whole,
        feature=whole,
        threshold=real,
        default_left=np.empty(0, np.bool_),
        value=np.empty((0, 1), np.float32),
        cover=real,
        gain=real,
        group=whole,
        n_features=features,
        n_groups=groups,
        set_offsets=np.zeros(1, np.int64),
        sets=whole,
        categorical=np.empty(0, np.bool_),
    )
