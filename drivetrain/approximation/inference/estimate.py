"""An estimate with its uncertainty: intervals, contrasts, smooth functions, joint tests."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.approximation.inference.pivots import Pivot, critical
from drivetrain.core.checks import check_array, check_integer

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A confidence interval for each coordinate.

    Attributes:
        low: Lower ends, (p,).
        high: Upper ends, (p,).
        level: The nominal coverage of each, in (0, 1).
        method: What made it, such as ``"random_scaling"``.
    """

    low: Array
    high: Array
    level: float
    method: str

    @property
    def width(self) -> Array:
        """The lengths, (p,)."""
        return self.high - self.low

    def contains(self, value: ArrayLike) -> NDArray[np.bool_]:
        """Tell for each coordinate whether ``value`` lies inside, ends included."""
        point = np.asarray(value, dtype=np.float64)
        return np.asarray((self.low <= point) & (point <= self.high))

    def array(self) -> Array:
        """Return the ends side by side, (p, 2)."""
        return np.column_stack([self.low, self.high])


@dataclass(frozen=True)
class Test:
    """A joint test.

    Attributes:
        statistic: The quadratic form (Rθ̂ - r)ᵀ(RCRᵀ)⁻¹(Rθ̂ - r).
        rank: The number of restrictions.
        p_value: The probability of a larger one if the restrictions hold.
        method: What estimated C.
    """

    __test__ = False  # no test of ours, though pytest would think so

    statistic: float
    rank: int
    p_value: float
    method: str


