"""What an objective is."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.dataset import Dataset

Floats = NDArray[np.float32]
#: Derivatives: float32, or float64 where rows have weights.
Gradient = NDArray[np.floating]


@runtime_checkable
class Objective(Protocol):
    """A loss of margins f against the targets, with g = dl/df and h = d²l/df².

    Attributes:
        name: XGBoost's name, such as ``reg:squarederror``.
        metric: The metric it is watched by where none is named.
    """

    @property
    def name(self) -> str: ...

    @property
    def metric(self) -> str: ...

    def groups(self, data: Dataset) -> int:
        """Return the number of margins of a row."""
        ...

    def check(self, data: Dataset) -> None:
        """Raise a ValueError that names the first label the loss is not defined for."""
        ...

    def leaf_quantile(self, group: int) -> float | None:
        """Return the quantile of its residuals that a leaf is set to; None for the Newton step."""
        ...

    def gradients(self, margin: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
        """Return g, (n, groups), and h, (n, groups) or (1, 1) for the same of all; weights are in.

        Args:
            margin: Margins, (n, groups).
            data: Labels and weights.
        """
        ...

    def start(self, data: Dataset) -> Floats:
        """Return the base score of each group in the predictions' own units, (groups,)."""
        ...

    def to_margin(self, score: Floats) -> Floats:
        """Return the margins of predictions."""
        ...

    def predict(self, margin: Floats) -> Floats:
        """Return the predictions of margins: (n, groups) in, (n, groups) or (n,) out."""
        ...


def weighted(g: Floats, h: Floats, data: Dataset) -> tuple[Gradient, Gradient]:
    """Return both multiplied by the rows' weights.

    The products are float64: a row of weight 3 then sums to what three rows do, to the bit.
    """
    if data.weight is None:
        return g, h
    w = data.weight.astype(np.float64)[:, None]
    return g * w, np.ascontiguousarray(np.broadcast_to(h, g.shape) * w)


def newton_start(g: Gradient, h: Gradient) -> Floats:
    """Return -Σg / Σh of each group: one Newton step, without penalties, for all rows alike."""
    above = g.sum(axis=0, dtype=np.float64)
    below = np.broadcast_to(h, g.shape).sum(axis=0, dtype=np.float64)
    return (-above / np.maximum(below, 1e-6)).astype(np.float32)


def one_label(data: Dataset, name: str) -> None:
    """Raise a ValueError where rows have several labels."""
    if data.labels.shape[1] != 1:
        raise ValueError(f"{name} takes one label a row. Got {data.labels.shape[1]}.")


def refuse_labels(data: Dataset, wrong: NDArray[np.bool_], wanted: str) -> None:
    """Raise a ValueError that names the first label of which ``wrong`` holds, if there is one."""
    if wrong.any():
        row = int(np.flatnonzero(wrong.reshape(len(data), -1).any(axis=1))[0])
        got = data.labels[row]
        raise ValueError(
            f"label must be {wanted}. Got {got[0] if len(got) == 1 else got.tolist()} in row {row}."
        )
