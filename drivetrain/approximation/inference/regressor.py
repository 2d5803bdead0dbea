"""Linear regression (least squares, Huber, quantile) by averaged SGD, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from drivetrain.approximation.inference.linear import LinearSGD
from drivetrain.approximation.inference.recipe import REGRESSION
from drivetrain.approximation.inference.samples import check_target, check_weights, finite_rows

Array = NDArray[np.float64]
_MANY = 4096
"""Rows, four a column at least, from which copying the state beats reading X twice for NaN."""


@dataclass(kw_only=True, eq=False, repr=False)
class SGDRegressor(RegressorMixin, LinearSGD):
    r"""Linear regression by averaged SGD with confidence intervals: a scikit-learn estimator.

    $$\beta_k = \beta_{k-1} - a_k \ell'(x_k \cdot \beta_{k-1}, y_k) x_k, \qquad
    \bar\beta_n = \frac{1}{n} \sum_k \beta_k$$

    One pass over n samples costs O(n·P) and the intervals little more; nothing but the state is
    kept, so a stream may go on for ever. With ``gain="invscaling"``, ``"constant"`` or
    ``"optimal"`` and the same order, the iterates are those of scikit-learn's SGDRegressor.

    Args:
        loss: ``"squared"``, ``"huber"`` or ``"quantile"``.
        epsilon: Huber's threshold, > 0.
        quantile: Which quantile, in (0, 1).
        gain: ``"auto"``, ``"invscaling"``, ``"constant"``, ``"optimal"`` or a Gain. ``"auto"`` is
            eta0·k^-power_t over the running mean of |x|², so that units do not matter.
        eta0: Scale of the gain, > 0; 2 over the loss's curvature where not given.
        power_t: Exponent of the gain; in (1/2, 1) the average is asymptotically normal.
        penalty: None or ``"l2"``.
        alpha: Strength of the penalty, >= 0 (and the scale of ``gain="optimal"``).
        fit_intercept: Whether there is a constant.
        average: Whether ``coef_`` is the average of the iterates, instead of the last one.
        burn_in: Steps before averaging begins.
        inference: ``"rs"`` (random scaling), ``"rs_diagonal"`` (the same without contrasts and
            joint tests, O(P)), ``"plug_in"``, ``"batch_means"`` or None.
        max_iter: Passes of ``fit``. With inference, several passes draw rows with replacement.
        shuffle: Whether ``fit`` uses the rows in random order.
        nan_policy: ``"raise"``, ``"omit"`` or ``"propagate"``.
        random_state: Seed of the order.

    Attributes:
        coef_: (p,).
        intercept_: (1,).
        n_features_in_: p.
        feature_names_in_: Column names, where X had them.
        n_iter_: Passes of the last ``fit``.
        t_: Samples used so far, plus one, as in scikit-learn.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> X = rng.standard_normal((5000, 2))
        >>> y = X @ [1.0, -2.0] + 0.5 + rng.standard_normal(5000)
        >>> model = SGDRegressor(shuffle=False).fit(X, y)
        >>> model.coef_.round(1)
        array([ 1., -2.])
        >>> model.conf_int(0.95).contains([1.0, -2.0, 0.5])
        array([ True,  True,  True])

    References:
        Polyak and Juditsky (1992). Lee, Liao, Seo and Shin, AAAI 2022, and for quantiles: Fast
        inference for quantile regression with tens of millions of observations, J. Econom. (2025).
    """

    loss: str = "squared"
    epsilon: float = 1.345
    quantile: float = 0.5

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "SGDRegressor":
        """Start afresh and make ``max_iter`` passes.

        Args:
            X: (n, p).
            y: (n,).
            sample_weight: Factors of the steps, (n,), >= 0, not all zero.

        Raises:
            ValueError: A setting or the input is wrong; the message says which.
            SGDDivergenceError: The gain is too large.
        """
        return self._use(X, y, sample_weight, first=True, passes=True)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "SGDRegressor":
        """Take one step for each row, in order, from where it stopped.

        Any split of a stream into calls gives the same bits. Arguments and errors as in ``fit``.
        """
        first = "engines_" not in vars(self)
        return self._use(X, y, sample_weight, first=first, passes=False)

    def predict(self, X: ArrayLike) -> Array:
        """Return X·coef_ + intercept_, (n,)."""
        return self._margins(X)[:, 0]

    def _use(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        first: bool,
        passes: bool,
    ) -> "SGDRegressor":
        checked_X = self._check_X(X, reset=first)
        target = check_target(y, len(checked_X))
        weights = check_weights(sample_weight, len(target), some=passes)
        long = len(target) >= max(_MANY, 4 * checked_X.shape[1])
        unread = long and not passes and self.nan_policy == "raise"
        unread = unread and bool(np.isfinite(target).all())
        rows = None if unread else finite_rows(self.nan_policy, checked_X, target)
        if rows is not None:
            checked_X, target = checked_X[rows], target[rows]
            weights = None if weights is None else weights[rows]
        if first:
            shape = {"huber": self.epsilon, "quantile": self.quantile}.get(self.loss, 0.0)
            self._start(checked_X.shape[1], 1, REGRESSION, shape)
        order = self._order(len(target)) if passes else None
        guard = self.nan_policy != "propagate"
        try:
            if unread:
                self.engines_[0].update_where_finite(checked_X, target, weights)
            else:
                self.engines_[0].update(checked_X, target, weights, order, guard=guard)
        finally:
            self._publish()
        return self

    def _publish(self) -> None:
        coordinates = self._coordinates()[0]
        self.coef_, self.intercept_ = coordinates[:-1], coordinates[-1:]
        self.t_ = self.engines_[0].steps + 1

    def _labels(self) -> None:
        return None

    def _restore_labels(self, labels: Sequence[Any] | None) -> None:
        if labels is not None:
            raise ValueError(f"A regressor has no labels. Got {labels}.")
