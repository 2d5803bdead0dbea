"""Searches and learners on disk: safetensors for arrays, ``config.json`` for the rest."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from drivetrain.approximation.gains import Gain, Schedule, as_schedule
from drivetrain.core import checkpoint
from drivetrain.core.errors import CheckpointError


class Resumable(ABC):
    """What can report its whole state, be rebuilt from it, and go on bit for bit."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the whole state: arrays, and values that JSON holds; dicts may nest."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any], **functions: Any) -> Self:
        """Return what ``state_dict`` described, given again the functions it could not hold."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``model.safetensors`` and ``config.json``.

        Raises:
            OSError: Not writable, or the disk is full; an older state there stays whole.
        """
        arrays: dict[str, Any] = {}
        config = _without_arrays(self.state_dict(), "", arrays)
        checkpoint.save(folder, arrays, config)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], **functions: Any) -> Self:
        """Read what ``save`` wrote.

        Args:
            folder: Where it lies.
            **functions: Such as ``gain=``, where the gain was a function.

        Raises:
            FileNotFoundError: Nothing was saved there.
            CheckpointError: Corrupt, or the state of something else.
        """
        arrays, config = checkpoint.load(folder)
        if config.get("kind") != cls.__name__:
            raise CheckpointError(
                f"{os.fspath(folder)} must hold a {cls.__name__}. Got {config.get('kind')!r}."
            )
        for path, array in arrays.items():
            *outer, name = path.split("/")
            place = config
            for key in outer:
                place = place[key]
            place[name] = array
        return cls.from_state(config, **functions)


def expect_kind(state: Mapping[str, Any], kind: str) -> None:
    """Raise a ValueError unless the state is of that kind."""
    if state.get("kind") != kind:
        article = "an" if kind[0] in "SL" and kind.isupper() else "a"
        raise ValueError(f"Not {article} {kind} state. Got kind {state.get('kind')!r}.")


def gain_config(gain: Gain | Schedule | float) -> list[float] | None:
    """Return what JSON holds of a gain; None for a function."""
    schedule = as_schedule(gain)
    if not isinstance(schedule, Gain):
        return None
    return [schedule.a, schedule.alpha, schedule.A, schedule.log_power]


def gain_from_config(
    name: str, config: Sequence[float] | None, function: Gain | Schedule | float | None
) -> Gain | Schedule | float:
    """Return the gain of ``gain_config``, or the function that took its place.

    Raises:
        ValueError: The function is missing; ``name`` is what to pass it as.
    """
    if function is not None:
        return function
    if config is None:
        raise ValueError(f"This state was made with a function: pass {name}= again.")
    return Gain(*config)


def generator_from(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a Generator in the state that ``bit_generator.state`` gave."""
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """Return the state of a Generator, as JSON holds it."""
    return _plain(rng.bit_generator.state)


def _plain(value: Any) -> Any:
    # MT19937 and Philox hold small arrays of integers, PCG64 whole numbers of 128 bits.
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _without_arrays(state: Mapping[str, Any], prefix: str, arrays: dict[str, Any]) -> Any:
    config: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            arrays[prefix + name] = value
        elif isinstance(value, dict):
            config[name] = _without_arrays(value, f"{prefix}{name}/", arrays)
        else:
            config[name] = value
    return config
