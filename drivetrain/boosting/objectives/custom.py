"""Losses of one's own: numpy functions, compiled scalar functions, torch losses."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.objective import Gradient, weighted
from drivetrain.core.checks import check_choice, check_integer, check_real

Floats = NDArray[np.float32]
Pair = tuple[Any, Any]
CURVATURES = ("exact", "gauss_newton", "one")


@dataclass(frozen=True, kw_only=True)
class Custom:
    """A loss that somebody else differentiates; predictions are margins.

    Files hold it as ``reg:squarederror``, whose predictions are the same, as XGBoost's do.

    Attributes:
        slopes: Called with margins and labels, (n,) or (n, several), and with the weights, (n,)
            or None, where ``weighs``; returns g and h of the margins' shape.
        outputs: Margins of a row; as many as labels where None.
        weighs: Whether ``slopes`` takes the weights; else they multiply what it returns.
        name: What messages call it.
        metric: ``rmse``, as XGBoost has it.
    """

    slopes: Callable[..., Pair]
    outputs: int | None = None
    weighs: bool = False
    name: str = "custom"
    metric: str = "rmse"

    def __post_init__(self) -> None:
        if self.outputs is not None:
            check_integer("outputs", self.outputs, low=1)

    def groups(self, data: Dataset) -> int:
        """Return the number of outputs."""
        return data.labels.shape[1] if self.outputs is None else self.outputs

    def check(self, data: Dataset) -> None:
        """Raise a ValueError where labels are missing; what they may be is the loss's affair."""
        assert data.labels is not None

    def leaf_quantile(self, group: int) -> float | None:
        """Return None: leaves keep their Newton step."""
        return None

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return what the function returns, as columns.

        Raises:
            TypeError: Not two arrays.
        """
        given = [_flat(margin), _flat(data.labels)]
        pair = self.slopes(*given, data.weight) if self.weighs else self.slopes(*given)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(
                f"{self.name} must return g and h. Got {type(pair).__name__}. "
                "A torch loss is given as torch_loss(function)."
            )
        g, h = (_columns(one) for one in pair)
        # Wrong shapes are left as they are: the round that finds them is named.
        if h.size and (h == h[0, 0]).all() and data.weight is None:
            # One for all: counts of rows are then exact.
            h = h[:1, :1] if h.shape == g.shape else h
        if self.weighs or g.shape != margin.shape or h.shape not in (g.shape, (1, 1)):
            return g, h
        return weighted(g, h, data)

    def start(self, data: Dataset) -> Floats:
        """Return 0.5 for each output, as XGBoost starts."""
        return np.full(self.groups(data), 0.5, np.float32)

    def to_margin(self, score: Floats) -> Floats:
        """Return the score."""
        return score

    def predict(self, margin: Floats) -> Floats:
        """Return the margin."""
        return _flat(margin)


def _flat(columns: Floats) -> Floats:
    return columns[:, 0] if columns.shape[1] == 1 else columns


def _columns(given: Any) -> Floats:
    array = np.asarray(given, np.float32)
    return array.reshape(-1, 1) if array.ndim < 2 else array


def custom(function: Callable[..., Any]) -> Custom:
    """Return the objective of a function of margins and labels.

    Args:
        function: One of

            - a numpy function ``(margin, label) -> (g, h)`` or ``(margin, label, weight)``;
            - a function compiled by ``numba.njit`` of two numbers: see `scalar_loss`;
            - a torch loss, whose arguments are annotated as tensors, or a module of torch's:
              see `torch_loss`.

    Example:
        >>> loss = custom(lambda margin, label: (margin - label, np.ones_like(margin)))
        >>> data = Dataset(x=np.zeros((2, 1)), label=[1.0, 2.0])
        >>> loss.gradients(np.zeros((2, 1), np.float32), data)[0].tolist()
        [[-1.0], [-2.0]]
    """
    if isinstance(function, Dispatcher):
        return scalar_loss(function)
    if _is_torch(function):
        return torch_loss(function)
    return Custom(slopes=function, weighs=_takes_weight(function), name=_name(function))


def scalar_loss(function: Callable[..., Any], *, outputs: int | None = None) -> Custom:
    """Return the objective of a compiled function of one margin and one label.

    Args:
        function: ``(margin, label) -> (g, h)`` of numbers, compiled by ``numba.njit``; it is
            inlined into a loop over the rows, which is compiled once.
        outputs: Margins of a row; each is matched with its own label, or with the only one.

    Example:
        >>> loss = scalar_loss(njit(lambda f, y: (f - y, 1.0)))
        >>> data = Dataset(x=np.zeros((2, 1)), label=[1.0, 2.0])
        >>> loss.gradients(np.zeros((2, 1), np.float32), data)[0].tolist()
        [[-1.0], [-2.0]]
    """

    return Custom(slopes=_Looped(function), outputs=outputs, name=_name(function))


@dataclass(frozen=True)
class _Looped:
    """A compiled scalar function in a loop over rows and outputs, which is compiled once."""

    function: Callable[..., Any]

    def __reduce__(self) -> tuple[Any, ...]:
        # The loop is compiled again where it arrives.
        return type(self), (self.function,)

    def __call__(self, margin: Floats, label: Floats) -> Pair:
        wide, tall = (np.ascontiguousarray(v.reshape(len(v), -1)) for v in (margin, label))
        g, h = np.empty_like(wide), np.empty_like(wide)
        self._kernel(wide, tall, g, h)
        return g, h

    @cached_property
    def _kernel(self) -> Callable[..., None]:
        function = self.function

        def loop(margin: Any, label: Any, g: Any, h: Any) -> None:
            for i in range(margin.shape[0]):
                for k in range(margin.shape[1]):
                    y = label[i, min(k, label.shape[1] - 1)]
                    g[i, k], h[i, k] = function(np.float64(margin[i, k]), np.float64(y))

        compiled: Callable[..., None] = njit(nogil=True, error_model="numpy")(loop)
        return compiled


def torch_loss(
    function: Callable[..., Any],
    *,
    curvature: str = "exact",
    outputs: int | None = None,
    least: float | None = None,
) -> Custom:
    """Return the objective of a torch loss, differentiated by autograd.

    Args:
        function: ``(margin, label) -> loss``, of each row or summed, float64; the loss of a
            row must not depend on other rows.
        curvature: ``exact`` takes h from a second pass of autograd for each output;
            ``gauss_newton`` takes h = g², whose mean is that of the exact h where the loss is
            the negative log-likelihood of a law that is true; ``one`` takes 1.
        outputs: Margins of a row; as many as labels where None.
        least: What h is raised to where it is less; where None, a negative h is an error.

    Example:
        >>> loss = torch_loss(lambda f, y: (f - y) ** 4)
        >>> data = Dataset(x=np.zeros((1, 1)), label=[1.0])
        >>> [float(v[0, 0]) for v in loss.gradients(np.zeros((1, 1), np.float32), data)]
        [-4.0, 12.0]
    """
    check_choice("curvature", curvature, CURVATURES)
    if least is not None:
        check_real("least", least, low=0)

    slopes = _Differentiated(function, curvature, least)
    return Custom(slopes=slopes, outputs=outputs, name=_name(function))


@dataclass(frozen=True)
class _Differentiated:
    """A torch loss with the choice of its curvature."""

    function: Callable[..., Any]
    curvature: str
    least: float | None

    def __call__(self, margin: Floats, label: Floats) -> Pair:
        g, h = _differentiated(self.function, margin, label, self.curvature)
        return g, h if self.least is None else np.maximum(h, np.float32(self.least))


def _differentiated(
    function: Callable[..., Any], margin: Floats, label: Floats, curvature: str
) -> Pair:
    import torch

    f = torch.tensor(margin, dtype=torch.float64, requires_grad=True)
    loss = function(f, torch.tensor(label, dtype=torch.float64))
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        raise TypeError(
            f"{_name(function)} must return a tensor that depends on the margins. "
            f"Got {type(loss).__name__}."
        )
    exact = curvature == "exact"
    (g,) = torch.autograd.grad(loss.sum(), f, create_graph=exact)
    if not exact:
        h = torch.ones_like(g) if curvature == "one" else g * g
        return g.detach().numpy(), h.detach().numpy()
    wide = g.reshape(len(g), -1)
    columns = [_own_slope(wide[:, k], f, k) for k in range(wide.shape[1])]
    return g.detach().numpy(), torch.stack(columns, 1).reshape(g.shape).numpy()


def _own_slope(column: Any, f: Any, k: int) -> Any:
    """Return the derivative of one output's slope by that output; 0 where it is constant."""
    import torch

    if not column.requires_grad:
        return torch.zeros_like(column)
    (bend,) = torch.autograd.grad(column.sum(), f, retain_graph=True, allow_unused=True)
    if bend is None:
        return torch.zeros_like(column).detach()
    return bend.reshape(len(bend), -1)[:, k].detach()


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _takes_weight(function: Callable[..., Any]) -> bool:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = inspect.signature(function).parameters.values()
    return len([one for one in given if one.kind in positional]) >= 3


def _is_torch(function: Callable[..., Any]) -> bool:
    if any(kind.__module__.split(".")[0] == "torch" for kind in type(function).__mro__):
        return True
    hints = inspect.get_annotations(function) if inspect.isfunction(function) else {}
    return any("Tensor" in str(hint) for hint in hints.values())
