"""Objectives by XGBoost's names, and the words its files keep of them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from drivetrain.boosting.objectives.counts import Gamma, Poisson, Tweedie
from drivetrain.boosting.objectives.custom import Custom, custom
from drivetrain.boosting.objectives.logistic import Hinge, Logistic, Softmax
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.ranking.lambdarank import LambdaRank
from drivetrain.boosting.objectives.robust import (
    AbsoluteError,
    Expectiles,
    PseudoHuber,
    Quantiles,
)
from drivetrain.boosting.objectives.squared import SquaredError, SquaredLogError
from drivetrain.boosting.objectives.survival.aft import AcceleratedFailure
from drivetrain.boosting.objectives.survival.cox import Cox
from drivetrain.core.errors import unknown

Given = Mapping[str, Any]
#: Parameters that objectives read.
PARAMETERS = frozenset(
    {
        "scale_pos_weight",
        "num_class",
        "max_delta_step",
        "tweedie_variance_power",
        "quantile_alpha",
        "expectile_alpha",
        "huber_slope",
        "cox_ties",
        "aft_loss_distribution",
        "aft_loss_distribution_scale",
        "lambdarank_pair_method",
        "lambdarank_num_pair_per_sample",
        "lambdarank_normalization",
        "lambdarank_score_normalization",
        "lambdarank_unbiased",
        "lambdarank_bias_norm",
        "ndcg_exp_gain",
    }
)
#: What XGBoost's files hold where the number of pairs was not given.
_NO_NUMBER = 2**32 - 1


def _numbers(given: Given, name: str) -> tuple[float, ...]:
    """Return one number or several; XGBoost's files hold them as text: ``[0.1,0.9]``."""
    value = given[name]
    if isinstance(value, str):
        value = [float(part) for part in value.strip("[]()").split(",")]
    return tuple(float(one) for one in np.atleast_1d(value))


def _flag(given: Given, name: str, usual: bool) -> bool:
    """Return a yes or no; files hold it as ``1`` or ``0``."""
    value = given.get(name, usual)
    words = {"1": True, "true": True, "0": False, "false": False}
    known = words.get(str(value).lower(), value)
    if not isinstance(known, (bool, np.bool_)):
        raise ValueError(f"{name} must be true or false. Got {value!r}.")
    return bool(known)


def _logistic(name: str, metric: str = "logloss") -> Callable[[Given], Objective]:
    return lambda given: Logistic(float(given.get("scale_pos_weight", 1)), name=name, metric=metric)


def _lambdarank(name: str) -> Callable[[Given], Objective]:
    def build(given: Given) -> Objective:
        number = given.get("lambdarank_num_pair_per_sample")
        if number is not None and isinstance(number, (str, float)) and float(number).is_integer():
            number = int(number)
        return LambdaRank(
            name=name,
            pair_method=str(given.get("lambdarank_pair_method", "topk")),
            num_pair_per_sample=None if number == _NO_NUMBER else number,
            normalization=_flag(given, "lambdarank_normalization", True),
            score_normalization=_flag(given, "lambdarank_score_normalization", True),
            unbiased=_flag(given, "lambdarank_unbiased", False),
            bias_norm=float(given.get("lambdarank_bias_norm", 1)),
            exp_gain=_flag(given, "ndcg_exp_gain", True),
            t_plus=tuple(map(float, given.get("ti+", ()))),
            t_minus=tuple(map(float, given.get("tj-", ()))),
        )

    return build


def _aft(given: Given) -> Objective:
    return AcceleratedFailure(
        str(given.get("aft_loss_distribution", "normal")),
        float(given.get("aft_loss_distribution_scale", 1)),
    )


_BUILDERS: dict[str, Callable[[Given], Objective]] = {
    "reg:squarederror": lambda given: SquaredError(),
    # Its name before XGBoost 1.0, still found in files.
    "reg:linear": lambda given: SquaredError(),
    "reg:squaredlogerror": lambda given: SquaredLogError(),
    "binary:logistic": _logistic("binary:logistic"),
    "binary:logitraw": _logistic("binary:logitraw"),
    "reg:logistic": _logistic("reg:logistic", "rmse"),
    "binary:hinge": lambda given: Hinge(),
    "count:poisson": lambda given: Poisson(float(given.get("max_delta_step") or 0.7)),
    "reg:gamma": lambda given: Gamma(),
    "reg:tweedie": lambda given: Tweedie(float(given.get("tweedie_variance_power", 1.5))),
    "reg:absoluteerror": lambda given: AbsoluteError(),
    "reg:quantileerror": lambda given: Quantiles(_numbers(given, "quantile_alpha")),
    "reg:expectileerror": lambda given: Expectiles(_numbers(given, "expectile_alpha")),
    "reg:pseudohubererror": lambda given: PseudoHuber(float(given.get("huber_slope", 1))),
    "multi:softprob": lambda given: Softmax(int(given["num_class"])),
    "multi:softmax": lambda given: Softmax(int(given["num_class"]), name="multi:softmax"),
    "rank:ndcg": _lambdarank("rank:ndcg"),
    "rank:map": _lambdarank("rank:map"),
    "rank:pairwise": _lambdarank("rank:pairwise"),
    "survival:cox": lambda given: Cox(str(given.get("cox_ties", "breslow"))),
    "survival:aft": _aft,
}


