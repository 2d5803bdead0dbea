"""XGBoost's parameters, flat and by any of their names, as settings."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from drivetrain.boosting.dart import Dart
from drivetrain.boosting.linear.settings import Linear
from drivetrain.boosting.objectives.named import PARAMETERS
from drivetrain.boosting.threads import threads_of
from drivetrain.boosting.training import Settings
from drivetrain.core.checks import check_integer
from drivetrain.core.errors import did_you_mean
from drivetrain.trees.growing.settings import Growth

ALIASES = {
    "eta": "learning_rate",
    "lambda": "reg_lambda",
    "alpha": "reg_alpha",
    "min_split_loss": "gamma",
    "nthread": "n_jobs",
    "seed": "random_state",
}
#: Accepted where they ask for what is done anyway; None: whatever they ask for changes no model.
IDLE: dict[str, tuple[Any, ...] | None] = {
    "device": ("cpu",),
    "verbosity": None,
    "silent": None,
    "validate_parameters": None,
    "disable_default_eval_metric": None,
    "max_cached_hist_node": None,
    "seed_per_iteration": (False, 0),
    "process_type": ("default",),
    "refresh_leaf": (True, 1),
    "nthread": None,
    "use_label_encoder": (False,),
    "enable_categorical": None,
}
_OWN = ("objective", "eval_metric", "n_jobs", "base_score")
Params = Mapping[str, Any] | Iterable[tuple[str, Any]]


def _parts() -> dict[str, type]:
    """Return the settings that are themselves groups of parameters, by field."""
    return {"growth": Growth, "dart": Dart, "linear": Linear}


def _known() -> dict[str, str]:
    """Return each parameter's place: the field of ``Settings`` it belongs to, or its own name."""
    parts = _parts()
    own = {f.name: f.name for f in fields(Settings) if f.name not in parts and f.name != "threads"}
    nested = {f.name: part for part, kind in parts.items() for f in fields(kind)}
    return nested | {f.name: "growth" for f in fields(Growth)} | own


def named(params: Params) -> dict[str, Any]:
    """Return the parameters under our names, each once.

    Args:
        params: By name or alias, or pairs, among which ``eval_metric`` may come again and again.

    Raises:
        ValueError: A parameter that is not known, or that asks for what is not done.
    """
    places = _known()
    known = {*places, *PARAMETERS, *IDLE, *_OWN}
    out: dict[str, Any] = {}
    pairs = params.items() if isinstance(params, Mapping) else params
    for name, value in pairs:
        own = ALIASES.get(name, name)
        if own not in known:
            raise ValueError(f"Unknown parameter {name!r}.{did_you_mean(name, sorted(known))}")
        allowed = IDLE.get(own)
        if own not in places and allowed is not None and value not in allowed:
            shown = ", ".join(map(str, allowed))
            raise ValueError(f"{name} must be {shown}. Got {value!r}.")
        if own == "eval_metric" and own in out:
            value = [*_listed(out[own]), *_listed(value)]
        out[own] = value
    return out


def settings_of(given: Mapping[str, Any], names: Sequence[str], rounds: int) -> Settings:
    """Return the settings that parameters ask for.

    Args:
        given: As ``named`` returns them; those that are None are left at their defaults.
        names: The features'.
        rounds: Of boosting.

    Raises:
        TypeError: A parameter of another type.
        ValueError: A parameter out of its range.
    """
    told = {name: value for name, value in given.items() if value is not None}
    if "monotone_constraints" in told:
        told["monotone_constraints"] = signs(told["monotone_constraints"], names)
    if "interaction_constraints" in told:
        told["interaction_constraints"] = groups(told["interaction_constraints"], names)
    if told.get("tree_method") == "auto":
        told["tree_method"] = "hist"
    places, parts = _known(), _parts()
    own = {name: told[name] for name, place in places.items() if name == place and name in told}
    nested = {
        part: kind(**{f.name: told[f.name] for f in fields(kind) if f.name in told})
        for part, kind in parts.items()
        if part != "linear" or told.get("booster") == "gblinear"
    }
    if "linear" not in nested:
        _refuse_linear(told, places)
    own |= {"n_estimators": rounds, "threads": threads_of(told.get("n_jobs"))}
    return Settings(**own, **nested)


def _refuse_linear(told: Mapping[str, Any], places: Mapping[str, str]) -> None:
    """Raise a ValueError where a parameter that only gblinear reads was given."""
    strange = next((name for name in told if places.get(name) == "linear"), None)
    if strange is not None:
        raise ValueError(
            f"{strange} is read by booster='gblinear' only. Got booster="
            f"{told.get('booster', 'gbtree')!r}."
        )


def loss_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that objectives read."""
    return {name: given[name] for name in PARAMETERS if given.get(name) is not None}


def metrics_of(given: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the metrics that parameters ask for; empty for the objective's own."""
    return tuple(_listed(given.get("eval_metric")))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) or callable(value) else list(value)


def signs(given: Any, names: Sequence[str]) -> tuple[int, ...]:
    """Return monotone constraints, one a feature, of a list, XGBoost's text, or by name.

    Raises:
        ValueError: A name that is no feature's, or more constraints than features.
    """
    if isinstance(given, str):
        given = [int(part) for part in given.strip("()[] ").split(",") if part.strip()]
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(f"monotone_constraints names no feature of X: {unknown[0]!r}.")
        return tuple(int(given.get(name, 0)) for name in names)
    listed = tuple(int(one) for one in given)
    if names and len(listed) > len(names):
        raise ValueError(
            f"monotone_constraints must be at most {len(names)} long. Got {len(listed)}."
        )
    return listed


def groups(given: Any, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return groups of features that may meet, of lists of places or names, or XGBoost's text.

    Raises:
        TypeError: A feature that is neither a place nor a name.
        ValueError: One that is not there.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given.replace("(", "[").replace(")", "]"))
        except json.JSONDecodeError:
            raise ValueError(
                f"interaction_constraints must be lists of features. Got {given!r:.60}."
            ) from None
    return tuple(tuple(_feature(one, names) for one in group) for group in given)


def _feature(one: Any, names: Sequence[str]) -> int:
    if isinstance(one, str):
        if one not in names:
            raise ValueError(f"interaction_constraints names no feature of X: {one!r}.")
        return list(names).index(one)
    return check_integer("interaction_constraints", one, low=0, high=len(names) - 1)
