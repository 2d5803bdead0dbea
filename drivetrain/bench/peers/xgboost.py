"""XGBoost at its best settings: the histogram method on quantile-binned data."""

from typing import Any

from drivetrain.bench.problems.trees import Table
from drivetrain.core.errors import require


def train(table: Table, *, leaves: int, rounds: int, threads: int) -> Any:
    """Return a Booster trained leaf by leaf, binning included.

    Raises:
        MissingDependency: xgboost is not installed.
    """
    xgboost = require("xgboost", "drivetrain[peers]")
    data = xgboost.QuantileDMatrix(table.x, table.y, max_bin=256, nthread=threads)
    params = {
        "objective": "binary:logistic" if table.binary else "reg:squarederror",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": leaves,
        "max_depth": 0,
        "eta": 0.1,
        "nthread": threads,
    }
    return xgboost.train(params, data, rounds)


def matrix(x: Any, *, threads: int) -> Any:
    """Return a DMatrix of rows to explain."""
    xgboost = require("xgboost", "drivetrain[peers]")
    return xgboost.DMatrix(x, nthread=threads)


def raw(x: Any, y: Any, params: dict[str, Any], *, rounds: int) -> bytes:
    """Return a model grown with any parameters, one thread, as UBJSON.

    Raises:
        MissingDependency: xgboost is not installed.
    """
    xgboost = require("xgboost", "drivetrain[peers]")
    data = xgboost.DMatrix(x, y, nthread=1)
    return bytes(xgboost.train({"nthread": 1, **params}, data, rounds).save_raw("ubj"))
