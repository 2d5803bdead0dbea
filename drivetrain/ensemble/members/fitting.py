"""Fitting members: timed, and named when they fail."""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.members.threads import limited

R = TypeVar("R")
ON_ERROR = ("raise", "drop")


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """An estimator under its name.

    Attributes:
        name: What the ensemble calls it.
        estimator: Is fitted in place.
        params: What its ``fit`` is given besides X and y.
    """

    name: str
    estimator: Any
    params: Mapping[str, Any]

    @property
    def words(self) -> str:
        """What it is called in messages."""
        return f"Member {self.name!r} ({type(self.estimator).__name__})"

    def fit(self, X: Any, y: Any, *, rows: Any = None, threads: int | None = None) -> float:
        """Fit the estimator on all rows or some; return the seconds it took.

        Args:
            X: Values.
            y: Targets.
            rows: Places of the rows to fit; all where None.
            threads: The most it may use.

        Raises:
            TypeError: It takes no sample weights, but is given some.
        """
        params = dict(self.params)
        if rows is not None:
            params = _check_method_params(X, params=params, indices=rows)
            X, y = _safe_split(self.estimator, X, y, rows)
        begun = time.perf_counter()
        try:
            with limited(self.estimator, threads):
                self.estimator.fit(X, y, **params)
        except TypeError as error:
            if "unexpected keyword argument 'sample_weight'" in str(error):
                raise TypeError("it does not support sample weights.") from error
            raise
        return time.perf_counter() - begun


def attempted(member: Member, work: Callable[[], R], on_error: str) -> R | Exception:
    """Return what the work returns; or, where failing members are dropped, its error.

    Raises:
        Exception: What the work raises, with the member's name before its words.
    """
    try:
        return work()
    except Exception as error:
        _name(error, member.words)
        if on_error == "raise":
            raise
        return error


def _name(error: Exception, words: str) -> None:
    """Put the member's name into an error, which keeps its type and its traceback."""
    if len(error.args) == 1 and isinstance(error.args[0], str):
        error.args = (f"{words}: {error.args[0]}",)
    if words not in str(error):
        error.add_note(f"It was raised by: {words}.")


def survivors(names: list[str], failures: dict[str, Exception]) -> list[str]:
    """Return the members that did not fail; warn of those that did.

    Raises:
        Exception: The first failure, where no member is left.
    """
    kept = [name for name in names if name not in failures]
    if not kept and failures:
        raise next(iter(failures.values()))
    for error in failures.values():
        warnings.warn(f"Dropped: {error}", RuntimeWarning, stacklevel=4)
    return kept


def routed(owner: Any, names: list[str], given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what each member's ``fit`` is given, by scikit-learn's metadata routing.

    Where routing is off, sample weights go to every member.

    Args:
        owner: The ensemble.
        names: Its members.
        given: What its own ``fit`` was given.
    """
    from sklearn import get_config

    if not get_config()["enable_metadata_routing"]:
        return {name: dict(given) for name in names}
    found = process_routing(owner, "fit", **given)
    return {name: found[name]["fit"] for name in names}


def check_on_error(value: str) -> None:
    """Raise a ValueError unless the value says what to do with members that fail."""
    check_choice("on_error", value, ON_ERROR)
