"""A whole model as XGBoost's object, and as a file of JSON or UBJSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.files import ubjson
from drivetrain.boosting.files.trees import FileError, column, read_trees, write_tree
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.core.files import atomic_write

#: The version whose schema is written.
VERSION = (3, 2, 0)


def to_object(model: Booster) -> dict[str, Any]:
    """Return the model as the object XGBoost keeps in its files; arrays stay numpy arrays."""
    forest = model.forest
    classes = _classes(model)
    tracked = {} if model.best_round is None else {"best_iteration": str(model.best_round)}
    return {
        "learner": {
            "attributes": model.attributes | tracked,
            "feature_names": list(model.feature_names),
            "feature_types": _types(model),
            "gradient_booster": _trees(model),
            "learner_model_param": {
                "base_score": _scores(model.base_score),
                "boost_from_average": "1",
                "num_class": str(classes),
                "num_feature": str(model.n_features),
                "num_target": str(1 if classes else forest.n_groups),
            },
            "objective": {"name": model.objective.name} | _parameters(model.objective, classes),
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
            "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
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


def _classes(model: Booster) -> int:
    return model.forest.n_groups if model.objective.name.startswith("multi:") else 0


def _types(model: Booster) -> list[str]:
    if model.categorical is None or not model.categorical.any():
        return ["float"] * len(model.feature_names)
    return ["c" if one else "float" for one in model.categorical]


def _scores(scores: NDArray[np.float32]) -> str:
    """Return the base scores as XGBoost prints them: the shortest text that reads back exactly."""
    return "[" + ",".join(np.format_float_scientific(s, trim="-").upper() for s in scores) + "]"


def _parameters(objective: Objective, classes: int) -> dict[str, Any]:
    if classes:
        return {"softmax_multiclass_param": {"num_class": str(classes)}}
    positive = getattr(objective, "scale_pos_weight", 1.0)
    return {"reg_loss_param": {"scale_pos_weight": f"{positive:g}"}}


def from_object(whole: Any) -> Booster:
    """Return the model of an object as XGBoost keeps it.

    Raises:
        FileError: It is no model, a part is missing or wrong, or of a kind that is not known.
    """
    learner = _part(whole, "learner", "the file")
    booster = _part(learner, "gradient_booster", "learner")
    kind = booster.get("name")
    if kind not in ("gbtree", "dart"):
        raise FileError(f"gradient_booster must be 'gbtree' or 'dart'. Got {kind!r}.")
    holder = _part(booster, "gbtree", "gradient_booster") if kind == "dart" else booster
    model = _part(holder, "model", "gradient_booster")
    param = _part(learner, "learner_model_param", "learner")
    features = _whole(param, "num_feature", 1 << 24)
    classes, targets = _whole(param, "num_class", 1 << 20), _whole(param, "num_target", 1 << 20)
    groups = max(classes, targets, 1)
    trees = model.get("trees")
    if not isinstance(trees, list):
        raise FileError("model must have a list of trees.")
    info = column(model, "tree_info", np.int32, "model")
    if len(info) != len(trees) or (info < 0).any() or (info >= groups).any():
        raise FileError(f"tree_info must name an output below {groups} for each tree.")
    forest = read_trees(trees, info, features, groups)
    weights = _weights(booster, len(trees)) if kind == "dart" else None
    names = [str(name) for name in learner.get("feature_names") or []]
    return Booster(
        forest=forest,
        base_score=_read_scores(param, groups),
        objective=_objective(learner, classes),
        rounds=_rounds(model, len(trees), groups),
        best_round=_best(learner, len(trees)),
        feature_names=tuple(names),
        categorical=_categorical(learner, features),
        attributes={str(k): str(v) for k, v in (learner.get("attributes") or {}).items()},
        weights=weights,
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
    for value in part.values():
        if isinstance(value, Mapping):
            given = dict(value) | given
    return objective_named(str(part.get("name")), given)


def _rounds(model: Mapping[str, Any], trees: int, groups: int) -> NDArray[np.int64]:
    if "iteration_indptr" not in model:
        # Files of XGBoost before 1.7: one tree a group and round.
        return np.arange(0, trees + 1, groups, dtype=np.int64)
    rounds = column(model, "iteration_indptr", np.int64, "model")
    if not len(rounds) or rounds[0] != 0 or rounds[-1] != trees or (np.diff(rounds) < 0).any():
        raise FileError(f"iteration_indptr must rise from 0 to {trees}.")
    return rounds


def _best(learner: Mapping[str, Any], trees: int) -> int | None:
    text = str((learner.get("attributes") or {}).get("best_iteration", ""))
    return int(text) if text.isascii() and text.isdigit() and int(text) < trees else None


def _categorical(learner: Mapping[str, Any], features: int) -> NDArray[np.bool_] | None:
    types = learner.get("feature_types") or []
    if "c" not in types or len(types) != features:
        return None
    return np.array([kind == "c" for kind in types])


def save_model(model: Booster, path: str | Path) -> None:
    """Write the model for XGBoost and for us: UBJSON where the name ends in .ubj, else JSON.

    The file is written under another name and renamed.
    """
    target = Path(path)
    whole = to_object(model)
    with atomic_write(target) as file:
        if target.suffix == ".ubj":
            file.write(ubjson.encode(whole))
        else:
            file.write(json.dumps(whole, default=_plain).encode())


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
    """Read a model of XGBoost's, JSON or UBJSON, told apart by its bytes.

    Raises:
        FileError: Not such a model, or damaged; the file is named.
    """
    text = Path(path).read_bytes()
    try:
        return loads(text)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None


def loads(text: bytes) -> Booster:
    """Return the model that bytes of JSON or UBJSON hold.

    Raises:
        ValueError: They hold none.
    """
    start = text.lstrip()[:1]
    if start != b"{":
        raise FileError("A model must be an object of JSON or UBJSON.")
    # UBJSON has a length after the brace, JSON a quote (or, when empty, another brace).
    if text[1:].lstrip()[:1] in (b'"', b"}"):
        return from_object(_parse(text))
    return from_object(ubjson.decode(text))


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise FileError("JSON is nested too deeply.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"JSON is damaged: {error}.") from None
