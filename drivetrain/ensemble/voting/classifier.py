"""Voting for classes: plurality, mean probabilities, seeded ties, majority or refusal."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, column_or_1d

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.members.composed import Named
from drivetrain.ensemble.voting import deciding
from drivetrain.ensemble.voting.base import Voting
from drivetrain.ensemble.voting.scoring import Tally, tally


class _Decision(NamedTuple):
    """The class of each row, by its code, and whether the row is answered."""

    codes: NDArray[np.int64]
    answered: NDArray[np.bool_]


def _averages(self: "VotingClassifier") -> bool:
    if self.voting == "hard":
        raise AttributeError(f"predict_proba is not available when voting={self.voting!r}")
    return True


@dataclass(eq=False, repr=False)
class VotingClassifier(ClassifierMixin, Voting):
    r"""The class of most votes or of greatest mean probability; refusal and seeded ties besides.

    Hard votes are V_c(x) = \sum_i w_i [h_i(x) = c], soft ones V_c(x) = \sum_i w_i p_i(c | x).
    As in scikit-learn, the answer is the class of most votes, the lowest where they tie.

    Attributes:
        voting: ``hard`` counts predicted classes, ``soft`` averages probabilities.
        flatten_transform: Whether ``transform`` lays soft members side by side: (n, members *
            classes) instead of (members, n, classes).
        reject: Whether only a class with more than half of all votes is answered; other rows
            are refused.
        reject_label: What ``predict`` says of refused rows; where None, they are masked in a
            ``numpy.ma.MaskedArray``.
        tie_break: Who wins where votes tie: the ``first`` class, or one at ``random``.
        random_state: Seed of those draws; row r of a call takes the r-th.
        classes_: The labels, sorted.
        estimators_: Fitted members, dropped ones left out.
        named_estimators_: They, or ``"drop"``, by name.
        weights_: Weights of the fitted members; None where equal.
        failures_: Errors of members that failed, with ``on_error="drop"``, by name.
        fit_seconds_: How long each member took to fit, by name.
        n_features_in_: Number of features.
        feature_names_in_: Their names, where the members saw any.

    Example:
        >>> from sklearn.dummy import DummyClassifier
        >>> yes, no = (DummyClassifier(strategy="constant", constant=c) for c in (1, 0))
        >>> X, y = [[0], [1]], [0, 1]
        >>> VotingClassifier([("yes", yes), ("no", no)]).fit(X, y).predict([[0]])
        array([0])
        >>> VotingClassifier([("yes", yes), ("no", no)], reject=True).fit(X, y).predict([[0]])
        masked_array(data=[--],
                     mask=[ True],
               fill_value=999999,
                    dtype=int64)

    References:
        Zhou: Ensemble Methods, 2012, section 4.3.
    """

    _: KW_ONLY
    voting: str = "hard"
    flatten_transform: bool = True
    reject: bool = False
    reject_label: Any = None
    tie_break: str = "first"
    random_state: Any = None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X: Any, y: ArrayLike, **fit_params: Any) -> "VotingClassifier":
        """Fit every member on all rows.

        Args:
            X: Values, (n, F); whatever the members take.
            y: Labels, (n,).
            **fit_params: ``sample_weight``, (n,); with metadata routing, what members ask for.

        Raises:
            ValueError: A parameter or the input is wrong; of a member, named with it. A member
                without ``predict_proba`` under soft voting.
            NotImplementedError: Several labels a row.
            TypeError: A member takes no sample weights.
        """
        _raise_for_params(fit_params, self, "fit", allow=["sample_weight"])
        check_classification_targets(y)
        if type_of_target(y, input_name="y") not in ("binary", "multiclass"):
            raise NotImplementedError(
                "VotingClassifier only supports binary or multiclass classification. "
                "Multilabel and multi-output classification are not supported."
            )
        members = self.checked_members(kind="classifier")
        self._check(members)
        self.classes_, codes = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        if self.reject_label is not None and np.any(self.classes_ == self.reject_label):
            raise ValueError(f"reject_label must be no class of y. Got {self.reject_label!r}.")
        if self.tie_break == "random":
            self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.fit_members(X, codes, fit_params, members)
        return self

    def _check(self, members: Named) -> None:
        check_choice("voting", self.voting, ("hard", "soft"))
        check_choice("tie_break", self.tie_break, ("first", "random"))
        if self.voting == "soft":
            for name, one in members:
                if getattr(one, "predict_proba", None) is None:
                    raise ValueError(
                        f"Member {name!r} ({type(one).__name__}) has no predict_proba, which "
                        "voting='soft' averages: use voting='hard', or calibrate the member."
                    )
        weights = self._checked_weights()
        if self.reject and weights is not None and not (weights.min() >= 0 < weights.max()):
            raise ValueError(
                f"weights must be >= 0 with reject=True, one above 0. Got {weights.tolist()}."
            )

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row, (n,); refused rows are masked, or hold ``reject_label``.

        Args:
            X: Values, (n, F).
        """
        codes, answered = self._decide(X)
        labels = self.classes_[codes]
        if not self.reject:
            return labels
        if self.reject_label is None:
            return np.ma.MaskedArray(labels, mask=~answered)
        label = np.asarray(self.reject_label)
        same = label.dtype.kind == labels.dtype.kind
        out = labels.astype(np.result_type(labels, label) if same else object)
        out[~answered] = self.reject_label
        return out

    def _decide(self, X: Any) -> _Decision:
        votes = self._votes(X)
        members = len(self.estimators_)
        if self.reject:
            return _Decision(deciding.first(votes), deciding.decided(votes, members))
        everyone = np.ones(len(votes), np.bool_)
        if self.tie_break == "random":
            return _Decision(deciding.drawn(votes, members, self.seed_), everyone)
        return _Decision(deciding.first(votes), everyone)

    def _votes(self, X: Any) -> NDArray[np.floating]:
        if self.voting == "soft":
            return np.asarray(self.predict_proba(X))
        codes = np.asarray(self.answers(X)).T.astype(np.int64)
        return deciding.count(codes, self.weights_, len(self.classes_))

    @available_if(_averages)
    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Return the weighted mean of the members' probabilities, (n, classes); soft voting only.

        Args:
            X: Values, (n, F).

        Raises:
            ZeroDivisionError: The weights sum to 0.
        """
        given = np.asarray(self.answers(X, "predict_proba"))
        return np.asarray(np.average(given, axis=0, weights=self.weights_))

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of answered rows that are right; ``tally`` counts the refused ones.

        Args:
            X: Values, (n, F).
            y: Labels, (n,).
            sample_weight: Of each row, (n,).

        Returns:
            The accuracy; NaN, with a warning, where every row is refused.
        """
        return self.tally(X, y, sample_weight).accuracy()

    def tally(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Tally:
        """Return how many rows are answered rightly, wrongly, and refused.

        Args:
            X: Values, (n, F).
            y: Labels, (n,).
            sample_weight: Of each row, (n,).
        """
        codes, answered = self._decide(X)
        right = self.classes_[codes] == np.asarray(column_or_1d(y))
        return tally(right, answered, sample_weight)

    def transform(self, X: Any) -> NDArray[Any]:
        """Return what each member says: codes of classes, (n, members), or probabilities.

        Args:
            X: Values, (n, F).
        """
        if self.voting == "hard":
            return np.asarray(self.answers(X)).T
        given = np.asarray(self.answers(X, "predict_proba"))
        return np.hstack(list(given)) if self.flatten_transform else given

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return a name for each column of ``transform``.

        Args:
            input_features: Not used, but checked where given.

        Raises:
            ValueError: ``transform`` returns no table.
        """
        check_is_fitted(self)
        if self.voting == "soft" and not self.flatten_transform:
            raise ValueError(
                "get_feature_names_out is not supported when `voting='soft'` and "
                "`flatten_transform=False`"
            )
        _check_feature_names_in(self, input_features, generate_names=False)
        named = [f"{type(self).__name__.lower()}_{name}" for name in self.kept_names()]
        if self.voting == "soft":
            named = [f"{one}{k}" for one in named for k in range(len(self.classes_))]
        return np.asarray(named, dtype=object)
