"""A whole model as XGBoost's object, and as a file of JSON or UBJSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.files import ubjson
from drivetrain.boosting.files.categories import read_categories, write_categories
from drivetrain.boosting.files.lightgbm import MARK, read_lightgbm
from drivetrain.boosting.files.trees import FileError, column, read_trees, write_tree
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.objectives.named import objective_named, stored
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.core.checks import check_choice
from drivetrain.core.files import atomic_write

#: The version whose schema is written.
VERSION = (3, 2, 0)
_NUMBER = (int, np.integer)


def to_object(model: Booster) -> dict[str, Any]:
    """Return the model as the object XGBoost keeps in its files; arrays stay numpy arrays.

    Raises:
        ValueError: Its leaves are lines, which XGBoost's format cannot hold.
    """
    if model.forest.terms is not None:
        raise ValueError("XGBoost's format cannot hold linear leaves (linear_tree=True).")
    return learner_object(model, _trees(model), model.forest.n_groups)


def learner_object(
    model: Booster | LinearBooster, booster: dict[str, Any], groups: int
) -> dict[str, Any]:
    """Return the whole object: what is around the trees or weights, and these.

    Args:
        model: The model.
        booster: Its trees or weights as XGBoost has them.
        groups: Its outputs.
    """
    classes = groups if model.objective.name.startswith("multi:") else 0
    tracked = {} if model.best_round is None else {"best_iteration": str(model.best_round)}
    return {
        "learner": {
            "attributes": model.attributes | tracked,
            "feature_names": list(model.feature_names),
            "feature_types": _types(model),
            "gradient_booster": booster,
            "learner_model_param": {
                "base_score": _scores(model.base_score),
                "boost_from_average": "1",
                "num_class": str(classes),
                "num_feature": str(model.n_features),
                "num_target": str(1 if classes else groups),
            },
            "objective": stored(model.objective),
        },
        "version": list(VERSION),
    }


def _trees(model: Booster) -> dict[str, Any]:
    """Return the trees as XGBoost's ``gbtree``, within a ``dart`` where they have weights."""
    forest = model.forest
    first = int(model.rounds[1]) if len(model) else 1
    vector = bool((forest.group < 0).any())
    trees = {
        "model": {
            "cats": write_categories(model.categories),
            "gbtree_model_param": {
                "num_parallel_tree": str(first if vector else first // forest.n_groups or 1),
                "num_trees": str(len(forest)),
            },
            # Lists, not packed arrays: XGBoost reads these two in no other form.
            "iteration_indptr": model.rounds.tolist(),
            "tree_info": np.maximum(forest.group, 0).tolist(),
            "trees": [write_tree(forest, t) for t in range(len(forest))],
        },
        "name": "gbtree",
    }
    if model.weights is None:
        return trees
    # A list for the same reason.
    return {"gbtree": trees, "name": "dart", "weight_drop": list(model.weights)}


def _types(model: Booster | LinearBooster) -> list[str]:
    if isinstance(model, LinearBooster):
        return ["float"] * len(model.feature_names)
    if model.feature_types:
        return list(model.feature_types)
    if model.categorical is None or not model.categorical.any():
        return ["float"] * len(model.feature_names)
    return ["c" if one else "float" for one in model.categorical]


def _scores(scores: NDArray[np.float32]) -> str:
    """Return the base scores as XGBoost prints them: the shortest text that reads back exactly."""
    return "[" + ",".join(np.format_float_scientific(s, trim="-").upper() for s in scores) + "]"


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a file says around the trees or weights, checked.

    Attributes:
        booster: The object of the trees or weights.
        kind: ``gbtree``, ``dart`` or ``gblinear``.
        features: Number of features.
        groups: Number of outputs.
        held: What every model has: base score, objective, names, attributes.
        learner: The object it was read from.
    """

    booster: dict[str, Any]
    kind: str
    features: int
    groups: int
    held: dict[str, Any]
    learner: dict[str, Any]


def read_around(whole: Any, kinds: tuple[str, ...]) -> Around:
    """Return what is around the trees or weights of a model's object.

    Args:
        whole: The object.
        kinds: The boosters that are wanted.

    Raises:
        FileError: A part is missing or wrong, or the booster another.
    """
    learner = _part(whole, "learner", "the file")
    _check_version(whole)
    booster = _part(learner, "gradient_booster", "learner")
    kind = booster.get("name")
    if kind not in kinds:
        wanted = " or ".join(repr(one) for one in kinds)
        raise FileError(f"gradient_booster must be {wanted}. Got {kind!r}.")
    param = _part(learner, "learner_model_param", "learner")
    classes, targets = _whole(param, "num_class", 1 << 20), _whole(param, "num_target", 1 << 20)
    groups = max(classes, targets, 1)
    held = {
        "base_score": _read_scores(param, groups),
        "objective": _objective(learner, classes),
        "feature_names": _words(learner, "feature_names"),
        "attributes": _attributes(learner),
    }
    return Around(
        booster=booster,
        kind=str(kind),
        features=_whole(param, "num_feature", 1 << 24),
        groups=groups,
        held=held,
        learner=learner,
    )


def from_object(whole: Any) -> Booster:
    """Return the model of an object as XGBoost keeps it.

    Raises:
        FileError: It is no model of trees, a part is missing or wrong, or of an unknown kind.
    """
    around = read_around(whole, ("gbtree", "dart"))
    dart = around.kind == "dart"
    holder = _part(around.booster, "gbtree", "gradient_booster") if dart else around.booster
    model = _part(holder, "model", "gradient_booster")
    trees = model.get("trees")
    if not isinstance(trees, list):
        raise FileError("model must have a list of trees.")
    info = column(model, "tree_info", np.int32, "model")
    groups = around.groups
    types = _words(around.learner, "feature_types")
    if len(types) not in (0, around.features):
        raise FileError(f"feature_types must hold {around.features} words. Got {len(types)}.")
    if len(info) != len(trees) or (info < 0).any() or (info >= groups).any():
        raise FileError(f"tree_info must name an output below {groups} for each tree.")
    return Booster(
        **around.held,
        forest=read_trees(trees, info, around.features, groups),
        rounds=_rounds(model, len(trees), groups),
        best_round=best_of(around.learner, len(trees)),
        feature_types=types,
        categorical=np.array([kind == "c" for kind in types]) if "c" in types else None,
        categories=read_categories(model.get("cats"), around.features),
        weights=_weights(around.booster, len(trees)) if dart else None,
    )


def _weights(booster: Mapping[str, Any], trees: int) -> NDArray[np.float32]:
    weights = column(booster, "weight_drop", np.float32, "gradient_booster")
    if len(weights) != trees or not np.isfinite(weights).all():
        raise FileError(f"weight_drop must hold {trees} finite numbers. Got {len(weights)}.")
    return weights


def _part(whole: Any, name: str, where: str) -> dict[str, Any]:
    part = whole.get(name) if isinstance(whole, Mapping) else None
    if not isinstance(part, Mapping):
        raise FileError(f"{where} must have an object {name!r}. Is it an XGBoost model?")
    return dict(part)


def _check_version(whole: Mapping[str, Any]) -> None:
    """Raise a FileError where the file is of a version whose rules are not known."""
    given = np.atleast_1d(whole.get("version", 0))
    version = [int(v) for v in given if isinstance(v, _NUMBER)]
    if version and version[0] > VERSION[0]:
        told = ".".join(map(str, version))
        raise FileError(f"version of the model is {told}: only up to {VERSION[0]} is known.")


def _words(learner: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = learner.get(name)
    if given is None:
        return ()
    if not isinstance(given, (list, np.ndarray)):
        raise FileError(f"learner must have a list in {name!r}. Got {type(given).__name__}.")
    return tuple(str(word) for word in given)


def _attributes(learner: Mapping[str, Any]) -> dict[str, str]:
    given = learner.get("attributes")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise FileError(f"learner must have an object 'attributes'. Got {type(given).__name__}.")
    return {str(k): str(v) for k, v in given.items()}


def _whole(param: Mapping[str, Any], name: str, most: int) -> int:
    text = str(param.get(name, "0"))
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise FileError(f"learner_model_param.{name} must be a whole number. Got {text!r:.40}.")
    return int(text)


def _read_scores(param: Mapping[str, Any], groups: int) -> NDArray[np.float32]:
    text = str(param.get("base_score", "0.5"))
    try:
        scores = [float(part) for part in text.strip("[]").split(",")]
    except ValueError:
        raise FileError(f"base_score must hold numbers. Got {text!r:.60}.") from None
    if len(scores) not in (1, groups) or not np.isfinite(scores).all():
        raise FileError(f"base_score must hold 1 or {groups} finite numbers. Got {text!r:.60}.")
    return np.broadcast_to(np.array(scores, np.float32), groups).copy()


def _objective(learner: Mapping[str, Any], classes: int) -> Objective:
    part = _part(learner, "objective", "learner")
    given: dict[str, Any] = {"num_class": classes} if classes else {}
    for name, value in part.items():
        # Parameters stand in blocks; what a ranker learned of positions in lists beside them.
        given = (dict(value) if isinstance(value, Mapping) else {name: value}) | given
    return objective_named(str(part.get("name")), {k: _short(v) for k, v in given.items()})


def _short(value: Any) -> Any:
    """Return a float32 that was written with nine digits, 1.29999995, as it was meant: 1.3."""
    try:
        narrow = np.float32(value) if isinstance(value, str) and "." in value else None
    except ValueError:
        narrow = None
    return str(narrow) if narrow is not None and f"{narrow:.9g}" == value else value


def _rounds(model: Mapping[str, Any], trees: int, groups: int) -> NDArray[np.int64]:
    if "iteration_indptr" not in model:
        # Files of XGBoost before 1.7: one tree a group and round.
        return np.arange(0, trees + 1, groups, dtype=np.int64)
    rounds = column(model, "iteration_indptr", np.int64, "model")
    if not len(rounds) or rounds[0] != 0 or rounds[-1] != trees or (np.diff(rounds) < 0).any():
        raise FileError(f"iteration_indptr must rise from 0 to {trees}.")
    return rounds


def best_of(learner: Mapping[str, Any], rounds: int) -> int | None:
    """Return the best round that a file names, if it is below ``rounds``."""
    text = _attributes(learner).get("best_iteration", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) < rounds else None


def save_model(model: Booster, path: str | Path) -> None:
    """Write the model for XGBoost and for us: UBJSON where the name ends in .ubj, else JSON.

    The file is written under another name and renamed.
    """
    write_object(to_object(model), path)


def write_object(whole: dict[str, Any], path: str | Path) -> None:
    """Write a model's object: whole or not at all: UBJSON for a name in .ubj, else JSON."""
    target = Path(path)
    with atomic_write(target) as file:
        file.write(encode(whole, "ubj" if target.suffix == ".ubj" else "json"))


def encode(whole: dict[str, Any], style: str = "ubj") -> bytes:
    """Return a model's object as bytes.

    Args:
        whole: The object.
        style: ``ubj`` or ``json``.

    Raises:
        ValueError: Another style.
    """
    if check_choice("style", style, ("ubj", "json")) == "ubj":
        return ubjson.encode(whole)
    return json.dumps(whole, default=_plain).encode()


def _plain(value: Any) -> Any:
    """Return arrays as lists; float32 as the shortest decimal that reads back to it."""
    if isinstance(value, np.float32):
        return float(str(value))
    if isinstance(value, np.ndarray):
        if value.dtype == np.float32:
            return [float(str(one)) for one in value]
        return value.tolist()
    raise TypeError(f"A model holds no {type(value).__name__}.")


def load_model(path: str | Path) -> Booster:
    """Read a model of XGBoost's, JSON or UBJSON, or LightGBM's text, told apart by its bytes.

    Raises:
        FileError: Not such a model, or damaged; the file is named.
    """
    text = Path(path).read_bytes()
    try:
        return loads(text)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None


def loads(text: bytes) -> Booster:
    """Return the model that bytes hold: JSON or UBJSON of XGBoost, or LightGBM's text.

    Raises:
        ValueError: They hold none.
    """
    if text[: len(MARK)] == MARK:
        return read_lightgbm(text.decode(errors="replace"))
    return from_object(decode(text))


def decode(text: bytes) -> Any:
    """Return the object that bytes of JSON or UBJSON hold, told apart by their beginning.

    Raises:
        ValueError: They hold none.
    """
    start = text.lstrip()[:1]
    if start != b"{":
        raise FileError("A model must be an object of JSON or UBJSON.")
    # UBJSON has a length after the brace, JSON a quote (or, when empty, another brace).
    if text[1:].lstrip()[:1] in (b'"', b"}"):
        return _parse(text)
    return ubjson.decode(text)


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise FileError("JSON is nested too deeply.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"JSON is damaged: {error}.") from None
