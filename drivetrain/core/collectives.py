"""Collectives that are no-ops in one process, so that code is written once for one and many.

They speak through ``torch.distributed`` where torchrun has set it up, and never import torch on
their own account.
"""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _distributed() -> Any:
    # A process group can only exist where somebody has imported torch.distributed already.
    module = sys.modules.get("torch.distributed")
    return module if module and module.is_available() and module.is_initialized() else None


def rank() -> int:
    """Return this process's number, 0 where there is only one."""
    distributed = _distributed()
    return int(distributed.get_rank()) if distributed else 0


def world_size() -> int:
    """Return the number of processes."""
    distributed = _distributed()
    return int(distributed.get_world_size()) if distributed else 1


def is_main() -> bool:
    """Tell whether this process is the one that writes and prints."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process has come here."""
    distributed = _distributed()
    if distributed:
        distributed.barrier()


def all_sum(array: NDArray[Any]) -> NDArray[Any]:
    """Return the sum of ``array`` over all processes; the same bits on each of them.

    Every process must give the same shape and dtype. The input is not changed.
    """
    distributed = _distributed()
    if not distributed:
        return np.array(array)
    import torch

    # Row-major: a collective adds memory, and strides may differ between processes.
    tensor = torch.from_numpy(np.array(array, order="C"))
    if distributed.get_backend() == "nccl":
        tensor = tensor.cuda()
    distributed.all_reduce(tensor)
    return np.asarray(tensor.cpu().numpy())


def broadcast(value: Any, *, source: int = 0) -> Any:
    """Return the ``value`` that process ``source`` holds."""
    distributed = _distributed()
    if not distributed:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=source)
    return box[0]
