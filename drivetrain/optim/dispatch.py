"""Who steps the parameters that no CPU kernel steps: chosen by where they lie.

On a GPU that is Triton where it is installed, and torch elsewhere; ``with use("torch")`` decides
otherwise. The Triton kernels are checked by Triton's interpreter on the CPU and compiled ahead of
time for sm_90; they have not been timed on a GPU.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from drivetrain.core.backend import choose
from drivetrain.optim.by_torch import squares_by_torch, step_by_reference, step_by_torch
from drivetrain.optim.gather import Place
from drivetrain.optim.on_gpu import check_runs_here, squares_by_triton, step_by_triton

BACKENDS = ("reference", "torch", "numba", "triton")
# step(group, params, grads, state, factor), see ``step_by_torch``.
Step = Callable[..., None]
Squares = Callable[[list[Tensor]], float]

# What has no Numba kernel, such as float16, is torch's.
_STEPS: dict[str, Step] = {
    "reference": step_by_reference,
    "torch": step_by_torch,
    "numba": step_by_torch,
    "triton": step_by_triton,
}


def stepper(device: torch.device, backend: str | None = None) -> Step:
    """Return what steps the parameters on a device.

    Args:
        device: Where they lie.
        backend: The caller's explicit choice, or None.

    Raises:
        RuntimeError: Triton is chosen and cannot run there.
        ValueError: The choice is unknown.
        MissingDependency: The choice is not installed here.

    Example:
        >>> stepper(torch.device("cpu")).__name__
        'step_by_torch'
    """
    return _STEPS[_chosen(device, backend)]


def squarer(device: torch.device, backend: str | None = None) -> Squares:
    """Return what sums the squares of the gradients on a device; see ``stepper``.

    Example:
        >>> squarer(torch.device("cpu"))([torch.tensor([3.0, 4.0])])
        25.0
    """
    triton = _chosen(device, backend) == "triton"
    return squares_by_triton if triton else squares_by_torch


def check_places(places: Iterable[Place], backend: str | None = None) -> None:
    """Raise as ``stepper`` does, before anything is stepped, where one of the places cannot be."""
    for device, needed in {(device, needed) for _, device, needed in places}:
        _chosen(device, needed or backend)


def _chosen(device: torch.device, backend: str | None) -> str:
    name = choose(backend, BACKENDS, device=device.type)
    if name == "triton":
        check_runs_here(device)
    return name
