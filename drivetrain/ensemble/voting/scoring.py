"""Right, wrong, refused: the score of a classifier that may decline to answer."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight


@dataclass(frozen=True)
class Tally:
    """Weights of the rows, by what became of them; plain numbers where all weigh 1.

    Example:
        >>> counted = Tally(right=6.0, wrong=2.0, refused=2.0)
        >>> counted.accuracy(), counted.coverage()
        (0.75, 0.8)
    """

    right: float
    wrong: float
    refused: float

    def accuracy(self) -> float:
        """Return the share of answered rows that are right; NaN, with a warning, of none."""
        answered = self.right + self.wrong
        if answered == 0:
            warnings.warn("Every row is refused: accuracy is NaN.", RuntimeWarning, stacklevel=3)
            return float("nan")
        return self.right / answered

    def coverage(self) -> float:
        """Return the share of rows that are answered."""
        return (self.right + self.wrong) / (self.right + self.wrong + self.refused)


def tally(
    right: NDArray[np.bool_], answered: NDArray[np.bool_], sample_weight: ArrayLike | None
) -> Tally:
    """Return the weights of rows that are answered rightly, wrongly, and refused.

    Args:
        right: Whether the class is the row's, (n,).
        answered: Whether the row is answered, (n,).
        sample_weight: Of each row; 1 where None.

    Raises:
        ValueError: Another number of weights than of rows.
    """
    weight = _check_sample_weight(sample_weight, right[:, None])
    return Tally(
        right=float(weight[right & answered].sum()),
        wrong=float(weight[~right & answered].sum()),
        refused=float(weight[~answered].sum()),
    )
