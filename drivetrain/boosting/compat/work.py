"""A Booster at work: rows cut into bins, margins held between rounds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.answers import Model
from drivetrain.boosting.beginning import beginning
from drivetrain.boosting.compat.losses import Slopes, Theirs
from drivetrain.boosting.compat.matrix import DMatrix
from drivetrain.boosting.engines import engine_for
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.params import loss_of, settings_of
from drivetrain.boosting.training import check_dataset, ready

Floats = NDArray[np.float32]
# What may change between rounds without beginning anew.
_LOOSE = frozenset({"learning_rate", "eval_metric", "disable_default_eval_metric", "verbosity"})


class Work:
    """Rounds on some rows.

    Args:
        dtrain: The rows.
        params: As ``named`` returns them.
        sets: Rows whose margins are held, by name.
        fobj: A script's own gradients, or None.
        start: A model to continue.

    Raises:
        ValueError: Parameters, labels or weights that are wrong.
    """

    def __init__(
        self,
        dtrain: DMatrix,
        params: Mapping[str, Any],
        sets: Mapping[str, DMatrix],
        *,
        fobj: Slopes | None,
        start: Model | None,
    ) -> None:
        self._rows = dtrain
        self._data = dtrain.data
        self._sets = {name: rows.data for name, rows in sets.items()}
        names = self._data.feature_names or tuple(f"f{k}" for k in range(dtrain.num_col()))
        settings = settings_of(params, names, rounds=0)
        self.base = _objective(params, start)
        self._theirs = None if fobj is None else Theirs(self.base, dtrain, fobj)
        data = self._data
        if self._theirs is None:
            data = ready(data, self.base)
        else:
            check_dataset(data)
        self._stale = False
        objective: Objective = self._theirs or self.base
        if start is None and params.get("base_score") is not None:
            start = beginning(data, objective, params["base_score"], settings.booster)
        self._engine = engine_for(data, objective, settings, sets=self._sets, start=start)

    def suits(self, dtrain: DMatrix, fobj: Slopes | None) -> bool:
        """Return whether these rows and gradients are what the work was begun with."""
        same = dtrain.data is self._data and (fobj is None) == (self._theirs is None)
        return same and not self._stale

    def use(self, fobj: Slopes | None) -> None:
        """Take a script's gradients of the next round from this function."""
        if self._theirs is not None and fobj is not None:
            self._theirs.slopes = fobj

    def follow(self, params: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
        """Take up parameters that have changed; most of them only in work begun anew."""
        if set(changed) - _LOOSE:
            self._stale = True
        if "learning_rate" in changed:
            self._engine.learning_rate = settings_of(changed, (), rounds=0).learning_rate

    def advance(self) -> None:
        """Do one round; the threads end where it fails."""
        try:
            self._engine.advance()
        except BaseException:
            self.close()
            raise

    def margin_of(self, rows: DMatrix) -> Floats | None:
        """Return the present margins of rows that are held, or None."""
        for name, data in self._sets.items():
            if data is rows.data:
                return self._engine.margin_of(name)
        return None

    def snapshot(self) -> Model:
        """Return the model so far."""
        return replace(self._engine.snapshot(), objective=self.base, attributes={})

    def close(self) -> None:
        """End the threads."""
        self._engine.close()


def _objective(params: Mapping[str, Any], start: Model | None) -> Objective:
    given = params.get("objective")
    if given is None:
        return objective_named("reg:squarederror", {}) if start is None else start.objective
    # Ties of the times as XGBoost counts them; the rest of the library counts them as Breslow.
    return objective_named(str(given), {"cox_ties": "sequential"} | loss_of(params))
