"""From votes to classes: plurality, seeded ties, majority or refusal."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Codes = NDArray[np.int64]


def count(codes: Codes, weights: Floats | None, classes: int) -> Floats:
    """Return V_c = sum_i w_i [h_i = c] of each row, (n, classes).

    Args:
        codes: The class each member votes for, (n, members).
        weights: Of the members; 1 where None.
        classes: How many there are.
    """
    n, members = codes.shape
    votes = np.zeros((n, classes))
    rows = np.arange(n)
    for member in range(members):
        votes[rows, codes[:, member]] += 1.0 if weights is None else weights[member]
    return votes


def first(votes: Floats) -> Codes:
    """Return the class of most votes of each row, the lowest where they tie."""
    return np.argmax(votes, axis=1)


def drawn(votes: Floats, members: int, seed: int) -> Codes:
    """Return the class of most votes of each row; where k tie, each with probability 1/k.

    Row r of a call takes the r-th number of the seed, so a call gives the same answer every time.

    Args:
        votes: Of each row and class, (n, classes).
        members: How many votes were added up: sums that differ by their rounding only tie.
        seed: Of the draws.
    """
    best = votes.max(axis=1, keepdims=True)
    tied = votes >= best - _rounding(votes, members)
    number = np.random.default_rng(seed).random(len(votes))
    place = np.floor(number * tied.sum(axis=1)).astype(np.int64)
    chosen = tied & (np.cumsum(tied, axis=1) == place[:, None] + 1)
    return np.argmax(chosen, axis=1)


def decided(votes: Floats, members: int) -> NDArray[np.bool_]:
    """Return whether one class of each row has more than half of the votes, (n,).

    Args:
        votes: Of each row and class, >= 0, (n, classes).
        members: How many votes were added up: half and its rounding is not more than half.
    """
    half = votes.sum(axis=1) / 2
    return np.asarray(votes.max(axis=1) > half + _rounding(votes, members)[:, 0])


def _rounding(votes: Floats, members: int) -> Floats:
    # A sum of k positive terms is off by at most (k - 1) eps times itself; the total, by as much.
    return (members + 1) * np.finfo(np.float64).eps * votes.sum(axis=1, keepdims=True)