@dataclass(frozen=True)
class Estimate:
    """A vector, the matrix that scales its error, and the law of the scaled error.

    Intervals are value ± q·√diag(covariance), with q from the pivot. By random scaling the matrix
    is V̂/n: no consistent estimate of the covariance (6·V̂/n is, on average), yet with its own
    pivot the intervals have the right coverage.

    Attributes:
        value: The estimate, (p,).
        covariance: Squared standard errors in the pivot's unit, (p, p).
        pivot: The law of error / standard error.
        method: What estimated the matrix.
        n: The number of averaged steps.
        joint: Whether the matrix is whole; otherwise only its diagonal is known.
    """

    value: Array
    covariance: Array
    pivot: Pivot
    method: str
    n: int
    joint: bool = True

    @property
    def standard_error(self) -> Array:
        """The square roots of the diagonal, (p,); NaN where nothing can be said yet."""
        # Rounding may leave a variance of zero an ulp below it.
        return np.sqrt(np.maximum(np.diagonal(self.covariance), 0.0))

    def interval(self, level: float = 0.95) -> Interval:
        """Return a two-sided confidence interval for each coordinate.

        Raises:
            ValueError: A level outside (0, 1).
        """
        reach = critical(self.pivot, level) * self.standard_error
        return Interval(self.value - reach, self.value + reach, level, self.method)

    def contrast(self, weights: ArrayLike) -> "Estimate":
        """Return the estimate of ``weights @ θ``.

        Args:
            weights: One contrast (p,), or m of them (m, p).

        Raises:
            ValueError: Not p columns, or only the diagonal of the matrix is known.

        Example:
            >>> from drivetrain.approximation.inference.pivots import NormalPivot
            >>> pair = Estimate(np.array([3.0, 1.0]), np.eye(2) * 0.02, NormalPivot(), "plug_in", 9)
            >>> gap = pair.contrast([1.0, -1.0])
            >>> gap.value.tolist(), gap.standard_error.round(9).tolist()
            ([2.0], [0.2])
        """
        matrix = np.atleast_2d(check_array("weights", weights, ndim=(1, 2), finite=True))
        self._check_columns("weights", matrix)
        return self._mapped(matrix @ self.value, matrix)

    def function(
        self,
        f: Callable[[Array], ArrayLike],
        jacobian: Callable[[Array], ArrayLike] | None = None,
    ) -> "Estimate":
        """Return the estimate of a smooth function of θ by the delta method: J C Jᵀ.

        Args:
            f: Maps (p,) to a number or a vector (m,).
            jacobian: Maps (p,) to (m, p); central differences where it is not given.

        Raises:
            ValueError: The Jacobian has not p columns.

        References:
            van der Vaart, Asymptotic statistics (1998), theorem 3.1.
        """
        value = np.atleast_1d(np.asarray(f(self.value), dtype=np.float64))
        slopes = _differences(f, self.value) if jacobian is None else jacobian(self.value)
        matrix = np.atleast_2d(np.asarray(slopes, dtype=np.float64))
        self._check_columns("jacobian", matrix)
        return self._mapped(value, matrix)

    def ratio(self, numerator: int, denominator: int) -> "Estimate":
        """Return the estimate of θ[numerator] / θ[denominator] by the delta method.

        Raises:
            ValueError: An index out of range, or a denominator that is 0.
        """
        last = len(self.value) - 1
        i = check_integer("numerator", numerator, low=0, high=last)
        j = check_integer("denominator", denominator, low=0, high=last)
        top, bottom = float(self.value[i]), float(self.value[j])
        if bottom == 0.0:
            raise ValueError(f"The denominator, coordinate {j}, must not be 0. Got 0.")
        slopes = np.zeros(last + 1)
        slopes[i] += 1.0 / bottom
        slopes[j] -= top / bottom**2
        return self._mapped(np.array([top / bottom]), slopes[None])

    def test(self, weights: ArrayLike | None = None, value: ArrayLike = 0.0) -> Test:
        """Test jointly whether ``weights @ θ`` equals ``value``.

        Args:
            weights: The restrictions, (m, p); every coordinate on its own where not given.
            value: What they should be, (m,) or one number.

        Raises:
            ValueError: The matrix is singular: too few averaged steps for so many coordinates, or
                restrictions that repeat each other. Single intervals are still there.
        """
        matrix = np.eye(len(self.value)) if weights is None else weights
        tested = self.contrast(matrix)
        rank = len(tested.value)
        gap = tested.value - np.broadcast_to(np.asarray(value, dtype=np.float64), (rank,))
        statistic = _quadratic_form(tested.covariance, gap)
        return Test(statistic, rank, self.pivot.joint_tail(statistic, rank), self.method)

    def _mapped(self, value: Array, matrix: Array) -> "Estimate":
        if not self.joint:
            raise ValueError(
                f"{self.method} keeps the diagonal only. Expected a method that keeps the whole "
                "matrix, such as inference='rs', for contrasts, functions and joint tests."
            )
        return Estimate(value, matrix @ self.covariance @ matrix.T, self.pivot, self.method, self.n)

    def _check_columns(self, name: str, matrix: Array) -> None:
        if matrix.shape[1] != len(self.value):
            raise ValueError(
                f"{name} must have {len(self.value)} columns, one a coordinate. "
                f"Got shape {matrix.shape}."
            )


def _quadratic_form(covariance: Array, gap: Array) -> float:
    scale = np.sqrt(np.diagonal(covariance))
    if not np.all(scale > 0.0):
        raise ValueError("The matrix is singular: a coordinate has no spread. No joint test.")
    # Correlations: singular or not then does not hang on the units of the coordinates.
    correlation = covariance / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(correlation)
    if values[0] <= len(gap) * np.finfo(np.float64).eps * values[-1]:
        raise ValueError(
            f"The matrix of {len(gap)} restrictions is singular (condition "
            f"{values[-1] / max(values[0], 1e-300):.1e}): average more steps than restrictions, "
            "test fewer, or use single intervals."
        )
    turned = vectors.T @ (gap / scale)
    return float(np.sum(turned**2 / values))


def _differences(f: Callable[[Array], ArrayLike], x: Array) -> Array:
    columns = []
    for j in range(len(x)):
        # The cube root of eps balances rounding against the third derivative.
        step = np.zeros_like(x)
        step[j] = np.cbrt(np.finfo(np.float64).eps) * max(1.0, abs(float(x[j])))
        above, below = np.asarray(f(x + step)), np.asarray(f(x - step))
        columns.append(np.atleast_1d(above - below) / ((x + step)[j] - (x - step)[j]))
    return np.column_stack(columns)
