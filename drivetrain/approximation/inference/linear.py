"""What the two linear estimators share: settings, inference, state on disk."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from drivetrain.approximation.gains import Gain
from drivetrain.approximation.inference.engine import AveragedSGD
from drivetrain.approximation.inference.estimate import Estimate, Interval
from drivetrain.approximation.inference.recipe import Recipe, as_gain, loss_name
from drivetrain.approximation.inference.samples import finite_rows, sample_order
from drivetrain.approximation.inference.summary import Summary, summarise
from drivetrain.core import checkpoint
from drivetrain.core.checks import check_choice, check_integer
from drivetrain.core.errors import CheckpointError
from drivetrain.core.seeds import RandomState

Array = NDArray[np.float64]
Self = TypeVar("Self", bound="LinearSGD")


@dataclass(kw_only=True, eq=False, repr=False)
class LinearSGD(BaseEstimator, ABC):
    """Settings and inference of linear models fitted by averaged SGD. See the two estimators."""

    loss: str = "squared"
    gain: str | Gain = "auto"
    eta0: float | None = None
    power_t: float = 0.505
    penalty: str | None = None
    alpha: float = 1e-4
    fit_intercept: bool = True
    average: bool = True
    burn_in: int = 0
    inference: str | None = "rs"
    max_iter: int = 1
    shuffle: bool = True
    nan_policy: str = "raise"
    random_state: RandomState = None

    def estimate(self) -> Estimate | tuple[Estimate, ...]:
        """Return coefficients, the intercept last, with their uncertainty; one a class if several.

        Raises:
            ValueError: ``inference`` or ``average`` is off, or the mean Hessian is singular.
        """
        check_is_fitted(self, "engines_")
        found = tuple(self._scaled(engine.estimate()) for engine in self.engines_)
        return found[0] if len(found) == 1 else found

    def conf_int(self, level: float = 0.95) -> Interval:
        """Return confidence intervals of the coefficients, the intercept last.

        Args:
            level: Coverage of each, in (0, 1).

        Returns:
            Ends of shape (P,), or (K, P) with K > 2 classes; NaN while nothing can be said.

        Raises:
            ValueError: No inference, or a level outside (0, 1).
        """
        intervals = [estimate.interval(level) for estimate in self._estimates()]
        if len(intervals) == 1:
            return intervals[0]
        low = np.array([interval.low for interval in intervals])
        high = np.array([interval.high for interval in intervals])
        return Interval(low, high, level, intervals[0].method)

    @property
    def coef_cov_(self) -> Array:
        """The estimated covariance of the coefficients, (P, P) or (K, P, P), the intercept last.

        By random scaling it is 6·V̂/n, which is right on average but, unlike the others, does not
        settle as n grows: use it for scale, ``conf_int`` for inference.
        """
        factor = 6.0 if self.inference in ("rs", "rs_diagonal") else 1.0
        matrices = [factor * estimate.covariance for estimate in self._estimates()]
        return matrices[0] if len(matrices) == 1 else np.array(matrices)

    def summary(self, level: float = 0.95) -> Summary:
        """Return the table of coefficients with their intervals; ``print`` it."""
        estimates = self._estimates()
        labels = self._labels() or ()
        prefixes = [""] if len(estimates) == 1 else [f"{label}: " for label in labels]
        return summarise(list(zip(prefixes, estimates, strict=True)), self._names(), level)

    def state_dict(self) -> dict[str, Any]:
        """Return settings, arrays and labels: what it takes to go on, bit for bit.

        Raises:
            TypeError: ``random_state`` is a generator: a seed or None can be kept, a stream not.
        """
        check_is_fitted(self, "engines_")
        settings = self.get_params(deep=False)
        if not isinstance(self.random_state, (int, type(None))):
            kind = type(self.random_state).__name__
            raise TypeError(f"random_state must be an integer or None to be saved. Got {kind}.")
        if isinstance(self.gain, Gain):
            settings["gain"] = [self.gain.a, self.gain.alpha, self.gain.A, self.gain.log_power]
        names = vars(self).get("feature_names_in_")
        return {
            "estimator": type(self).__name__,
            "settings": settings,
            "engines": [engine.state_dict() for engine in self.engines_],
            "spread": self.spread_,
            "n_iter": self.n_iter_,
            "names": None if names is None else [str(name) for name in names],
            "labels": self._labels(),
        }

    @classmethod
    def from_state(cls: type[Self], state: Mapping[str, Any]) -> Self:
        """Return the estimator that ``state_dict`` described.

        Raises:
            ValueError: It is of another estimator, or an array does not fit.
        """
        if state.get("estimator") != cls.__name__:
            raise ValueError(f"state must be of {cls.__name__}. Got {state.get('estimator')!r}.")
        settings = dict(state["settings"])
        if isinstance(settings["gain"], (list, tuple)):
            settings["gain"] = Gain(*settings["gain"])
        made = cls(**settings)
        made.engines_ = [AveragedSGD.from_state(engine) for engine in state["engines"]]
        made.spread_, made.n_iter_ = float(state["spread"]), int(state["n_iter"])
        made.n_features_in_ = made.engines_[0].n_features
        if state["names"] is not None:
            made.feature_names_in_ = np.asarray(state["names"], dtype=object)
        made._restore_labels(state["labels"])
        made._publish()
        return made

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a checkpoint folder: ``model.safetensors`` and ``config.json``.

        Raises:
            OSError: Not writable, or the disk is full; an older checkpoint there stays whole.
            TypeError: Labels or ``random_state`` are nothing JSON holds.
        """
        state = self.state_dict()
        tensors: dict[str, Array] = {}
        for number, engine in enumerate(state["engines"]):
            arrays = engine.pop("arrays")
            tensors |= {f"{number}.{name}": array for name, array in arrays.items()}
        checkpoint.save(folder, tensors, state)

    @classmethod
    def load(cls: type[Self], folder: str | os.PathLike[str]) -> Self:
        """Read what ``save`` wrote; going on gives the same bits.

        Raises:
            FileNotFoundError: There is no checkpoint.
            CheckpointError: It is truncated, corrupt, or of something else.
        """
        tensors, state = checkpoint.load(folder)
        try:
            for number, engine in enumerate(state["engines"]):
                prefix = f"{number}."
                engine["arrays"] = {
                    name.removeprefix(prefix): tensor
                    for name, tensor in tensors.items()
                    if name.startswith(prefix)
                }
            return cls.from_state(state)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{folder} holds no {cls.__name__}: {error}") from None

    @abstractmethod
    def _labels(self) -> Sequence[Any] | None:
        """Return the classes, or None."""

    @abstractmethod
    def _restore_labels(self, labels: Sequence[Any] | None) -> None:
        """Take back what ``_labels`` gave."""

    @abstractmethod
    def _publish(self) -> None:
        """Set ``coef_``, ``intercept_`` and ``t_`` from the engines."""

    def _coordinates(self) -> Array:
        """Return the coefficients of each engine, (K, P), the intercept last, 0 if not fitted."""
        rows = np.array([e.average if self.average else e.iterate for e in self.engines_])
        return rows if self.fit_intercept else np.column_stack([rows, np.zeros(len(rows))])

    def _estimates(self) -> tuple[Estimate, ...]:
        found = self.estimate()
        return found if isinstance(found, tuple) else (found,)

    def _scaled(self, estimate: Estimate) -> Estimate:
        return replace(estimate, covariance=estimate.covariance * self.spread_)

    def _names(self) -> list[str]:
        given = vars(self).get("feature_names_in_")
        names = [f"x{j}" for j in range(self.n_features_in_)] if given is None else list(given)
        return [*map(str, names), *["intercept"] * bool(self.fit_intercept)]

    def _start(self, n_features: int, count: int, offered: tuple[str, ...], shape: float) -> None:
        """Make fresh engines from the settings, which are checked here."""
        loss = loss_name(self.loss, offered)
        gain, normalise = as_gain(self.gain, self.eta0, self.power_t, self.alpha, loss)
        if self.penalty is not None:
            check_choice("penalty", self.penalty, ("l2",))
        recipe = Recipe(
            loss=loss,
            shape=shape,
            gain=gain,
            normalise=normalise,
            l2=0.0 if self.penalty is None else float(self.alpha),
            fit_intercept=bool(self.fit_intercept),
            burn_in=self.burn_in,
            inference=self.inference if self.average else None,
        )
        self.engines_ = [AveragedSGD(n_features, recipe) for _ in range(count)]
        self.spread_, self.n_iter_ = 1.0, 1

    def _order(self, n: int) -> NDArray[np.int64] | None:
        """Return the order of rows of ``fit``, and note what it means for the variance.

        Passes beyond the first see old rows. Drawn with replacement, they are a fresh sample of
        the rows, so the path shows the variance Σ/(n·E) of E passes about the rows' optimum; the
        optimum itself has Σ/n about the truth. Together (E + 1)·Σ/(n·E).
        """
        passes = check_integer("max_iter", self.max_iter, low=1)
        again = passes > 1 and self.average and self.inference is not None
        if again and not self.shuffle:
            raise ValueError(
                "Several passes with inference need shuffle=True: rows are drawn with replacement."
                f" Got max_iter={passes}, shuffle=False."
            )
        self.spread_ = passes + 1.0 if again else 1.0
        self.n_iter_ = passes
        return sample_order(
            n,
            passes,
            shuffle=bool(self.shuffle),
            replace=again,
            random_state=self.random_state,
        )

    def _check_X(self, X: ArrayLike, *, reset: bool) -> Array:
        array = validate_data(
            self, X, reset=reset, dtype=np.float64, order="C", ensure_all_finite=False
        )
        return np.asarray(array)

    def _margins(self, X: ArrayLike) -> Array:
        check_is_fitted(self, "engines_")
        array = self._check_X(X, reset=False)
        if self.nan_policy != "propagate":
            finite_rows("raise", array)
        coordinates = self._coordinates()
        return np.asarray(array @ coordinates[:, :-1].T + coordinates[:, -1])
