"""Rounds of coordinate descent on one table."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.callbacks import BEST_WEIGHTS
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.gradients import check_start, checked_gradients
from drivetrain.boosting.linear import _numba as kernels
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.linear.settings import Linear
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.stages import continued, stage_of

if TYPE_CHECKING:
    from drivetrain.boosting.training import Settings

Floats = NDArray[np.float32]


class LinearRounds:
    """The state between rounds: weights.

    Args:
        data: What is learned.
        objective: What is minimized.
        settings: How.
        sets: What is watched, by name.
        start: A model to continue.

    Raises:
        ValueError: Categories, or values that are not in memory.
    """

    def __init__(
        self,
        data: Dataset,
        objective: Objective,
        settings: "Settings",
        *,
        sets: Mapping[str, Dataset] | None = None,
        start: LinearBooster | None = None,
    ) -> None:
        for one in (data, *(sets or {}).values()):
            _check(one)
        if start is not None:
            features, groups = start.weights.shape
            check_start(data, objective, features=features, groups=groups)
            objective = continued(objective, start.objective)
        self.data, self.objective, self.settings = data, objective, settings
        self.stage = stage_of(objective, data, threads=settings.threads)
        self.linear: Linear = settings.linear
        self.learning_rate = self.linear.learning_rate
        self.sets = sets or {}
        groups, features = objective.groups(data), data.n_features
        self.base_score = objective.start(data) if start is None else start.base_score
        self.weights = np.zeros((features, groups), np.float32)
        self.bias = np.zeros(groups, np.float32)
        self.number = 0
        if start is not None:
            self.weights, self.bias = start.weights.copy(), start.bias.copy()
            self.number = len(start)
        self._attributes = {} if start is None else dict(start.attributes)
        self._attributes.pop("best_iteration", None)
        self._best: tuple[int, Floats, Floats] | None = None
        self._columns = np.ascontiguousarray(data.x.T)
        whole = float(len(data)) if data.weight is None else float(data.weight.sum(dtype=float))
        # float32 products, as XGBoost keeps them.
        self._penalty = np.array(
            [np.float32(rate * whole) for rate in (self.linear.reg_alpha, self.linear.reg_lambda)],
            np.float64,
        )

    def margin_of(self, name: str) -> Floats:
        """Return the present margins of a watched set, (n, groups)."""
        return self._margin(self.sets[name])

    def _margin(self, data: Dataset) -> Floats:
        return self.snapshot().margin(data.x, base_margin=data.base_margin)

    def advance(self) -> None:
        """Change every group's bias and weights by one pass; groups do not know each other."""
        margin = self._margin(self.data)
        g, h = checked_gradients(self.stage, margin, self.number)
        rng = np.random.default_rng([self.settings.random_state, self.number, 0x11EA])
        groups = len(self.bias)
        orders = self._orders(rng, groups)
        own = np.asfortranarray(self.weights)

        def descend(k: int) -> None:
            gk = g[:, k].astype(np.float32)
            column = h[:, min(k, h.shape[1] - 1)].astype(np.float32)
            hk = np.ascontiguousarray(np.broadcast_to(column, gk.shape))
            self.bias[k] += kernels.shift_bias(gk, hk, np.float32(self.learning_rate))
            self._descend(gk, hk, own[:, k], orders[k])

        threads = min(self.settings.threads, groups)
        if threads == 1:
            for k in range(groups):
                descend(k)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(descend, range(groups)))
        self.weights = np.ascontiguousarray(own)
        self.number += 1

    def _orders(self, rng: np.random.Generator, groups: int) -> list[NDArray[np.int64]]:
        """Return the order of each group's steps where it does not depend on the gradients."""
        features = len(self.weights)
        if self.linear.feature_selector == "shuffle":
            return [rng.permutation(features)] * groups
        if self.linear.feature_selector == "random":
            return list(rng.integers(0, features, (groups, features)))
        return [np.arange(features)] * groups

    def _descend(self, g: Floats, h: Floats, w: Floats, order: NDArray[np.int64]) -> None:
        eta = np.float32(self.learning_rate)

        def steps() -> Floats:
            out = np.empty(len(w), np.float32)
            kernels.changes(self._columns, g, h, w, self._penalty, out)
            return np.abs(out)

        # XGBoost's greedy and thrifty selectors stop one short of all features.
        most = min(self.linear.top_k or len(w), len(w) - 1)
        if self.linear.feature_selector == "greedy":
            for _ in range(most):
                order = np.array([steps().argmax()])
                kernels.descend(self._columns, g, h, w, order, eta, self._penalty)
            return
        if self.linear.feature_selector == "thrifty":
            order = np.argsort(-steps(), kind="stable")[:most]
        kernels.descend(self._columns, g, h, w, order, eta, self._penalty)

    def keep_best(self, number: int) -> None:
        """Remember that this round, from 0, is the best so far, and its weights."""
        weights, bias = self.weights.copy(), self.bias.copy()
        text = self._attributes.get(BEST_WEIGHTS)
        if number != self.number - 1 and text is not None:
            # A round before a checkpoint: its weights are in the file.
            held = np.array(json.loads(text), np.float32).reshape(-1, len(bias))
            weights, bias = held[:-1], held[-1]
        self._best = number, weights, bias

    def snapshot(self) -> LinearBooster:
        """Return the model as it is now, and the weights of its best round beside it."""
        attributes = dict(self._attributes)
        if self._best is not None:
            held = np.append(self._best[1], self._best[2]).tolist()
            attributes[BEST_WEIGHTS] = json.dumps(held)
        return LinearBooster(
            weights=self.weights,
            bias=self.bias.copy(),
            base_score=self.base_score,
            objective=self.stage.objective,
            rounds=self.number,
            feature_names=self.data.feature_names,
            feature_types=self.data.feature_types,
            attributes=attributes,
            best_round=None if self._best is None else self._best[0],
        )

    def model(self, *, only_best: bool) -> LinearBooster:
        """Return the model at the end: the best round's weights where there is a best.

        Args:
            only_best: Not used: weights keep no other rounds.
        """
        model = self.snapshot()
        model.attributes.pop(BEST_WEIGHTS, None)
        if self._best is None:
            return model
        number, weights, bias = self._best
        return replace(model, weights=weights, bias=bias, rounds=number + 1)

    def close(self) -> None:
        """Do nothing: no thread outlives its round."""


def _check(data: Dataset) -> None:
    if data.table is not None:
        raise ValueError("booster 'gblinear' needs x in memory. Got a table outside of it.")
    if data.categorical is not None and data.categorical.any():
        raise ValueError(
            "booster 'gblinear' takes numbers only. "
            f"Got categories in column {int(np.flatnonzero(data.categorical)[0])}."
        )
