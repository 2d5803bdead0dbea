"""A linear model as XGBoost's object and file; and models of either kind."""

from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.files.lightgbm import MARK
from drivetrain.boosting.files.model import (
    best_of,
    decode,
    encode,
    from_object,
    learner_object,
    loads,
    read_around,
    to_object,
    write_object,
)
from drivetrain.boosting.files.trees import FileError, column
from drivetrain.boosting.linear.booster import LinearBooster


def linear_to_object(model: LinearBooster) -> dict[str, Any]:
    """Return the model as the object XGBoost keeps: weights by feature, then biases."""
    weights = np.append(model.weights, model.bias).astype(np.float32)
    booster = {
        "model": {"boosted_rounds": model.rounds, "weights": weights},
        "name": "gblinear",
    }
    return learner_object(model, booster, len(model.bias))


def linear_from_object(whole: Any) -> LinearBooster:
    """Return the linear model of an object as XGBoost keeps it.

    Raises:
        FileError: It is no linear model, or a part is missing or wrong.
    """
    around = read_around(whole, ("gblinear",))
    model = around.booster.get("model")
    if not isinstance(model, dict):
        raise FileError("gradient_booster must have an object 'model'.")
    held = column(model, "weights", np.float32, "model")
    shape = (around.features + 1, around.groups)
    if len(held) != shape[0] * shape[1] or not np.isfinite(held).all():
        raise FileError(f"weights must hold {shape[0] * shape[1]} finite numbers. Got {len(held)}.")
    rounds = model.get("boosted_rounds", 0)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 0:
        raise FileError(f"boosted_rounds must be a whole number. Got {rounds!r:.40}.")
    table = held.reshape(shape)
    return LinearBooster(
        **around.held,
        weights=np.ascontiguousarray(table[:-1]),
        bias=table[-1].copy(),
        rounds=rounds,
        best_round=best_of(around.learner, rounds),
    )


def save_any(model: Booster | LinearBooster, path: str | Path) -> None:
    """Write trees or a linear model: UBJSON where the name ends in .ubj, else JSON."""
    write_object(_object(model), path)


def dumps_any(model: Booster | LinearBooster, style: str = "ubj") -> bytes:
    """Return the bytes of a file of trees or a linear model: ``ubj`` or ``json``.

    Raises:
        ValueError: Another style.
    """
    return encode(_object(model), style)


def _object(model: Booster | LinearBooster) -> dict[str, Any]:
    return linear_to_object(model) if isinstance(model, LinearBooster) else to_object(model)


def load_any(path: str | Path) -> Booster | LinearBooster:
    """Read a model of XGBoost's, of trees or linear, JSON or UBJSON, or LightGBM's text.

    Raises:
        FileError: Not such a model, or damaged; the file is named.
    """
    text = Path(path).read_bytes()
    try:
        return loads_any(text)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from None


def loads_any(text: bytes) -> Booster | LinearBooster:
    """Return the model, of trees or linear, that bytes of JSON, UBJSON or LightGBM's text hold.

    Raises:
        ValueError: They hold none.
    """
    if text[: len(MARK)] == MARK:
        return loads(text)
    whole = decode(text)
    try:
        linear = whole["learner"]["gradient_booster"]["name"] == "gblinear"
    except (KeyError, TypeError):
        linear = False
    return linear_from_object(whole) if linear else from_object(whole)
