"""What voting for classes and for numbers share."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from drivetrain.core.checks import check_array
from drivetrain.ensemble.members.composed import Composed, Named
from drivetrain.ensemble.members.fitting import (
    Member,
    attempted,
    check_on_error,
    routed,
    survivors,
)
from drivetrain.ensemble.members.threads import run


@dataclass(eq=False, repr=False)
class Voting(Composed):
    """Members that are fitted on the same rows.

    Attributes:
        estimators: Pairs of a name and an estimator, or ``"drop"``.
        weights: Of each member, dropped ones included; equal where None.
        n_jobs: Threads in all, shared by the members and passed down to theirs; -1 for all
            cores; None: one member at a time, which uses what it was told. The answers are the
            same for any.
        verbose: Whether to print a line a member.
        on_error: What becomes of a member whose fit fails: ``raise`` its error, its name in
            front; or ``drop`` it with a warning, keeping the others.
    """

    estimators: Named
    _: KW_ONLY
    weights: ArrayLike | None = None
    n_jobs: int | None = None
    verbose: bool = False
    on_error: str = "raise"

    def fit_members(self, X: Any, y: Any, given: dict[str, Any], members: Named) -> None:
        """Fit clones of the members, side by side, and keep those that did not fail.

        Args:
            X: Values, (n, F).
            y: Targets, (n,).
            given: What ``fit`` was given besides.
            members: Those that are not dropped.
        """
        check_on_error(self.on_error)
        weights = self._checked_weights()
        params = routed(self, [name for name, _ in members], given)
        tasks = [Member(name=k, estimator=clone(one), params=params[k]) for k, one in members]

        def fit(task: Member, threads: int | None) -> float | Exception:
            took = attempted(task, lambda: task.fit(X, y, threads=threads), self.on_error)
            if self.verbose:
                how = f"failed: {took}" if isinstance(took, Exception) else f"{took:.2f} s"
                print(f"[Voting] {task.name}: {how}", flush=True)
            return took

        done = dict(zip([task.name for task in tasks], run(fit, tasks, self.n_jobs)))
        self.failures_ = {name: e for name, e in done.items() if isinstance(e, Exception)}
        kept = survivors(list(done), self.failures_)
        self.keep_members({task.name: task.estimator for task in tasks if task.name in kept})
        self.fit_seconds_ = {k: s for k, s in done.items() if not isinstance(s, Exception)}
        names = [name for name, _ in self.estimators]
        self.weights_ = None if weights is None else weights[[names.index(name) for name in kept]]

    def _checked_weights(self) -> NDArray[np.float64] | None:
        if self.weights is None:
            return None
        weights = check_array("weights", self.weights, ndim=1, finite=True)
        if len(weights) != len(self.estimators):
            raise ValueError(
                "Number of `estimators` and weights must be equal; got "
                f"{len(weights)} weights, {len(self.estimators)} estimators"
            )
        return np.asarray(weights)

    def answers(self, X: Any, method: str = "predict") -> list[NDArray[Any]]:
        """Return what each member answers.

        Args:
            X: Values, (n, F).
            method: Which of its methods is asked.
        """
        check_is_fitted(self)
        return [getattr(one, method)(X) for one in self.estimators_]

    def kept_names(self) -> Sequence[str]:
        """Return the names of the fitted members, in order."""
        return list(self.fit_seconds_)
