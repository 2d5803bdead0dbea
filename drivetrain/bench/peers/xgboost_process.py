"""What the newest XGBoost does in its own interpreter; imports nothing of ours."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost


@dataclass(frozen=True)
class Held:
    """Held-out predictions, made when they are asked for: after the clock has stopped."""

    model: Any
    x: Any

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.model.inplace_predict(self.x), dtype)


def prepare(task: Any, **arrays: Any) -> Callable[[], Any]:
    """Return the call to time.

    Args:
        task: ``train``, ``predict``, ``shap`` or ``shap-pairs``.
        arrays: What the task needs.
    """
    if str(task) == "train":
        return lambda: _train(**arrays)
    booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(arrays["model"].tobytes()))
    x = arrays["x"]
    if str(task) == "predict":
        return lambda: booster.inplace_predict(x)
    data = xgboost.DMatrix(x, nthread=1)
    key = "pred_interactions" if str(task) == "shap-pairs" else "pred_contribs"
    return lambda: booster.predict(data, **{key: True})


def _train(x: Any, y: Any, held_x: Any, leaves: Any, rounds: Any, threads: Any, binary: Any) -> Any:
    data = xgboost.QuantileDMatrix(x, y, max_bin=256, nthread=int(threads))
    params = {
        "objective": "binary:logistic" if binary else "reg:squarederror",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": int(leaves),
        "max_depth": 0,
        "eta": 0.1,
        "nthread": int(threads),
    }
    return Held(xgboost.train(params, data, int(rounds)), held_x)
