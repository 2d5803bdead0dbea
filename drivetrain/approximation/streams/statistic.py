"""What every streaming statistic can do: report its state, be rebuilt from it, be saved."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from drivetrain.core import checkpoint
from drivetrain.core.errors import CheckpointError


class Statistic(ABC):
    """A summary of a stream that can be carried on later, to the bit."""

    __slots__ = ()

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return all that the statistic knows: settings, and numpy arrays."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the statistic whose ``state_dict`` this is."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the statistic as ``model.safetensors`` and ``config.json``.

        Raises:
            OSError: Not writable, or the disk is full; an older state there stays whole.
        """
        state = self.state_dict()
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        config = {name: value for name, value in state.items() if name not in arrays}
        checkpoint.save(folder, arrays, {**config, "statistic": type(self).__name__})

    @classmethod
    def load(cls, folder: str | os.PathLike[str], **code: Any) -> Self:
        """Read what ``save`` wrote.

        Args:
            folder: Where it lies.
            **code: What a file cannot hold, such as ``gain=``; see ``from_state``.

        Raises:
            FileNotFoundError: Nothing was saved there.
            CheckpointError: Corrupt, or the state of another kind of statistic.
        """
        arrays, config = checkpoint.load(folder)
        kind = config.pop("statistic", None)
        if kind != cls.__name__:
            raise CheckpointError(
                f"{os.fspath(folder)} must hold the state of {cls.__name__}. Got {kind}."
            )
        return cls.from_state({**config, **arrays}, **code)


def required(state: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    """Return the named entries of a state.

    Raises:
        CheckpointError: Some are missing; they are named.
    """
    missing = [name for name in names if name not in state]
    if missing:
        raise CheckpointError(f"state must hold {', '.join(names)}. Missing: {', '.join(missing)}.")
    return tuple(state[name] for name in names)
