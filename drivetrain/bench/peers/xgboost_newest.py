"""The newest XGBoost, which wants a newer Python than ours: raced in its own environment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.bench.harness.case import Contender
from drivetrain.bench.harness.isolated import isolated
from drivetrain.bench.problems.trees import Table
from drivetrain.core.errors import MissingDependency

#: Made by ``make newest``.
PYTHON = Path(".venv-newest/bin/python")
_ADAPTER = Path(__file__).with_name("xgboost_process.py")


def trainer(
    table: Table, grade: Callable[[Any], float], *, leaves: int, rounds: int, threads: int
) -> Contender:
    """Return a contender that trains, binning included.

    Args:
        table: The data.
        grade: Turns held-out predictions into their loss.
        leaves: Leaves of a tree.
        rounds: Trees.
        threads: Threads.

    Raises:
        MissingDependency: There is no such environment.
    """
    numbers = {"leaves": leaves, "rounds": rounds, "threads": threads, "binary": table.binary}
    return _contender("train", grade=grade, x=table.x, y=table.y, held_x=table.held_x, **numbers)


def walker(model: bytes, x: Any, task: str) -> Contender:
    """Return a contender that works on rows with one thread.

    Args:
        model: UBJSON.
        x: Rows, (n, F).
        task: ``predict``, ``shap`` or ``shap-pairs``.

    Raises:
        MissingDependency: There is no such environment.
    """
    return _contender(task, model=np.frombuffer(model, np.uint8), x=x)


def _contender(task: str, **arrays: Any) -> Contender:
    if not PYTHON.exists():
        raise MissingDependency("The newest XGBoost needs its own environment. Run: make newest")
    return isolated("XGBoost 3.4", python=PYTHON, adapter=_ADAPTER, task=np.array(task), **arrays)