def objective_named(name: str, given: Given) -> Objective:
    """Return the objective of that name.

    Args:
        name: XGBoost's name.
        given: Parameters, as numbers or as the text of XGBoost's files; those the objective
            knows are read (`PARAMETERS`).

    Raises:
        ValueError: There is none of that name, or it lacks a parameter.

    Example:
        >>> objective_named("reg:tweedie", {"tweedie_variance_power": 1.2}).metric
        'tweedie-nloglik@1.2'
    """
    if name not in _BUILDERS:
        raise unknown("objective", name, _BUILDERS)
    try:
        return _BUILDERS[name](given)
    except KeyError as missing:
        raise ValueError(f"objective {name!r} needs the parameter {missing}.") from None


def objective_of(given: str | Objective | Callable[..., Any], parameters: Given) -> Objective:
    """Return what is to be minimized, however it is given.

    Args:
        given: XGBoost's name, an objective, or a loss as `custom` takes it.
        parameters: Of a named one.

    Raises:
        TypeError: Neither.
        ValueError: An unknown name.
    """
    if isinstance(given, str):
        return objective_named(given, parameters)
    if isinstance(given, Objective):
        return given
    if callable(given):
        return custom(given)
    raise TypeError(
        "objective must be a name, an objective, or a function of margins and labels. "
        f"Got {type(given).__name__}."
    )


def stored(objective: Objective) -> dict[str, Any]:
    """Return the object that XGBoost's files hold for the objective.

    A custom loss is not kept: its model predicts margins, as XGBoost's own file has it.
    """
    if isinstance(objective, Custom):
        return stored(SquaredError())
    out: dict[str, Any] = {"name": objective.name}
    blocks = {
        name: {key: _text(value) for key, value in block.items()}
        for name, block in _blocks(objective).items()
    }
    if isinstance(objective, LambdaRank) and objective.unbiased:
        out |= {"ti+": list(objective.t_plus), "tj-": list(objective.t_minus)}
    return out | blocks


def _blocks(objective: Objective) -> dict[str, dict[str, Any]]:
    match objective:
        case SquaredError() | Gamma():
            return {"reg_loss_param": {"scale_pos_weight": 1.0}}
        case Logistic():
            return {"reg_loss_param": {"scale_pos_weight": objective.scale_pos_weight}}
        case Softmax():
            return {"softmax_multiclass_param": {"num_class": objective.n_classes}}
        case Poisson():
            return {"poisson_regression_param": {"max_delta_step": objective.max_delta_step}}
        case Tweedie():
            return {"tweedie_regression_param": {"tweedie_variance_power": objective.power}}
        case Quantiles():
            return {"quantile_loss_param": {"quantile_alpha": objective.alphas}}
        case Expectiles():
            return {"expectile_loss_param": {"expectile_alpha": objective.alphas}}
        case PseudoHuber():
            return {"pseudo_huber_param": {"huber_slope": objective.slope}}
        case AcceleratedFailure():
            names = ("aft_loss_distribution", "aft_loss_distribution_scale")
            return {"aft_loss_param": dict(zip(names, (objective.law, objective.scale)))}
        case LambdaRank():
            return {"lambdarank_param": _lambdarank_block(objective)}
    return {}


def _lambdarank_block(loss: LambdaRank) -> dict[str, Any]:
    number = loss.num_pair_per_sample
    return {
        "lambdarank_bias_norm": loss.bias_norm,
        "lambdarank_normalization": loss.normalization,
        "lambdarank_num_pair_per_sample": _NO_NUMBER if number is None else number,
        "lambdarank_pair_method": loss.pair_method,
        "lambdarank_score_normalization": loss.score_normalization,
        "lambdarank_unbiased": loss.unbiased,
        "ndcg_exp_gain": loss.exp_gain,
    }


def _text(value: Any) -> str:
    """Return a parameter as files hold it: all are text, yes is ``1``."""
    if isinstance(value, tuple):
        return "[" + ",".join(_text(one) for one in value) + "]"
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)
