"""What a round of AdaBoost fits: a copy of any estimator, or a stump on binned values."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.ensemble.adaboost.stumps import StumpSearch
from drivetrain.ensemble.copies import failure, seeded

Doubles = NDArray[np.float64]


class Learner(Protocol):
    """Fits a member to weighted rows."""

    def learn(
        self, weight: Doubles, rng: np.random.RandomState, name: str
    ) -> tuple[Any, NDArray[np.bool_]]:
        """Return a member, and whether it is wrong about each row.

        Args:
            weight: Of each row, (n,).
            rng: Goes on.
            name: What the member is called in errors.
        """


def drawn(weight: Doubles, rng: np.random.RandomState) -> NDArray[np.int64]:
    """Return as many rows as there are, drawn with replacement in proportion to their weights."""
    n = len(weight)
    return rng.choice(n, size=n, replace=True, p=weight / weight.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """Copies of an estimator.

    Attributes:
        prototype: What they are copies of.
        x: Values.
        y: Labels.
        resampled: Whether rows are drawn by weight, instead of weighed.
    """

    prototype: Any
    x: Any
    y: NDArray[Any]
    resampled: bool

    def learn(
        self, weight: Doubles, rng: np.random.RandomState, name: str
    ) -> tuple[Any, NDArray[np.bool_]]:
        """Do as `Learner.learn`."""
        member = seeded(self.prototype, rng)
        try:
            if self.resampled:
                rows = drawn(weight, rng)
                member.fit(self.x[rows], self.y[rows])
            else:
                member.fit(self.x, self.y, sample_weight=weight)
            return member, np.asarray(member.predict(self.x) != self.y)
        except Exception as error:
            raise failure(error, f"{name} ({type(member).__name__})") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class Stumps:
    """Stumps on values binned once.

    Attributes:
        search: Finds them.
        codes: Number of each row's class, (n,).
        resampled: Whether rows are drawn by weight, instead of weighed.
    """

    search: StumpSearch
    codes: NDArray[np.int64]
    resampled: bool

    def learn(
        self, weight: Doubles, rng: np.random.RandomState, name: str
    ) -> tuple[Any, NDArray[np.bool_]]:
        """Do as `Learner.learn`."""
        if self.resampled:
            counts = np.bincount(drawn(weight, rng), minlength=len(weight))
            weight = counts.astype(np.float64)
        stump, said = self.search.best(weight)
        return stump, said != self.codes
