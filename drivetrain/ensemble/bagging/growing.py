"""Fits the members of a bag, each on its own rows and features."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import _check_method_params, has_fit_parameter

from drivetrain.ensemble.bagging.drawing import Drawing, Places
from drivetrain.ensemble.copies import failure, in_order, seeded


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A fitted member, or what kept it from being fitted.

    Attributes:
        seed: What it and its rows and features were drawn by.
        features: Places of its features.
        model: The estimator; None where it failed.
        error: Why it failed.
    """

    seed: int
    features: Places
    model: Any = None
    error: Exception | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What members are fitted to.

    Attributes:
        prototype: What they are copies of.
        x: Values, (n, F).
        y: Targets.
        drawing: Of rows and features.
        weight: What they are fitted with, (n,), besides the draws; None for none.
        given: What else their ``fit`` is given.
        routed: Whether scikit-learn's routing of metadata decides what they ask for.
        threads: Members fitted at once.
    """

    prototype: Any
    x: Any
    y: NDArray[Any]
    drawing: Drawing
    weight: NDArray[np.float64] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    routed: bool = False
    threads: int = 1

    def fitted(self, seeds: Sequence[int]) -> list[Member]:
        """Return a member a seed, in order."""
        weighed = self._takes_weights()
        if self.weight is not None and not weighed:
            kind = type(self.prototype).__name__
            raise ValueError(f"weigh='fit' needs members that take sample_weight; {kind} does not.")

        def one(seed: int) -> Member:
            features, rows = self.drawing.drawn(seed)
            try:
                model = seeded(self.prototype, seed)
                self._fit(model, features, rows, weighed)
            except Exception as error:  # whatever it is, it must not cost the other members
                return Member(seed=seed, features=features, error=error)
            return Member(seed=seed, features=features, model=model)

        return list(in_order(one, seeds, threads=min(self.threads, len(seeds))))

    def _takes_weights(self) -> bool:
        if not self.routed:
            return bool(has_fit_parameter(self.prototype, "sample_weight"))
        routing = get_routing_for_object(self.prototype)
        return bool(routing.consumes("fit", ("sample_weight",)))

    def _fit(self, model: Any, features: Places, rows: Places, weighed: bool) -> None:
        given = dict(self.given)
        x, y = self.x, self.y
        if weighed:
            # Counts instead of copies of rows: less memory, and every class is known to all.
            counts = np.bincount(rows, minlength=self.drawing.rows)
            given["sample_weight"] = counts if self.weight is None else counts * self.weight
        else:
            given = _check_method_params(x, params=given, indices=rows)
            x, y = x[rows], y[rows]
        model.fit(x if self.drawing.all_features else x[:, features], y, **given)


def kept(
    members: Sequence[Member], total: int, on_error: str
) -> tuple[list[Member], Exception | None]:
    """Return the members that were fitted, and the error to raise once they are kept, if any.

    Args:
        members: In order, the last of the bag.
        total: How many the bag was to have.
        on_error: ``raise`` or ``drop``.

    Raises:
        Exception: All of a bag failed: the first one's error, named.
    """
    good = [one for one in members if one.error is None]
    begin = total - len(members)
    failed = [(begin + at, one.error) for at, one in enumerate(members) if one.error is not None]
    if not failed:
        return good, None
    at, error = failed[0]
    first = f"member {at} of {total}"
    if not good and not begin:
        raise failure(error, f"{first} (as all others)") from error
    more = f" So did {len(failed) - 1} more." if len(failed) > 1 else ""
    if on_error == "drop":
        words = f"{failure(error, first)}{more} The bag goes on without."
        warnings.warn(words, RuntimeWarning, stacklevel=4)
        return good, None
    words = f"{more} The others are kept; on_error='drop' goes on with them."
    return good, failure(error, first, words)


def takes(prototype: Any, tag: str) -> bool:
    """Return whether an estimator says that it takes sparse input, or missing values."""
    return bool(getattr(get_tags(prototype).input_tags, tag))
