"""Random forests of XGBoost and LightGBM, with scikit-learn's rules as far as they have them."""

from typing import Any

from drivetrain.bench.problems.trees import Table
from drivetrain.core.errors import require


def by_xgboost(table: Table, *, trees: int, leaf: int, share: float, threads: int) -> Any:
    """Return XGBoost's random forest, fitted: rows are drawn without replacement there.

    Args:
        table: The data.
        trees: How many.
        leaf: Fewest rows of a leaf.
        share: Share of the features tried at a node.
        threads: Threads.

    Raises:
        MissingDependency: xgboost is not installed.
    """
    xgboost = require("xgboost", "drivetrain[peers]")
    kind = xgboost.XGBRFClassifier if table.binary else xgboost.XGBRFRegressor
    # A binary row's hessian is 1/4 where trees begin.
    least = leaf / 4 if table.binary else leaf
    model = kind(
        n_estimators=trees,
        max_depth=20,
        max_bin=256,
        subsample=0.632,
        colsample_bynode=share,
        min_child_weight=least,
        reg_lambda=1e-5,
        n_jobs=threads,
    )
    return model.fit(table.x, table.y)


def by_lightgbm(table: Table, *, trees: int, leaf: int, share: float, threads: int) -> Any:
    """Return LightGBM's random forest, fitted: rows are drawn without replacement there.

    Raises:
        MissingDependency: lightgbm is not installed.
    """
    lightgbm = require("lightgbm", "drivetrain[peers]")
    kind = lightgbm.LGBMClassifier if table.binary else lightgbm.LGBMRegressor
    model = kind(
        boosting_type="rf",
        n_estimators=trees,
        num_leaves=2**16,
        max_bin=255,
        bagging_freq=1,
        bagging_fraction=0.632,
        feature_fraction_bynode=share,
        min_child_samples=leaf,
        n_jobs=threads,
        verbosity=-1,
    )
    return model.fit(table.x, table.y)
