"""Averaged SGD on streams of samples: state in arrays, steps in a compiled loop."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.gains import Gain
from drivetrain.approximation.inference.batches import BatchMeans
from drivetrain.approximation.inference.estimate import Estimate
from drivetrain.approximation.inference.paths import nothing_yet, unknown_matrix
from drivetrain.approximation.inference.pivots import (
    NormalPivot,
    Pivot,
    RandomScalingPivot,
    StudentPivot,
)
from drivetrain.approximation.inference.plug_in import sandwich
from drivetrain.approximation.inference.recipe import LOSSES, METHODS, Recipe
from drivetrain.approximation.inference.samples import finite_rows
from drivetrain.approximation.inference.scaling import symmetric

Array = NDArray[np.float64]
_FLAGS = {None: 0, "rs": 1, "rs_diagonal": 2, "plug_in": 4, "batch_means": 8}
_PIVOTS: dict[str | None, Pivot] = {
    None: NormalPivot(),
    "rs": RandomScalingPivot(),
    "rs_diagonal": RandomScalingPivot(),
    "plug_in": NormalPivot(),
    "batch_means": StudentPivot(7),
}


class SGDDivergenceError(ArithmeticError):
    """The iterates run away: the gain is too large for these samples.

    Attributes:
        step: The step k, from 1, at which they do.
        value: max|β| before it.
        gain: The gain a_k of that step.
    """

    def __init__(self, step: int, value: float, gain: float, where: str = "") -> None:
        self.step, self.value, self.gain, self.where = step, value, gain, where
        super().__init__(
            f"SGD diverges at step {step}: max|coef| = {value:.3g}, gain = {gain:.3g}{where}. "
            "Use gain='auto', a smaller eta0 (below about 1/|x|^2), or scale the columns."
        )

    def __reduce__(self) -> tuple[type, tuple[int, float, float, str]]:
        return type(self), (self.step, self.value, self.gain, self.where)


class AveragedSGD:
    r"""Stochastic gradient descent with Polyak-Ruppert averaging and inference.

    $$\beta_k = \beta_{k-1} - a_k \nabla\ell(\beta_{k-1}; x_k, y_k), \qquad
    \bar\beta_k = \bar\beta_{k-1} + (\beta_k - \bar\beta_{k-1}) / k$$

    after the burn-in, from which k counts in the second. Feeding samples one by one, or in blocks
    of any size, gives the same bits.

    Args:
        n_features: Columns of X, >= 1.
        recipe: Loss, gain and the rest.

    References:
        Polyak and Juditsky, SIAM J. Control Optim. 30 (1992). Ruppert, Cornell report 781 (1988).
    """

    def __init__(self, n_features: int, recipe: Recipe) -> None:
        self.n_features, self.recipe = n_features, recipe
        self.state = _fresh_state(n_features + recipe.fit_intercept, recipe)

    def update(
        self,
        X: Array,
        y: Array,
        weights: Array | None = None,
        order: NDArray[np.int64] | None = None,
        *,
        guard: bool = True,
    ) -> "AveragedSGD":
        """Take one step for each row, or for the rows that ``order`` lists.

        Args:
            X: (n, n_features), C-contiguous float64.
            y: (n,) float64; labels -1 and 1 for the classifiers' losses.
            weights: Factors of the steps, (n,), >= 0.
            order: Rows in the order of use; all once, in their order, where not given.
            guard: Whether to stop where iterates run away.

        Raises:
            SGDDivergenceError: They do; the state is that before the sample.
        """
        from drivetrain.approximation.inference._numba import run

        recipe, state = self.recipe, self.state
        at = run(
            _read_only(X),
            _read_only(y),
            _read_only(np.empty(0) if weights is None else weights),
            _read_only(np.empty(0, np.int64) if order is None else order),
            LOSSES.index(recipe.loss),
            recipe.shape,
            recipe.numbers,
            recipe.normalise,
            recipe.l2,
            recipe.burn_in,
            _FLAGS[recipe.inference],
            guard,
            *state.values(),
        )
        if at >= 0:
            row = int(at if order is None else order[at])
            raise self._divergence(X[row], row)
        return self

    def update_where_finite(self, X: Array, y: Array, weights: Array | None) -> "AveragedSGD":
        """Take one step for each row, all or none: X is searched for NaN only where a step fails.

        A NaN or an infinity in a row makes its margin one too, so the guard of the steps stops
        there, and X need not be read beforehand.

        Args:
            X: (n, n_features), C-contiguous float64, finite or not.
            y: (n,) float64, finite.
            weights: Factors of the steps, (n,), >= 0.

        Raises:
            ValueError: A NaN or an infinity in X; the state is that before the call.
            SGDDivergenceError: As in ``update``.
        """
        kept = {name: array.copy() for name, array in self.state.items()}
        try:
            return self.update(X, y, weights)
        except SGDDivergenceError:
            try:
                finite_rows("raise", X)
            except ValueError as error:
                for name, array in self.state.items():
                    array[...] = kept[name]
                raise error from None
            raise

    @property
    def steps(self) -> int:
        """Samples used so far."""
        return int(self.state["counts"][0])

    @property
    def averaged(self) -> int:
        """Steps that are averaged so far: those after the burn-in."""
        return int(self.state["counts"][1])

    @property
    def iterate(self) -> Array:
        """The last β_k, (P,), the intercept last."""
        return self.state["beta"].copy()

    @property
    def average(self) -> Array:
        """The average β̄, (P,); the last iterate as long as nothing is averaged."""
        if not self.averaged:
            return self.iterate
        return np.asarray(self.state["anchor"] + self.state["sums"] / self.averaged)

    def estimate(self) -> Estimate:
        """Return β̄ with its uncertainty; the matrix is NaN while too little is averaged.

        Raises:
            ValueError: No inference was asked for, or the mean Hessian is singular.
        """
        kind = self.recipe.inference
        if kind is None:
            raise ValueError("inference is None. Expected one of " + ", ".join(METHODS) + ".")
        pivot, method, n = _PIVOTS[kind], METHODS[kind], self.averaged
        if n < 2:
            nothing = nothing_yet(len(self.state["beta"]), pivot, method)
            return Estimate(self.average, nothing.covariance, pivot, method, n)
        if kind == "batch_means":
            return self._batches().estimate()
        if kind == "plug_in":
            return Estimate(self.average, self._plug_in(), pivot, method, n)
        scaling = self._scaling() if kind == "rs" else self._scaling_diagonal()
        return Estimate(self.average, scaling / float(n) ** 3, pivot, method, n, kind == "rs")

    def state_dict(self) -> dict[str, Any]:
        """Return the recipe and copies of all arrays: what it takes to go on, bit for bit."""
        arrays = {name: array.copy() for name, array in self.state.items()}
        return {"n_features": self.n_features, "recipe": asdict(self.recipe), "arrays": arrays}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "AveragedSGD":
        """Return what ``state_dict`` described.

        Raises:
            ValueError: An array is missing or has another shape.
        """
        settings = dict(state["recipe"])
        settings["gain"] = Gain(**settings["gain"])
        made = cls(int(state["n_features"]), Recipe(**settings))
        for name, array in made.state.items():
            given = state["arrays"].get(name)
            if given is None or given.shape != array.shape or given.dtype != array.dtype:
                what = "nothing" if given is None else f"{given.dtype} {given.shape}"
                raise ValueError(f"State {name!r} must be {array.dtype} {array.shape}. Got {what}.")
            array[...] = given
        return made

    def _batches(self) -> BatchMeans:
        length = int(self.state["counts"][2])
        sums = self.state["batch_sums"]
        return BatchMeans.from_sums(self.state["start"], self.averaged, length, sums)

    def _scaling(self) -> Array:
        from drivetrain.approximation.inference._numba import BLOCK, close_block

        anchor, sums, scaling, moment = self._copies("anchor", "sums", "scaling", "moment")
        rows = self.averaged % BLOCK
        if rows:
            columns = self.state["columns"]
            close_block(self.averaged, rows, columns, anchor, sums, scaling, moment)
        return symmetric(scaling)

    def _scaling_diagonal(self) -> Array:
        from drivetrain.approximation.inference._numba import BLOCK, close_diagonal

        anchor, sums, scaling, moment = self._copies("anchor", "sums", "scaling", "moment")
        if self.averaged % BLOCK:
            close_diagonal(self.averaged, anchor, sums, scaling, moment)
        whole = unknown_matrix(len(anchor))
        np.fill_diagonal(whole, scaling[0])
        return whole

    def _plug_in(self) -> Array:
        from drivetrain.approximation.inference._numba import BLOCK, add_products

        roots, gradients, hessian, outer = self._copies("roots", "gradients", "hessian", "outer")
        rows, n = self.averaged % BLOCK, self.averaged
        add_products(roots, rows, hessian)
        add_products(gradients, rows, outer)
        weighed = int(self.state["counts"][3])
        if not weighed:
            return unknown_matrix(len(hessian))
        slope = symmetric(hessian) / weighed
        inside = np.arange(self.n_features)
        slope[inside, inside] += self.recipe.l2
        return sandwich(slope, symmetric(outer) / n) / n

    def _copies(self, *names: str) -> list[Array]:
        return [self.state[name].copy() for name in names]

    def _divergence(self, x: Array, row: int) -> SGDDivergenceError:
        step = self.steps + 1
        rate = self.recipe.gain.at(step)
        if self.recipe.normalise:
            rate /= float(self.state["scales"][0]) or 1.0
        largest = float(np.max(np.abs(self.state["beta"])))
        where = f", row {row} with |x|^2 = {float(x @ x):.3g}"
        return SGDDivergenceError(step, largest, rate, where)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    # Memory maps come read-only. Numba compiles for each kind it meets: let it meet one.
    view = array.view()
    view.flags.writeable = False
    return view


def _fresh_state(size: int, recipe: Recipe) -> dict[str, Any]:
    """Return the kernel's arrays in its order; what the inference does not need is empty."""
    from drivetrain.approximation.inference._numba import PADDED
    from drivetrain.approximation.inference.batches import RESOLUTION

    kind = recipe.inference
    full, plug = size * (kind == "rs"), size * (kind == "plug_in")
    diagonal = int(kind == "rs_diagonal")
    return {
        "counts": np.array([0, 0, 1, 0], dtype=np.int64),
        "scales": np.zeros(3),
        "beta": np.zeros(size),
        "start": np.zeros(size),
        "anchor": np.zeros(size),
        "sums": np.zeros(size),
        "columns": np.zeros((full, PADDED)),
        "scaling": np.zeros((full or diagonal, size)),
        "moment": np.zeros(size),
        "roots": np.zeros((plug, PADDED)),
        "gradients": np.zeros((plug, PADDED)),
        "hessian": np.zeros((plug, plug)),
        "outer": np.zeros((plug, plug)),
        "batch_sums": np.zeros((RESOLUTION * (kind == "batch_means"), size)),
    }
