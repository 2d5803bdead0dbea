"""What stacking for classes and for numbers share."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_method_params,
    check_is_fitted,
)

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.members.composed import Composed, Named
from drivetrain.ensemble.members.fitting import (
    Member,
    attempted,
    check_on_error,
    routed,
    survivors,
)
from drivetrain.ensemble.stacking.folds import folds_of, holdout, warn_of_absent
from drivetrain.ensemble.stacking.learning import AUTO, Learned, Plan, Rows, learn

WORDS = ("prefit", "naive")


@dataclass(eq=False, repr=False)
class Stacking(Composed):
    """Members whose predictions a final estimator learns from.

    Attributes:
        estimators: Pairs of a name and an estimator, or ``"drop"``.
        final_estimator: Learns from their predictions; scikit-learn's LogisticRegression or
            RidgeCV where None.
        cv: Folds of the predictions it learns from: a number (5 where None, of classes in their
            shares), a splitter, or a list of (rows to fit, rows held out). ``naive``: members
            predict the very rows they were fitted on, so the target leaks. ``prefit``: members
            are fitted already.
        n_jobs: Threads in all, shared by members and folds and passed down; -1 for all cores;
            None: one fit at a time, which uses what it was told. The answers are the same.
        passthrough: Whether the final estimator sees X too.
        verbose: Whether to print a line a fit.
        blend: Instead of folds, the share of the rows that are held out: members are fitted on
            the others and stay so, the final estimator on the held-out ones.
        random_state: Seed of the rows that ``blend`` holds out.
        on_error: What becomes of a member that fails: ``raise`` its error, its name in front; or
            ``drop`` it with a warning, keeping the others.
    """

    estimators: Named
    final_estimator: Any = None
    _: KW_ONLY
    cv: Any = None
    n_jobs: int | None = None
    passthrough: bool = False
    verbose: int = 0
    blend: float | None = None
    random_state: Any = None
    on_error: str = "raise"

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata reaches the members, and of ``predict`` the final estimator."""
        router = super().get_metadata_routing()
        final = vars(self).get("final_estimator_", self.final_estimator)
        mapping = MethodMapping().add(caller="predict", callee="predict")
        router.add(final_estimator_=final, method_mapping=mapping)
        return router

    def fit_stack(self, rows: Rows, given: dict[str, Any], asked: str, *, kind: str | None) -> None:
        """Fit the members, then the final estimator on what they predict.

        Args:
            rows: What is learned from.
            given: What ``fit`` was given besides.
            asked: Which method the members are asked for, or ``auto``.
            kind: What members must be; None for anything.
        """
        check_on_error(self.on_error)
        if self.blend is not None and self.cv is not None:
            raise ValueError(f"blend and cv exclude each other. Got {self.blend} and {self.cv!r}.")
        if isinstance(self.cv, str):
            check_choice("cv", self.cv, WORDS)
        named = self.checked_members(kind=kind)
        params = routed(self, [name for name, _ in named], given)
        if self.cv == "prefit":
            predictions, seen = self._prefitted(named, rows, asked), None
        else:
            members = [Member(name=k, estimator=clone(e), params=params[k]) for k, e in named]
            predictions, seen = self._fitted(members, rows, asked)
        X, y = rows.X, rows.y
        if seen is not None:
            given = _check_method_params(X, params=given, indices=seen)
            X, y = _take(X, seen), _take(y, seen)
        final = Member(name="final_estimator", estimator=self.final_estimator_, params=given)
        table = self.concatenated(X, predictions)
        attempted(final, lambda: final.fit(table, y), "raise")

    def _prefitted(self, named: Named, rows: Rows, asked: str) -> list[Any]:
        for name, one in named:
            fitted = Member(name=name, estimator=one, params={})
            attempted(fitted, lambda one=one: check_is_fitted(one), "raise")  # type: ignore[misc]
        self.keep_members(dict(named))
        self.fit_seconds_ = dict.fromkeys(dict(named), 0.0)
        self.failures_: dict[str, Exception] = {}
        self.stack_method_ = [method_of(name, one, asked) for name, one in named]
        return self.answers(rows.X)

    def _fitted(self, members: list[Member], rows: Rows, asked: str) -> tuple[list[Any], Any]:
        """Return the members' predictions, and of which rows; None for all."""
        methods = {one.name: method_of(one.name, one.estimator, asked) for one in members}
        plan, seen = self._plan(rows)
        found = learn(members, methods, rows, plan)
        self.failures_ = {name: e for name, e in found.items() if isinstance(e, Exception)}
        survivors(list(found), self.failures_)
        kept = {name: one for name, one in found.items() if isinstance(one, Learned)}
        self.keep_members({name: one.estimator for name, one in kept.items()})
        self.fit_seconds_ = {name: one.seconds for name, one in kept.items()}
        self.stack_method_ = [methods[name] for name in kept]
        if plan.folds:
            return [one.predictions for one in kept.values()], None
        return self.answers(rows.X if seen is None else _take(rows.X, seen)), seen

    def _plan(self, rows: Rows) -> tuple[Plan, Any]:
        """Return how to fit, and which rows the final estimator sees; None for all."""
        whole: Any = None
        seen: Any = None
        folds = []
        by_class = rows.counts is not None
        if self.blend is not None:
            seed = self.random_state
            whole, seen = holdout(self.blend, rows.X, rows.y, classifier=by_class, seed=seed)
        elif self.cv != "naive":
            folds = folds_of(self.cv, rows.X, rows.y, classifier=by_class)
            if isinstance(rows.counts, int):
                warn_of_absent(folds, rows.y, self.__dict__["classes_"])
        plan = Plan(
            whole=whole,
            folds=folds,
            n_jobs=self.n_jobs,
            on_error=self.on_error,
            verbose=bool(self.verbose),
        )
        return plan, seen

    def answers(self, X: Any) -> list[Any]:
        """Return what each member says of rows.

        Args:
            X: Values, (n, F).
        """
        return [getattr(one, how)(X) for one, how in zip(self.estimators_, self.stack_method_)]

    def concatenated(self, X: Any, predictions: list[Any]) -> Any:
        """Return the table the final estimator sees: predictions side by side, then X if asked.

        Args:
            X: Values, (n, F).
            predictions: Of each member: (n,), (n, columns), or such a table for each label.
                Of two classes, and of each label, the first probability is left out.
        """
        two = len(vars(self).get("classes_", ())) == 2
        parts: list[Any] = []
        self._widths = []
        for given, method in zip(predictions, self.stack_method_):
            before = len(parts)
            if isinstance(given, list):
                parts.extend(one[:, 1:] for one in given)
            elif given.ndim == 1:
                parts.append(given.reshape(-1, 1))
            else:
                parts.append(given[:, 1:] if two and method == "predict_proba" else given)
            self._widths.append(sum(one.shape[1] for one in parts[before:]))
        if self.passthrough:
            parts.append(X)
            if sparse.issparse(X):
                return sparse.hstack(parts, format=X.format)
        return np.hstack(parts)

    def transform(self, X: Any) -> Any:
        """Return what the final estimator sees of rows, (n, columns).

        Args:
            X: Values, (n, F).
        """
        check_is_fitted(self)
        return self.concatenated(X, self.answers(X))

    def final_answer(self, X: Any, method: str, params: dict[str, Any]) -> Any:
        """Return what the final estimator says of rows.

        Args:
            X: Values, (n, F).
            method: Which of its methods is asked.
            params: What it is given besides; with metadata routing, what it asks for.
        """
        from sklearn import get_config

        check_is_fitted(self)
        if method == "predict" and get_config()["enable_metadata_routing"]:
            params = process_routing(self, "predict", **params).final_estimator_["predict"]
        return getattr(self.final_estimator_, method)(self.transform(X), **params)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return a name for each column of ``transform``.

        Args:
            input_features: Names of X's features, with ``passthrough``.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features, generate_names=self.passthrough)
        whole: list[str] = []
        for name, width in zip(self.fit_seconds_, self._widths):
            own = f"{type(self).__name__.lower()}_{name}"
            whole.extend([own] if width == 1 else [f"{own}{k}" for k in range(width)])
        listed = np.asarray(whole, dtype=object)
        return np.concatenate([listed, names]) if self.passthrough else listed


def method_of(name: str, estimator: Any, asked: str) -> str:
    """Return the method a member is asked: the one wanted, or of ``auto`` the first it has.

    Raises:
        ValueError: It has none.
    """
    for method in AUTO if asked == "auto" else (asked,):
        if getattr(estimator, method, None) is not None:
            return method
    raise ValueError(f"Underlying estimator {name} does not implement the method {asked}.")


def final_has(method: str, usual: Any) -> Callable[[Stacking], bool]:
    """Return a test of whether a stack's final estimator has a method.

    Args:
        method: Its name.
        usual: The class of the final estimator where none is given.
    """

    def test(self: Stacking) -> bool:
        given = self.final_estimator if self.final_estimator is not None else usual
        # Raises the AttributeError that hasattr understands.
        getattr(vars(self).get("final_estimator_", given), method)
        return True

    return test


def row_wise(X: Any, y: Any) -> Any:
    """Return X in a form whose rows can be taken.

    Raises:
        ValueError: X and y have other numbers of rows.
    """
    return indexable(X, y)[0]


def _take(values: Any, rows: Any) -> Any:
    from sklearn.utils import _safe_indexing

    return _safe_indexing(values, rows)
