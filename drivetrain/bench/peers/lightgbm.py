"""LightGBM with the rules XGBoost has: no least number of rows, hessian and L2 of 1."""

from typing import Any

from drivetrain.bench.problems.trees import Table
from drivetrain.core.errors import require


def train(table: Table, *, leaves: int, rounds: int, threads: int, quantized: bool = False) -> Any:
    """Return a Booster trained leaf by leaf, binning included.

    Args:
        table: The data.
        leaves: Leaves of a tree.
        rounds: Trees.
        threads: Threads.
        quantized: Whether gradients are rounded to four levels and leaves renewed after.

    Raises:
        MissingDependency: lightgbm is not installed.
    """
    lightgbm = require("lightgbm", "drivetrain[peers]")
    params = {
        "objective": "binary" if table.binary else "regression",
        "num_leaves": leaves,
        "learning_rate": 0.1,
        "lambda_l2": 1.0,
        "min_data_in_leaf": 0,
        "min_sum_hessian_in_leaf": 1.0,
        "max_bin": 255,
        "num_threads": threads,
        "verbosity": -1,
        "force_row_wise": True,
        "feature_pre_filter": False,
    }
    if quantized:
        params |= {"use_quantized_grad": True, "quant_train_renew_leaf": True}
    return lightgbm.train(params, lightgbm.Dataset(table.x, table.y, params=params), rounds)


def lines(table: Table, *, leaves: int, rounds: int, linear_lambda: float) -> Any:
    """Return a Booster with linear leaves, trained by one thread, binning included.

    Raises:
        MissingDependency: lightgbm is not installed.
    """
    lightgbm = require("lightgbm", "drivetrain[peers]")
    params = {
        "objective": "regression",
        "num_leaves": leaves,
        "learning_rate": 0.1,
        "lambda_l2": 1.0,
        "min_data_in_leaf": 0,
        "min_sum_hessian_in_leaf": 1.0,
        "max_bin": 255,
        "linear_tree": True,
        "linear_lambda": linear_lambda,
        "num_threads": 1,
        "verbosity": -1,
        "feature_pre_filter": False,
    }
    return lightgbm.train(params, lightgbm.Dataset(table.x, table.y, params=params), rounds)
