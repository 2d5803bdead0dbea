"""Which columns are categorical, as scikit-learn's histogram boosting takes it."""

from collections.abc import Sequence

import numpy as np

from drivetrain.core.checks import check_choice, check_integer
from drivetrain.core.errors import did_you_mean

Chosen = str | Sequence[bool] | Sequence[int] | Sequence[str] | None


def chosen_columns(given: Chosen, width: int, names: Sequence[str]) -> frozenset[int] | None:
    """Return the places of the categorical columns; None where their types decide.

    Args:
        given: ``from_dtype``, None for none, or a mask, places, or names.
        width: Number of columns.
        names: Their names; empty where there are none.

    Raises:
        TypeError: Not a list of one of these kinds.
        ValueError: A mask of another length, a place or name that is not there.
    """
    if given is None:
        return frozenset()
    if isinstance(given, str):
        check_choice("categorical_features", given, ("from_dtype",))
        return None if names else frozenset()
    listed = list(np.asarray(given).tolist()) if len(given) else []
    if listed and all(isinstance(one, bool) for one in listed):
        if len(listed) != width:
            raise ValueError(
                f"categorical_features as a mask must have {width} entries. Got {len(listed)}."
            )
        return frozenset(k for k, one in enumerate(listed) if one)
    return frozenset(_place(one, width, names) for one in listed)


def _place(one: object, width: int, names: Sequence[str]) -> int:
    if isinstance(one, str):
        if one not in names:
            hint = did_you_mean(one, names) if names else " The table has no names."
            raise ValueError(f"categorical_features names no column: {one!r}.{hint}")
        return list(names).index(one)
    return check_integer("categorical_features", one, low=0, high=width - 1)
