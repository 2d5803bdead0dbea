"""What an averaged SGD does at each step: loss, gain, penalty, burn-in, kind of inference."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.approximation.gains import Gain
from drivetrain.core.checks import check_choice, check_integer, check_real
from drivetrain.core.errors import unknown

LOSSES = ("squared", "huber", "quantile", "logistic", "hinge")  # as the kernels number them
REGRESSION, CLASSIFICATION = LOSSES[:3], LOSSES[3:]
SKLEARN_NAMES = {"squared_error": "squared", "log_loss": "logistic"}
METHODS = {
    "rs": "random_scaling",
    "rs_diagonal": "random_scaling_diagonal",
    "plug_in": "plug_in",
    "batch_means": "batch_means",
}
AUTOMATIC = {"squared": 2.0, "huber": 2.0, "quantile": 2.0 * math.pi, "logistic": 4.0, "hinge": 4.0}
GAINS = ("auto", "invscaling", "constant", "optimal")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The fixed part of an averaged SGD.

    Attributes:
        loss: One of ``LOSSES``.
        shape: Huber's threshold (> 0) or the quantile (in (0, 1)); unused otherwise.
        gain: The gain a_k of the raw gradient step.
        normalise: Whether a_k is divided by the running mean of |x|² (and, for the quantile loss,
            multiplied by that of |y - x·β|), which makes the steps free of units.
        l2: Strength of the penalty ½·l2·|w|² on the weights without intercept, >= 0.
        fit_intercept: Whether a constant is the last coordinate.
        burn_in: Steps before averaging begins, >= 0.
        inference: A key of ``METHODS`` or None.
    """

    loss: str
    gain: Gain
    shape: float = 0.0
    normalise: bool = False
    l2: float = 0.0
    fit_intercept: bool = True
    burn_in: int = 0
    inference: str | None = "rs"

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, LOSSES)
        if self.loss == "huber":
            check_real("epsilon", self.shape, low=0.0, open_low=True)
        if self.loss == "quantile":
            check_real("quantile", self.shape, low=0.0, high=1.0, open_low=True, open_high=True)
        check_real("alpha", self.l2, low=0.0)
        check_integer("burn_in", self.burn_in, low=0)
        if self.inference is not None:
            check_choice("inference", self.inference, METHODS)

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The gain as the kernel takes it: a, α, A and the power of the logarithm."""
        gain = self.gain
        return np.array([gain.a, gain.alpha, gain.A, gain.log_power], dtype=np.float64)


def loss_name(loss: str, offered: tuple[str, ...]) -> str:
    """Return our name of a loss; scikit-learn's are understood.

    Raises:
        ValueError: Not offered; the nearest is named.
    """
    name = SKLEARN_NAMES.get(loss, loss)
    if name not in offered:
        raise unknown("loss", str(loss), offered)
    return name


def as_gain(
    gain: str | Gain, eta0: float | None, power_t: float, alpha: float, loss: str
) -> tuple[Gain, bool]:
    """Return the gain, and whether it is normalised, for scikit-learn's names or a Gain.

    ``"auto"`` is eta0·k^-power_t over the running mean square of the samples: free of units.
    eta0 is then 2 over the loss's curvature: 1 for least squares, f(0) = 1/(π·E|e|) for quantiles
    of normal errors; and 4 for the two losses whose third derivative biases large steps.

    Raises:
        ValueError: An unknown name, or a number out of range.
    """
    if isinstance(gain, Gain):
        return gain, False
    check_choice("gain", gain, GAINS)
    if gain == "optimal":
        return Gain.optimal(check_real("alpha", alpha, low=0.0, open_low=True)), False
    scale = AUTOMATIC[loss] if eta0 is None else check_real("eta0", eta0, low=0.0, open_low=True)
    if gain == "constant":
        return Gain.constant(scale), False
    return Gain(a=scale, alpha=check_real("power_t", power_t, low=0.0)), gain == "auto"
