"""What a model says of rows, in XGBoost's shapes: values, margins, leaves, Shapley values."""

import warnings
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.walking import walked
from drivetrain.core.checks import check_integer
from drivetrain.trees.forest import join
from drivetrain.trees.shap.explainer import Explainer

Floats = NDArray[np.float32]
Model = Booster | LinearBooster


class Flags(TypedDict, total=False):
    """What ``predict`` may be asked for."""

    output_margin: bool
    pred_leaf: bool
    pred_contribs: bool
    approx_contribs: bool
    pred_interactions: bool
    validate_features: bool
    training: bool
    iteration_range: tuple[int, int]
    strict_shape: bool


def predicted(model: Model, data: Dataset, flags: Flags, *, threads: int) -> NDArray[Any]:
    """Return what the flags ask for.

    Args:
        model: All its rounds are used, unless the flags have an ``iteration_range``.
        data: The rows.
        flags: XGBoost's.
        threads: Threads.

    Raises:
        ValueError: A range of rounds that are not there.
    """
    if flags.get("training") and isinstance(model, Booster) and model.weights is not None:
        raise ValueError("training=True is not offered for dart: no trees are dropped here.")
    strict = flags.get("strict_shape", False)
    begin, end = flags.get("iteration_range", (0, 0))
    used = model
    if (begin, end) != (0, 0):
        last = check_integer("iteration_range", end, low=0, high=len(model)) or len(model)
        used = sliced(model, range(check_integer("iteration_range", begin, low=0), last))
    if flags.get("pred_leaf"):
        return leaves_of(used, data, strict=strict, threads=threads)
    if flags.get("approx_contribs"):
        raise ValueError("approx_contribs is not offered: pred_contribs is exact, and fast.")
    if flags.get("pred_contribs") or flags.get("pred_interactions"):
        pairs = bool(flags.get("pred_interactions"))
        return shares_of(used, data, pairs=pairs, strict=strict, threads=threads)
    margin = margin_of(used, data, threads=threads)
    given = margin if flags.get("output_margin") else model.objective.predict(margin)
    return _shaped(given, strict)


def margin_of(model: Model, data: Dataset, *, threads: int) -> Floats:
    """Return the margins of rows, wherever their values are, (n, groups)."""
    if data.table is None or isinstance(model, LinearBooster):
        return model.margin(data.x, base_margin=data.base_margin, threads=threads)
    start = data.base_margin
    if start is None:
        start = model.objective.to_margin(model.base_score)
    margin = np.empty((len(data), model.forest.n_groups), np.float32)
    margin[:] = start
    return walked(data, model.scaled, margin, threads=threads)


def _shaped(given: Floats, strict: bool) -> Floats:
    if strict:
        return given.reshape(len(given), -1)
    return given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given


def leaves_of(model: Model, data: Dataset, *, strict: bool, threads: int) -> Floats:
    """Return the leaf each row reaches in each tree, (n, trees), or (n,) of one tree.

    Args:
        model: Trees.
        data: The rows.
        strict: Whether the shape is (n, rounds, groups, parallel trees), always.
        threads: Threads.

    Raises:
        ValueError: A linear model, which has no leaves.
    """
    if isinstance(model, LinearBooster):
        raise ValueError("booster='gblinear' has no leaves: pred_leaf is of trees.")
    leaves = model.leaves(data.x, threads=threads).astype(np.float32)
    if not strict:
        return leaves[:, 0] if leaves.shape[1] == 1 else leaves
    groups = 1 if (model.forest.group < 0).any() else model.forest.n_groups
    return leaves.reshape(len(leaves), max(1, len(model)), groups, -1)


def shares_of(model: Model, data: Dataset, *, pairs: bool, strict: bool, threads: int) -> Floats:
    """Return what each feature adds to the margin, exact Shapley values, (n, F + 1).

    Args:
        model: Trees, or a linear model, whose features add x w.
        data: The rows.
        pairs: Whether pairs of features are told apart, (n, F + 1, F + 1).
        strict: Whether there is an axis of groups even if there is one.
        threads: Threads.
    """
    if isinstance(model, LinearBooster):
        call = model.interactions if pairs else model.contributions
        linear = call(data.x, base_margin=data.base_margin).astype(np.float32)
        return linear[:, 0] if linear.shape[1] == 1 and not strict else linear
    explainer = Explainer(model.scaled, threads=threads)
    base = model.objective.to_margin(model.base_score)
    values = (explainer.interactions if pairs else explainer.values)(data.x, base)
    if data.base_margin is not None:
        corner = (..., -1, -1) if pairs else (..., -1)
        values[corner] += data.base_margin - base
    out = values.astype(np.float32)
    return out[:, 0] if out.shape[1] == 1 and not strict else out


def sliced(model: Model, rounds: range) -> Model:
    """Return the model of some rounds, in their order, as if there had never been others.

    Raises:
        ValueError: No rounds at all.
    """
    if isinstance(model, LinearBooster):
        raise ValueError("booster='gblinear' keeps its last weights only: no round stands alone.")
    if not len(rounds):
        raise ValueError(f"A slice must keep a round. Got {rounds} of {len(model)}.")
    runs = [(int(model.rounds[k]), int(model.rounds[k + 1])) for k in rounds]
    weights = model.weights
    return replace(
        model,
        forest=join([model.forest] * len(runs), runs),
        rounds=np.concatenate([[0], np.cumsum([b - a for a, b in runs])]).astype(np.int64),
        weights=None if weights is None else np.concatenate([weights[a:b] for a, b in runs]),
        best_round=None,
    )


def fitting(model: Model, data: Dataset, *, validate: bool) -> Dataset:
    """Return the rows with their categories numbered as the model numbers them.

    A category the model has never seen goes where XGBoost sends it, which is where those go that
    are in no set; unlike XGBoost, a warning names it.

    Args:
        model: The model.
        data: The rows.
        validate: Whether names must be the model's.

    Raises:
        ValueError: Features of another number or other names than the model's.
    """
    if data.n_features != model.n_features:
        raise ValueError(
            f"data must have the model's {model.n_features} features. Got {data.n_features}."
        )
    names = data.feature_names
    if validate and model.feature_names and names != model.feature_names:
        if not names:
            shown = ", ".join(model.feature_names[:5])
            raise ValueError(f"data must have the model's feature names ({shown}). Got none.")
        wrong = next(k for k, (a, b) in enumerate(zip(names, model.feature_names)) if a != b)
        raise ValueError(
            f"feature_names must be the model's: {model.feature_names[wrong]!r} in place {wrong}."
            f" Got {names[wrong]!r}."
        )
    if isinstance(model, LinearBooster):
        return data
    if not (data.categories and model.categories) or data.categories == model.categories:
        return data
    x = data.x.copy()
    for k, (own, known) in enumerate(zip(data.categories, model.categories)):
        if own and known and own != known:
            x[:, k] = _renumbered(x[:, k], own, known, names[k] if names else f"f{k}")
    return replace(data, x=x, categories=model.categories)


def _renumbered(
    codes: Floats, own: tuple[object, ...], known: tuple[object, ...], name: str
) -> Floats:
    place = {word: k for k, word in enumerate(known)}
    table = np.array([place.get(word, len(known)) for word in own] + [np.nan], np.float32)
    out = table[np.where(np.isnan(codes), len(own), codes).astype(np.int64)]
    strange = np.flatnonzero(out == len(known))
    if len(strange):
        word = own[int(codes[strange[0]])]
        warnings.warn(
            f"Column {name!r} has a category that training did not see: {word!r} in row"
            f" {strange[0]}.",
            UserWarning,
            stacklevel=4,
        )
    return out
