"""What the fit prints: its plan before, its result after."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.tables import Model
from drivetrain.commands.boosted.fitting import Fitted, best_round, sparkline
from drivetrain.commands.boosted.rows import Parted


def print_plan(given: Any, parted: Parted, start: Model | None) -> None:
    """Print the rows, the loss, and every flag that is not at its default."""
    print(
        f"{len(parted.train):,} rows to fit, {len(parted.held):,} held out ({parted.how}), "
        f"{len(parted.encoded.names)} features, {parted.encoded.categorical.sum()} of words"
    )
    changed = [
        f"{one.name.replace('_', '-')} {_plain(getattr(group, one.name))}"
        for group in (given.trees, given.loss, given.rows)
        for one in fields(group)
        if getattr(group, one.name) != one.default
    ]
    print(f"{parted.objective.name}; {', '.join(changed) or 'all settings at their defaults'}")
    if start is not None:
        print(f"goes on from {len(start):,} rounds")


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def print_fitted(fitted: Fitted, parted: Parted, out: Path) -> None:
    """Print the watched metric at its best round, and what was written."""
    values = fitted.curve
    best = fitted.model.best_round
    model_rounds = len(fitted.model)
    kept = model_rounds if best is None else best + 1
    at = best_round(values, fitted.metric) if best is not None else len(values) - 1
    if fitted.interrupted:
        print(f"interrupted after {model_rounds} rounds; --resume goes on")
    print(
        f"{fitted.metric} held out {values[at]:.6g} after {kept} rounds "
        f"({parted.objective.name})  {sparkline(values)}".rstrip()
    )
    model = fitted.model.used
    size = f"{len(model.forest):,} trees in use" if isinstance(model, Booster) else "linear"
    print(f"{out}: {size}, {fitted.seconds:.1f} s")
