"""What a report is about: a model, its rows, and what is known of the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.tables import Model
from drivetrain.boosting.training import History
from drivetrain.trees.forest import Forest

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Task = Literal["classes", "number", "levels", "other"]

#: Objectives whose several outputs are quantiles or expectiles of one target.
_LEVELS = ("reg:quantileerror", "reg:expectileerror")


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A fitted model with its rows.

    Attributes:
        model: The rounds in use.
        train: The rows it was fitted to.
        held: The rows held out.
        history: Values of each metric on each set, round by round.
        classes: What the classes are called; empty for numbers.
        target: The column that is predicted.
        source: Where the table comes from.
        how: How the held-out rows were chosen, in words.
        settings: Every setting of the run, by name.
        seconds: What the run took.
    """

    model: Model
    train: Dataset
    held: Dataset
    history: History = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    target: str = "target"
    source: str = ""
    how: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = float("nan")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name a feature."""
        return self.model.feature_names or tuple(f"f{k}" for k in range(self.model.n_features))

    @property
    def forest(self) -> Forest | None:
        """The model's trees; None for a line."""
        return self.model.forest if isinstance(self.model, Booster) else None

    @property
    def groups(self) -> int:
        """Margins of a row."""
        if isinstance(self.model, LinearBooster):
            return int(self.model.weights.shape[1])
        return self.model.forest.n_groups

    @cached_property
    def task(self) -> Task:
        """What is predicted: classes, a number, quantiles of one, or something else."""
        name = self.model.objective.name
        if name.startswith("multi:") or (
            name.startswith("binary:") and self.held.label is not None
        ):
            return "classes"
        if name in _LEVELS:
            return "levels"
        if name.startswith(("reg:", "count:")) and self.groups == 1:
            return "number"
        return "other"

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """A name a class, numbers where there are none."""
        count = max(2, self.groups)
        return self.classes if len(self.classes) == count else tuple(map(str, range(count)))

    def words(self, feature: int) -> tuple[str, ...]:
        """Return what the categories of a feature are called; empty for numbers."""
        known = self.held.categories or self.train.categories
        return tuple(map(str, known[feature])) if feature < len(known) else ()

    def is_words(self, feature: int) -> bool:
        """Return whether a feature is categorical."""
        kinds = self.train.categorical
        return bool(kinds is not None and len(kinds) and kinds[feature])

    def probabilities(self, x: Floats) -> Doubles:
        """Return the probability of each class, (n, classes)."""
        margin = self.model.margin(x).astype(np.float64)
        if margin.shape[1] == 1:
            p = 1 / (1 + np.exp(-margin[:, 0]))
            return np.stack([1 - p, p], axis=1)
        up = np.exp(margin - margin.max(axis=1, keepdims=True))
        return np.asarray(up / up.sum(axis=1, keepdims=True))

    def predict(self, x: Floats) -> Doubles:
        """Return the predictions in their own units, (n, outputs); probabilities of classes."""
        if self.task == "classes":
            return self.probabilities(x)
        return self.model.predict(x).astype(np.float64).reshape(len(x), -1)

    @cached_property
    def answers(self) -> Doubles:
        """Predictions of the held-out rows, (n, outputs)."""
        return self.predict(self.held.x)


def sample(data: Dataset, most: int, seed: int) -> Floats:
    """Return at most so many rows' values, drawn without replacement, in their order."""
    if len(data) <= most:
        return data.x
    rows = np.sort(np.random.default_rng(seed).permutation(len(data))[:most])
    return np.ascontiguousarray(data.x[rows])


def brief(name: str, longest: int = 22) -> str:
    """Return a name that fits beside a figure.

    Example:
        >>> brief("a rather long name of a column")
        'a rather long name of…'
    """
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def short(value: float) -> str:
    """Return a number in three or four digits, as axes and nodes show it.

    Example:
        >>> short(123456.0), short(0.25), short(-1.0)
        ('123,456', '0.25', '−1')
    """
    text = f"{value:,.0f}" if 1e4 <= abs(value) < 1e8 else f"{value:.4g}"
    return text.replace("-", "−")


def signed(value: float, digits: int = 4) -> str:
    """Return a number with its sign, a true minus.

    Example:
        >>> signed(-0.5), signed(2.0)
        ('−0.5', '+2')
    """
    return f"{value:+.{digits}g}".replace("-", "−")
