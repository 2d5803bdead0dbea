"""Training and prediction by XGBoost's names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster as Model
from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.estimators.parameters import threads_of
from drivetrain.boosting.files.model import load_model, save_model
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.core.errors import did_you_mean
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.shap.explainer import Explainer

_ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
    "n_jobs": "nthread",
    "random_state": "seed",
}
_GROWTH = {
    "max_depth": "max_depth",
    "max_leaves": "max_leaves",
    "grow_policy": "grow_policy",
    "lambda": "reg_lambda",
    "alpha": "reg_alpha",
    "gamma": "gamma",
    "min_child_weight": "min_child_weight",
    "max_delta_step": "max_delta_step",
    "colsample_bytree": "colsample_bytree",
    "colsample_bylevel": "colsample_bylevel",
    "colsample_bynode": "colsample_bynode",
    "max_cat_to_onehot": "max_cat_to_onehot",
    "max_cat_threshold": "max_cat_threshold",
}
_LOSS = (
    "scale_pos_weight",
    "num_class",
    "quantile_alpha",
    "expectile_alpha",
    "tweedie_variance_power",
    "huber_slope",
)
# Accepted where they ask for what is done anyway.
_FIXED = {
    "booster": ("gbtree",),
    "tree_method": ("hist", "auto"),
    "device": ("cpu",),
    "verbosity": None,
    "disable_default_eval_metric": None,
}
_OTHER = ("objective", "eta", "subsample", "max_bin", "seed", "nthread", "eval_metric")
_TUPLES = ("monotone_constraints", "interaction_constraints")


class Booster:
    """A trained model, with XGBoost's methods.

    Args:
        params: Not read; XGBoost's own constructor takes it.
        model_file: A model to load, JSON or UBJSON.
    """

    def __init__(
        self, params: Mapping[str, Any] | None = None, *, model_file: str | Path | None = None
    ) -> None:
        self._model: Model | None = None if model_file is None else load_model(model_file)
        self.best_iteration: int | None = None
        self.best_score: float | None = None

    @property
    def model(self) -> Model:
        """The model as the rest of the library knows it.

        Raises:
            ValueError: Nothing has been trained or loaded.
        """
        if self._model is None:
            raise ValueError("This Booster is empty: train it or load a model first.")
        return self._model

    def predict(
        self,
        data: DMatrix,
        *,
        output_margin: bool = False,
        pred_leaf: bool = False,
        pred_contribs: bool = False,
        pred_interactions: bool = False,
        iteration_range: tuple[int, int] = (0, 0),
    ) -> NDArray[Any]:
        """Return predictions, margins, leaves, or exact Shapley values of the rows.

        Raises:
            ValueError: Features of another number or other names than the model's.
        """
        model = self._ranged(iteration_range)
        _fits(model, data)
        x, base_margin = data.data.x, data.data.base_margin
        if pred_leaf:
            return model.leaves(x)
        if pred_contribs or pred_interactions:
            base = model.objective.to_margin(model.base_score)
            explainer = Explainer(model.used.forest)
            call = explainer.interactions if pred_interactions else explainer.values
            values = call(x, base).astype(np.float32)
            return values[:, 0] if values.shape[1] == 1 else values
        margin = model.margin(x, base_margin=base_margin)
        if output_margin:
            return margin[:, 0] if margin.shape[1] == 1 else margin
        return model.objective.predict(margin)

    def _ranged(self, rounds: tuple[int, int]) -> Model:
        begin, end = rounds
        if begin != 0:
            raise ValueError(f"iteration_range must begin at 0. Got {rounds}.")
        return self.model.first(end) if end else self.model

    def save_model(self, fname: str | Path) -> None:
        """Write the model: UBJSON for a name in .ubj, else JSON."""
        save_model(self.model, fname)

    def load_model(self, fname: str | Path) -> None:
        """Read a model, JSON or UBJSON."""
        self._model = load_model(fname)

    def num_boosted_rounds(self) -> int:
        """Return the number of rounds."""
        return len(self.model)

    def num_features(self) -> int:
        """Return the number of features."""
        return self.model.n_features

    def get_score(self, *, importance_type: str = "weight") -> dict[str, float]:
        """Return the importance of each feature that was split on.

        Args:
            importance_type: ``weight`` (number of splits), ``gain``, ``cover`` (means), or
                ``total_gain``, ``total_cover``.

        Raises:
            ValueError: Another word.
        """
        forest = self.model.forest
        inner = ~forest.is_leaf
        feature, n = forest.feature[inner], forest.n_features
        count = np.bincount(feature, minlength=n)
        kind = importance_type.removeprefix("total_")
        if importance_type != "weight" and kind not in ("gain", "cover"):
            hint = did_you_mean(importance_type, ["weight", "gain", "cover"])
            raise ValueError(f"Unknown importance_type {importance_type!r}.{hint}")
        if importance_type == "weight":
            score = count.astype(float)
        else:
            column = forest.gain if kind == "gain" else forest.cover
            score = np.bincount(feature, column[inner], n)
            if kind == importance_type:
                score = score / np.maximum(count, 1)
        names = self.model.feature_names or tuple(f"f{k}" for k in range(n))
        return {names[k]: float(score[k]) for k in np.flatnonzero(count)}


def _fits(model: Model, data: DMatrix) -> None:
    if data.num_col() != model.n_features:
        raise ValueError(
            f"data must have the model's {model.n_features} features. Got {data.num_col()}."
        )
    names = data.data.feature_names
    if names and model.feature_names and names != model.feature_names:
        wrong = next(k for k, (a, b) in enumerate(zip(names, model.feature_names)) if a != b)
        raise ValueError(
            f"feature_names must be the model's: {model.feature_names[wrong]!r} in place {wrong}."
            f" Got {names[wrong]!r}."
        )


def train(
    params: Mapping[str, Any],
    dtrain: DMatrix,
    num_boost_round: int = 10,
    *,
    evals: Sequence[tuple[DMatrix, str]] = (),
    early_stopping_rounds: int | None = None,
    evals_result: dict[str, Any] | None = None,
    xgb_model: Booster | str | Path | None = None,
) -> Booster:
    """Train by XGBoost's parameters.

    Args:
        params: Parameters by name or alias; one that is not known is an error.
        dtrain: The data.
        num_boost_round: Rounds.
        evals: Sets to evaluate, with names; the last decides when to stop.
        early_stopping_rounds: Rounds without improvement before stopping.
        evals_result: Filled with the values of the metrics.
        xgb_model: A model to continue.

    Raises:
        ValueError: A parameter that is unknown, out of range, or not supported.
    """
    given = _known(params)
    settings = _settings(given, num_boost_round)
    loss = {name: given[name] for name in (*_LOSS, "max_delta_step") if name in given}
    objective = objective_named(str(given.get("objective", "reg:squarederror")), loss)
    metrics = given.get("eval_metric", ())
    watch = Watch(
        sets={name: one.data for one, name in evals},
        metrics=(metrics,) if isinstance(metrics, str) else tuple(metrics),
        patience=early_stopping_rounds or 0,
    )
    start = Booster(model_file=xgb_model) if isinstance(xgb_model, (str, Path)) else xgb_model
    before = None if start is None else start.model
    model, history = boost(dtrain.data, objective, settings, watch=watch, start=before)
    if evals_result is not None:
        evals_result.update(history)
    out = Booster()
    out._model = model
    if model.best_round is not None:
        last = history[list(history)[-1]]
        out.best_iteration = model.best_round
        out.best_score = last[list(last)[-1]][model.best_round]
    return out


def _known(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters under XGBoost's own names; refuse what is not known or not done."""
    known = [*_GROWTH, *_LOSS, *_FIXED, *_OTHER, *_TUPLES]
    out: dict[str, Any] = {}
    for name, value in params.items():
        own = _ALIASES.get(name, name)
        if own not in known:
            raise ValueError(f"Unknown parameter {name!r}.{did_you_mean(name, known)}")
        allowed = _FIXED.get(own)
        if allowed is not None and value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}. Got {value!r}.")
        out[own] = value
    return out


def _settings(given: Mapping[str, Any], rounds: int) -> Settings:
    growth = {ours: given[name] for name, ours in _GROWTH.items() if name in given}
    monotone = tuple(int(one) for one in given.get("monotone_constraints", ()))
    groups = tuple(tuple(group) for group in given.get("interaction_constraints", ()))
    return Settings(
        n_estimators=rounds,
        learning_rate=given.get("eta", 0.3),
        growth=Growth(**growth, monotone_constraints=monotone, interaction_constraints=groups),
        max_bin=given.get("max_bin", 255),
        subsample=given.get("subsample", 1.0),
        random_state=given.get("seed", 0),
        threads=threads_of(given.get("nthread")),
    )
