"""Models written while they are trained, to go on from."""

import json
from dataclasses import dataclass
from pathlib import Path

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.callbacks import History, Run
from drivetrain.boosting.files.linear import load_any, save_any
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.core.checks import check_integer

_HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Writes the model every few rounds, whole or not at all; ``resume`` goes on from there.

    Attributes:
        directory: Where.
        every: Rounds between files.
        name: What file names begin with; the number of rounds follows.
    """

    directory: str | Path
    every: int = 100
    name: str = "model"

    def __post_init__(self) -> None:
        check_integer("every", self.every, low=1)

    def before_training(self, run: Run) -> None:
        """Make the folder."""
        Path(self.directory).mkdir(parents=True, exist_ok=True)

    def before_iteration(self, run: Run, number: int, history: History) -> bool:
        """Return False."""
        return False

    def after_iteration(self, run: Run, number: int, history: History) -> bool:
        """Write a file where it is time; return False."""
        if run.number % self.every == 0:
            model = run.snapshot()
            model.attributes[_HISTORY] = json.dumps(history)
            save_any(model, Path(self.directory) / f"{self.name}_{run.number}.ubj")
        return False

    def after_training(self, run: Run) -> None:
        """Do nothing."""


def resume(path: str | Path) -> tuple[Booster | LinearBooster, History]:
    """Return a checkpoint's model and what had been seen.

    Train the rest of the rounds from both (``boost(..., start=model, watch=Watch(history=...))``):
    the model comes out the same bits as if training had not stopped.

    Args:
        path: A file that ``Checkpoints`` wrote.

    Raises:
        FileError: Not a model, or damaged.
        ValueError: A model, but no checkpoint.
    """
    model = load_any(path)
    text = model.attributes.pop(_HISTORY, None)
    if text is None:
        raise ValueError(f"{path} is a model but no checkpoint: it has no attribute 'history'.")
    history: History = json.loads(text)
    return model, history
