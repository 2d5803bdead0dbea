"""AdaBoost as the papers write it: the binary form, SAMME, and R2."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
#: Fits h_m, given D_m: returns what it says of each row.
Fit = Callable[[Doubles], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What the rounds came to.

    Attributes:
        said: h_m(x_i) of each member.
        alphas: α_m.
        weights: D_m of each round, the last one's successor included.
    """

    said: Sequence[NDArray[np.int64]]
    alphas: Sequence[float]
    weights: Sequence[Doubles]


def binary(fit: Fit, y: NDArray[np.int64], rounds: int) -> Run:
    """Run AdaBoost on labels -1 and +1.

    ε_m = Σ_i D_m(i) [h_m(x_i) ≠ y_i];  α_m = ½ ln((1 - ε_m)/ε_m);
    D_{m+1}(i) ∝ D_m(i) exp(-α_m y_i h_m(x_i)).

    A member with ε_m > ½ ends the rounds and is not kept; one with ε_m = 0, whose α_m would be
    infinite, is kept with α_m = ½, half of what SAMME gives it, and ends them.

    Args:
        fit: Fits a member.
        y: Labels, (n,).
        rounds: At most.

    References:
        Freund, Schapire: A Decision-Theoretic Generalization of On-Line Learning, 1997.
    """
    said, alphas, weights = [], [], [np.full(len(y), 1 / len(y))]
    for _ in range(rounds):
        d = weights[-1]
        h = fit(d)
        epsilon = float(d[h != y].sum())
        if epsilon > 0.5:
            break
        said.append(h)
        if epsilon == 0:
            alphas.append(0.5)
            break
        alpha = 0.5 * np.log((1 - epsilon) / epsilon)
        alphas.append(float(alpha))
        d = d * np.exp(-alpha * y * h)
        weights.append(d / d.sum())
    return Run(said=said, alphas=alphas, weights=weights)


def samme(fit: Fit, y: NDArray[np.int64], classes: int, rounds: int) -> Run:
    """Run SAMME on classes 0 to K - 1.

    α_m = ln((1 - ε_m)/ε_m) + ln(K - 1);  D_{m+1}(i) ∝ D_m(i) exp(α_m [h_m(x_i) ≠ y_i]).

    ε_m >= 1 - 1/K ends the rounds without the member; ε_m = 0 gives it α_m = 1 and ends them.

    Args:
        fit: Fits a member.
        y: Classes, (n,).
        classes: K.
        rounds: At most.

    References:
        Zhu, Zou, Rosset, Hastie: Multi-class AdaBoost, 2009, algorithm 2.
    """
    said, alphas, weights = [], [], [np.full(len(y), 1 / len(y))]
    for _ in range(rounds):
        d = weights[-1]
        h = fit(d)
        epsilon = float(d[h != y].sum())
        if epsilon >= 1 - 1 / classes:
            break
        said.append(h)
        if epsilon == 0:
            alphas.append(1.0)
            break
        alpha = np.log((1 - epsilon) / epsilon) + np.log(classes - 1)
        alphas.append(float(alpha))
        d = d * np.exp(alpha * (h != y))
        weights.append(d / d.sum())
    return Run(said=said, alphas=alphas, weights=weights)


def stump(x: Doubles, codes: NDArray[np.int64], classes: int, weight: Doubles) -> NDArray[np.int64]:
    """Return what the best stump says of each row: every cut is tried, one after another.

    The best has the least Σ_sides W_side (1 - Σ_k (W_side,k / W_side)²).

    Args:
        x: Values, (n, F).
        codes: Classes, (n,).
        classes: How many.
        weight: Of each row, (n,).
    """
    best, said = np.inf, np.full(len(x), _sums(codes, weight, classes).argmax())
    for f in range(x.shape[1]):
        for value in np.unique(x[weight > 0, f])[:-1]:
            left = x[:, f] <= value
            sides = [_sums(codes, weight * side, classes) for side in (left, ~left)]
            impurity = sum(s.sum() * (1 - ((s / s.sum()) ** 2).sum()) for s in sides)
            if impurity < best:
                best = impurity
                said = np.where(left, sides[0].argmax(), sides[1].argmax())
    return said


def _sums(codes: NDArray[np.int64], weight: Doubles, classes: int) -> Doubles:
    return np.array([weight[codes == k].sum() for k in range(classes)])


def weighted_median(values: Doubles, weights: Doubles) -> float:
    """Return the least value whose weight, with that of all lesser ones, reaches half.

    Args:
        values: h_m(x), (M,).
        weights: ln(1/β_m), (M,).

    References:
        Drucker: Improving Regressors using Boosting Techniques, 1997, step 9.
    """
    order = np.argsort(values)
    run = 0.0
    for m in order:
        run += weights[m]
        if run >= 0.5 * weights.sum():
            return float(values[m])
    return float(values[order[-1]])
