"""What every bag does, whatever its members predict."""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from drivetrain.core.checks import check_choice, check_integer
from drivetrain.ensemble.bagging.drawing import Drawing, Places, feature_draws, row_draws
from drivetrain.ensemble.bagging.growing import Member, Plan, kept, takes
from drivetrain.ensemble.bagging.parameters import BaggingParameters
from drivetrain.ensemble.bagging.routing import enabled, routed, router
from drivetrain.ensemble.copies import failure, in_order, offers

Doubles = NDArray[np.float64]
_SEEDS = np.iinfo(np.int32).max


class FittedBagging(BaggingParameters):
    """A bag, and what it offers once it is fitted.

    Attributes:
        estimator_: What the members are copies of.
        estimators_: The members.
        estimators_features_: Places of each member's features.
        n_features_in_: Number of features.
        oob_score_: Score of the rows by the members that did not draw them.
    """

    estimator_: Any
    estimators_: list[Any]
    estimators_features_: list[Places]
    n_features_in_: int
    oob_score_: float

    @abstractmethod
    def _prototype(self) -> Any:
        """Return what members are copies of."""

    @abstractmethod
    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return y as members are fitted to it; remember its classes."""

    @abstractmethod
    def _score_outside(self, x: Any, y: NDArray[Any]) -> None:
        """Remember the out-of-bag predictions and their score over the rows that have one."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        prototype = self._prototype()
        tags.input_tags.sparse = takes(prototype, "sparse")
        tags.input_tags.allow_nan = takes(prototype, "allow_nan")
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """Return where metadata go: to the members' methods."""
        return router(self, self._prototype())

    def __len__(self) -> int:
        return len(self.estimators_)

    def __getitem__(self, place: int) -> Any:
        return self.estimators_[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.estimators_)

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, **fit_params: Any
    ) -> Self:
        """Fit the members, each on rows and features of its own.

        Args:
            X: Values, (n, F); what the members take.
            y: Targets, (n,).
            sample_weight: Weight of each row, (n,), at least 0; see ``weigh``.
            fit_params: Given to the members' ``fit``, by scikit-learn's metadata routing.

        Raises:
            TypeError: A parameter of another type.
            ValueError: A parameter or the input is wrong; the message says which.
            Exception: A member failed, in its own kind of error; see ``on_error``.
        """
        given = routed(self, "fit", fit_params).get("fit", {})
        x, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            dtype=None,
            ensure_all_finite=False,
            multi_output=True,
        )
        weight = None if sample_weight is None else _weights(sample_weight, x)
        drawing = self._drawing(x.shape, weight)
        targets = self._targets(np.asarray(y))
        self.estimator_ = self._prototype()
        if not (self.warm_start and "estimators_" in vars(self)):
            self._begin()
        self.__dict__.pop("oob_score_", None)
        seeds = self._seeds()
        if not seeds:
            return self
        plan = Plan(
            prototype=self.estimator_,
            x=x,
            y=targets,
            drawing=drawing,
            weight=weight if self.weigh == "fit" else None,
            given=given,
            routed=enabled(),
            threads=effective_n_jobs(self.n_jobs),
        )
        self._keep(plan.fitted(seeds), drawing)
        if self.oob_score:
            self._score_outside(x, targets)
        return self

    def _drawing(self, shape: tuple[int, int], weight: Doubles | None) -> Drawing:
        check_choice("weigh", self.weigh, ("draw", "fit"))
        check_choice("on_error", self.on_error, ("raise", "drop"))
        if not self.bootstrap and self.oob_score:
            raise ValueError("oob_score needs bootstrap=True: out of bag estimation only then.")
        if self.weigh == "fit":
            weight = None
        return Drawing(
            rows=shape[0],
            features=shape[1],
            row_draws=row_draws(self.max_samples, shape[0], weight, bootstrap=self.bootstrap),
            feature_draws=feature_draws(self.max_features, shape[1]),
            bootstrap=bool(self.bootstrap),
            bootstrap_features=bool(self.bootstrap_features),
            weight=weight,
        )

    def _begin(self) -> None:
        self.estimators_ = []
        self.estimators_features_ = []
        self._drawn: list[tuple[Drawing, int]] = []
        self._tried = 0

    def _seeds(self) -> list[int]:
        wanted = check_integer("n_estimators", self.n_estimators, low=1)
        rng = check_random_state(self.random_state)
        if wanted < self._tried:
            raise ValueError(
                f"n_estimators must be >= the {self._tried} members there are. Got {wanted}."
            )
        if wanted == self._tried:
            warnings.warn("warm_start without more n_estimators fits no new members.", stacklevel=3)
        elif self._tried:
            rng.randint(_SEEDS, size=self._tried)
        return [int(seed) for seed in rng.randint(_SEEDS, size=wanted - self._tried)]

    def _keep(self, members: list[Member], drawing: Drawing) -> None:
        total = self._tried + len(members)
        try:
            good, error = kept(members, total, self.on_error)
        except Exception:
            del self.estimators_
            raise
        self._tried = total
        self.estimators_ += [one.model for one in good]
        self.estimators_features_ += [one.features for one in good]
        self._drawn += [(drawing, one.seed) for one in good]
        if error is not None:
            raise error

    @property
    def estimators_samples_(self) -> list[Places]:
        """The rows each member drew; drawn anew at each call, so nothing is kept of them."""
        check_is_fitted(self, "estimators_")
        return [drawing.drawn(seed)[1] for drawing, seed in self._drawn]

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self, "estimators_")
        return validate_data(
            self,
            X,
            accept_sparse=["csr", "csc"],
            dtype=None,
            ensure_all_finite=False,
            reset=False,
        )

    def _answers(self, x: Any, ask: Callable[[Any, Any], Any]) -> Iterator[Any]:
        """Yield what each member answers on its features of all rows, in order."""
        # One copy for all where they see the same; laid out as each one's own would be.
        same = x[:, np.arange(x.shape[1])] if self._drawn[0][0].all_features else None

        def one(at: int) -> Any:
            alike = same is not None and self._drawn[at][0].all_features
            values = same if alike else x[:, self.estimators_features_[at]]
            try:
                return ask(self.estimators_[at], values)
            except Exception as error:
                raise failure(error, self._name(at)) from error

        return in_order(one, range(len(self.estimators_)), threads=self._threads())

    def _outside(
        self, x: Any, ask: Callable[[Any, Any], Any]
    ) -> Iterator[tuple[NDArray[np.bool_], Any]]:
        """Yield which rows each member did not draw, and what it answers on them, in order."""

        def one(at: int) -> tuple[NDArray[np.bool_], Any]:
            drawing, seed = self._drawn[at]
            if drawing.rows != x.shape[0]:
                raise ValueError(
                    f"oob_score with warm_start needs the same {drawing.rows} rows. "
                    f"Got {x.shape[0]}."
                )
            out = drawing.left_out(seed)
            if not out.any():
                return out, None
            try:
                return out, ask(self.estimators_[at], x[out][:, self.estimators_features_[at]])
            except Exception as error:
                raise failure(error, self._name(at)) from error

        return in_order(one, range(len(self.estimators_)), threads=self._threads())

    def _threads(self) -> int:
        return min(effective_n_jobs(self.n_jobs), len(self.estimators_))

    def _name(self, at: int) -> str:
        return f"member {at} of {len(self.estimators_)} ({type(self.estimators_[at]).__name__})"

    def _asked(self, method: str, given: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        return routed(self, method, given)


def _weights(given: ArrayLike, x: Any) -> Doubles:
    return np.asarray(_check_sample_weight(given, x, dtype=np.float64, ensure_non_negative=True))


def warn_of_holes(count: int) -> None:
    """Warn of rows that every member drew.

    Args:
        count: How many.
    """
    warnings.warn(
        f"{count} rows have no out-of-bag prediction: every member drew them. They are NaN and "
        "count for nothing in oob_score_; more members help.",
        stacklevel=5,
    )


def decides(bag: FittedBagging) -> bool:
    """Return whether the members have a decision function; raise an AttributeError if not."""
    members = vars(bag).get("estimators_")
    member = members[0] if members else bag._prototype()
    if not offers(member, "decision_function"):
        raise AttributeError(f"{type(member).__name__} has no attribute 'decision_function'.")
    return True
