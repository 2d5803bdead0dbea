"""What XGBoost's estimators share."""

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, ClassVar, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags

from drivetrain.boosting.compat.booster import Booster
from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.compat.training import check_told, train
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.core.checks import check_integer

Floats = NDArray[np.float32]
# None means XGBoost's own default, which is training's.
_NONE = (
    "max_depth",
    "max_leaves",
    "max_bin",
    "grow_policy",
    "learning_rate",
    "n_estimators",
    "verbosity",
    "objective",
    "booster",
    "tree_method",
    "n_jobs",
    "gamma",
    "min_child_weight",
    "max_delta_step",
    "subsample",
    "sampling_method",
    "colsample_bytree",
    "colsample_bylevel",
    "colsample_bynode",
    "reg_alpha",
    "reg_lambda",
    "scale_pos_weight",
    "base_score",
    "random_state",
    "num_parallel_tree",
    "monotone_constraints",
    "interaction_constraints",
    "importance_type",
    "device",
    "validate_parameters",
    "feature_types",
    "feature_weights",
    "max_cat_to_onehot",
    "max_cat_threshold",
    "multi_strategy",
    "eval_metric",
    "early_stopping_rounds",
    "callbacks",
)
_USUAL: dict[str, Any] = dict.fromkeys(_NONE) | {"missing": np.nan, "enable_categorical": False}
# Parameters of the estimator, not of training.
_OWN = frozenset(
    {
        "n_estimators",
        "missing",
        "enable_categorical",
        "feature_types",
        "feature_weights",
        "importance_type",
        "early_stopping_rounds",
        "callbacks",
        "eval_metric",
    }
)


class Fit(TypedDict, total=False):
    """What ``fit`` may be told besides."""

    base_margin: ArrayLike | None
    xgb_model: "Booster | str | Path | XGBModel | None"
    sample_weight_eval_set: Sequence[ArrayLike | None] | None
    base_margin_eval_set: Sequence[ArrayLike | None] | None
    feature_weights: ArrayLike | None


