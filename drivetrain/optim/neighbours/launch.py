"""One kernel launch over all tensors of a group, by a table of addresses made for the step."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivetrain.optim.table import CHUNK, _in_threads, chunks_of

# kernel(chunks, rows, case_of, cases, low, high): steps chunks low..high without the GIL.
Kernel = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], int, int], None]


def launch(
    kernels: dict[torch.dtype, Kernel],
    tensors: Sequence[Sequence[Tensor]],
    cases: Sequence[Sequence[float]],
    case_of: Sequence[int] | None = None,
) -> None:
    """Step every parameter by the kernel of its dtype.

    Args:
        kernels: By dtype.
        tensors: For each parameter the parameter, its gradient and its states; dense, alike in
            strides, on the CPU.
        cases: Rows of the kernel's constants.
        case_of: The row that each parameter follows; all follow the first where absent.
    """
    followed = [0] * len(tensors) if case_of is None else case_of
    constants = np.array(cases, dtype=np.float64)
    for dtype, kernel in kernels.items():
        mine = [i for i, own in enumerate(tensors) if own[0].dtype == dtype]
        if not mine:
            continue
        chosen = [tensors[i] for i in mine]
        rows = np.array([[t.data_ptr() for t in own] for own in chosen], dtype=np.int64)
        lengths = np.array([own[0].numel() for own in chosen], dtype=np.int64)
        numbers = np.array([followed[i] for i in mine], dtype=np.int64)
        _run(kernel, rows, lengths, numbers, constants)
        # Autograd must see that a kernel wrote to what it may have saved.
        torch.autograd.graph.increment_version([own[0] for own in chosen])


def _run(
    kernel: Kernel,
    rows: NDArray[np.int64],
    lengths: NDArray[np.int64],
    case_of: NDArray[np.int64],
    cases: NDArray[np.float64],
) -> None:
    chunks = chunks_of(lengths, CHUNK)

    def run(low: int, high: int) -> None:
        kernel(chunks, rows, case_of, cases, low, high)

    _in_threads(run, len(chunks), int(lengths.sum()))