class XGBModel(BaseEstimator):
    """What XGBoost's estimators share.

    Args:
        **given: XGBoost's parameters; None is its default. Others go to training by their names.
    """

    _defaults: ClassVar[dict[str, Any]] = {}
    __signature__ = Signature(
        [Parameter(name, Parameter.KEYWORD_ONLY, default=value) for name, value in _USUAL.items()]
    )

    def __init__(self, **given: Any) -> None:
        for name, usual in (_USUAL | self._defaults).items():
            setattr(self, name, given.pop(name, usual))
        self.kwargs = given

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted(_USUAL)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters by name."""
        return {name: getattr(self, name) for name in _USUAL} | self.kwargs

    def set_params(self, **given: Any) -> "XGBModel":
        """Set parameters by name; return the estimator."""
        for name, value in given.items():
            if name in _USUAL:
                setattr(self, name, value)
            else:
                self.kwargs[name] = value
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return "_booster" in vars(self)

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters of training."""
        params = {name: one for name, one in self.get_params().items() if name not in _OWN}
        if isinstance(self.random_state, np.random.RandomState):  # type: ignore[attr-defined]
            params["random_state"] = int(self.random_state.randint(2**31 - 1))  # type: ignore[attr-defined]
        return params

    def get_num_boosting_rounds(self) -> int:
        """Return the number of rounds."""
        rounds = vars(self)["n_estimators"]
        return 100 if rounds is None else check_integer("n_estimators", rounds, low=1)

    def get_booster(self) -> Booster:
        """Return the model.

        Raises:
            NotFittedError: There is none yet.
        """
        if "_booster" not in vars(self):
            raise NotFittedError("need to call fit or load_model beforehand")
        return self._booster

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        eval_set: Sequence[tuple[Any, Any]] | None = None,
        verbose: bool | int | None = True,
        **more: Unpack[Fit],
    ) -> "XGBModel":
        """Fit the model.

        Args:
            X: Any table a DMatrix takes.
            y: Labels.
            sample_weight: Of each row.
            eval_set: Pairs (X, y); the last decides when to stop.
            verbose: Whether and how often to print the metrics.
            **more: ``base_margin``, ``xgb_model``, ``sample_weight_eval_set``,
                ``base_margin_eval_set``.

        Raises:
            ValueError: A parameter or the input is wrong.
        """
        check_told(more, Fit.__annotations__, "fit")
        rows = self._matrix(
            X, label=self._labels(y), weight=sample_weight, base_margin=more.get("base_margin")
        )
        sets = list(eval_set or ())
        weights = more.get("sample_weight_eval_set") or [None] * len(sets)
        margins = more.get("base_margin_eval_set") or [None] * len(sets)
        evals = [
            (self._matrix(a, label=self._labels(b), weight=w, base_margin=m), f"validation_{k}")
            for k, ((a, b), w, m) in enumerate(zip(sets, weights, margins))
        ]
        self._train(rows, evals, verbose, more)
        return self

    def _labels(self, y: Any) -> Any:
        return y

    def _matrix(self, x: Any, **info: Any) -> DMatrix:
        own = vars(self)
        if own["feature_weights"] is not None:
            info["feature_weights"] = own["feature_weights"]
        return DMatrix(
            x,
            missing=own["missing"],
            feature_types=own["feature_types"],
            enable_categorical=own["enable_categorical"],
            **info,
        )

    def _train(
        self,
        rows: DMatrix,
        evals: list[tuple[DMatrix, str]],
        verbose: bool | int | None,
        more: Fit,
    ) -> None:
        params = self.get_xgb_params() | self._trained_by()
        obj = params.get("objective")
        own, custom = vars(self), None
        metrics = own["eval_metric"]
        listed = metrics if isinstance(metrics, list | tuple) else [metrics]
        for one in listed:
            custom = _metric(one) if callable(one) else custom
        names = [one for one in listed if isinstance(one, str)]
        if names:
            params["eval_metric"] = names
        if callable(obj):
            params["objective"] = self._base_objective()
        start = more.get("xgb_model")
        self.evals_result_: dict[str, Any] = {}
        self._booster = train(
            {name: value for name, value in params.items() if value is not None},
            rows,
            self.get_num_boosting_rounds(),
            evals=evals,
            obj=_gradients(obj) if callable(obj) else None,
            custom_metric=custom,
            early_stopping_rounds=own["early_stopping_rounds"],
            evals_result=self.evals_result_,
            verbose_eval=verbose,
            xgb_model=start.get_booster() if isinstance(start, XGBModel) else start,
            callbacks=own["callbacks"],
        )
        self.n_features_in_ = rows.num_col()
        if rows.feature_names is not None:
            self.feature_names_in_ = np.array(rows.feature_names, object)

    def _trained_by(self) -> dict[str, Any]:
        """Return the parameters that follow from the labels."""
        return {}

    def _base_objective(self) -> str | None:
        return None

    def _range(self, given: tuple[int, int] | None) -> tuple[int, int]:
        booster = self.get_booster()
        if given is not None:
            return given
        if "best_iteration" in booster.attributes() and not is_linear(booster):
            return 0, booster.best_iteration + 1
        return 0, 0

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        base_margin: ArrayLike | None = None,
        iteration_range: tuple[int, int] | None = None,
    ) -> Any:
        """Return the predictions, up to the best round where there is no ``iteration_range``."""
        rounds = self._range(iteration_range)
        rows = self._matrix(X, base_margin=base_margin)
        return self.get_booster().predict(
            rows,
            output_margin=output_margin,
            validate_features=validate_features and rows.feature_names is not None,
            iteration_range=rounds,
        )

    def apply(self, X: Any, iteration_range: tuple[int, int] | None = None) -> Floats:
        """Return the leaf each row reaches in each tree."""
        rounds = self._range(iteration_range)
        rows = self._matrix(X)
        return self.get_booster().predict(
            rows,
            pred_leaf=True,
            iteration_range=rounds,
            validate_features=rows.feature_names is not None,
        )

    def evals_result(self) -> dict[str, Any]:
        """Return the metrics of each evaluation set, round by round.

        Raises:
            ValueError: There was no evaluation set.
        """
        self.get_booster()
        if not self.evals_result_:
            raise ValueError("No evaluation result, `eval_set` is not used during training.")
        return self.evals_result_

    @property
    def best_iteration(self) -> int:
        """The round early stopping chose."""
        return self.get_booster().best_iteration

    @property
    def best_score(self) -> float:
        """The value it was chosen for."""
        return self.get_booster().best_score

    @property
    def feature_importances_(self) -> Floats:
        """Importance of each feature by ``importance_type``, as shares of 1."""
        booster = self.get_booster()
        usual = "weight" if is_linear(booster) else "gain"
        score = booster.get_score(importance_type=vars(self)["importance_type"] or usual)
        names = booster.feature_names or [f"f{k}" for k in range(booster.num_features())]
        held = np.array([np.sum(score.get(name, 0.0)) for name in names], np.float32)
        whole = held.sum()
        return held / whole if whole else held

    @property
    def coef_(self) -> NDArray[np.float64]:
        """A linear model's weights, (F,) or (outputs, F).

        Raises:
            AttributeError: The model is of trees.
        """
        model = self.get_booster().model
        if not isinstance(model, LinearBooster):
            raise AttributeError("Coefficients are not defined for Booster type gbtree")
        weights = model.weights.astype(np.float64)
        return weights[:, 0] if weights.shape[1] == 1 else weights.T

    @property
    def intercept_(self) -> Floats:
        """Where predictions start; a linear model's biases."""
        model = self.get_booster().model
        return model.bias if isinstance(model, LinearBooster) else model.base_score

    def save_model(self, fname: str | Path) -> None:
        """Write the model: UBJSON for a name in .ubj, else JSON."""
        self.get_booster().save_model(fname)

    def load_model(self, fname: str | Path | bytearray) -> None:
        """Read a model, JSON or UBJSON: a file, or its bytes."""
        self._booster = Booster(model_file=fname)
        self.n_features_in_ = self._booster.num_features()
        self._loaded(self._booster)

    def _loaded(self, booster: Booster) -> None:
        """Take from a model that was read what labels would have told."""


def is_linear(booster: Booster) -> bool:
    return isinstance(booster.model, LinearBooster)


def _metric(metric: Callable[[Any, Any], float]) -> Callable[[Any, DMatrix], tuple[str, float]]:
    """Return scikit-learn's kind of metric as ``train`` calls it."""

    def evaluated(prediction: Any, rows: DMatrix) -> tuple[str, float]:
        name = str(getattr(metric, "__name__", type(metric).__name__))
        return name, float(metric(rows.get_label(), prediction))

    return evaluated


def _gradients(loss: Callable[..., Any]) -> Callable[[Any, DMatrix], Any]:
    """Return a loss of labels and predictions as ``train`` calls it."""

    def called(margin: Any, rows: DMatrix) -> Any:
        weight = rows.get_weight()
        more = {"sample_weight": weight} if len(weight) else {}
        return loss(rows.get_label(), margin, **more)

    return called
