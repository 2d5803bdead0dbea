"""What deep trees are fitted to: numbers, or classes; as the kernels take it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The sign and a bit to spare: every subset of rows fits.
_BITS = 62
_WEIGHT_BITS = 24
# With a weight of as many bits and some rows more, sums stay exact as float64 too.
_VECTOR_BITS = 27


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """The payload of every row, for a weight of one step.

    Attributes:
        values: Targets: float64, (n,), for numbers; the number of its class, (n,), for classes;
            (n, K) for vectors.
        classes: Number of classes; 0 for numbers and vectors.
        middle: What is taken off the numbers before they are rounded.
        vectors: The values of vectors as whole numbers, (n, K); None for others.
        unit: What one step of these is worth.
        parts: Outputs that a vector is of; impurities are means over them.
    """

    values: NDArray[np.float64]
    classes: int = 0
    middle: float = 0.0
    vectors: NDArray[np.int64] | None = None
    unit: float = 1.0
    parts: int = 1

    @property
    def outputs(self) -> int:
        """What a leaf holds: a number, or as many as there are classes or entries."""
        return self.classes or (1 if self.vectors is None else self.values.shape[1])


def numbers(y: NDArray[np.floating], weight: NDArray[np.float64] | None = None) -> Target:
    """Return numbers as a target.

    Args:
        y: Numbers, (n,), finite.
        weight: Of each row, (n,); alike where None.
    """
    values = np.ascontiguousarray(y, np.float64)
    held = values if weight is None else values[weight > 0]
    return Target(
        values=values, middle=_middle(held, weight if weight is None else weight[weight > 0])
    )


def _middle(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    """Return the mean, rounded to an eighth of the range's power of two.

    What has few bits, such as whole numbers, keeps few when it is taken off: sums stay exact, and
    equal gains equal.
    """
    spread = float(values.max() - values.min()) if len(values) else 0.0
    if not 0 < spread < np.inf:
        return float(values[0]) if len(values) else 0.0
    step = 2.0 ** (np.floor(np.log2(spread)) - 3)
    return float(np.rint(np.average(values, weights=weight) / step) * step)


def labels(codes: NDArray[np.integer], classes: int, *, as_number: bool = True) -> Target:
    """Return classes as a target.

    Args:
        codes: Number of each row's class, from 0, (n,).
        classes: How many there are.
        as_number: Whether two classes become the number 0 or 1, whose variance is half their
            Gini impurity: the same splits, faster.
    """
    values = np.ascontiguousarray(codes, np.float64)
    return Target(values=values, classes=0 if as_number and classes <= 2 else classes)


def vectors(y: NDArray[np.floating]) -> Target:
    """Return vectors as a target: their entries' variances are lowered together.

    Args:
        y: Numbers, (n, K), finite.
    """
    values = np.ascontiguousarray(y, np.float64)
    off = values - values.mean(axis=0)
    largest = float(np.abs(off).max(initial=0.0))
    scale = 2.0 ** (_VECTOR_BITS - np.ceil(np.log2(largest))) if largest else 1.0
    steps = np.rint(off * scale).astype(np.int64)
    return Target(values=values, vectors=steps, unit=1 / scale, parts=values.shape[1])


def indicators(codes: NDArray[np.integer], counts: Sequence[int]) -> Target:
    """Return several columns of classes as a target: a vector of zeros and a one for each.

    Args:
        codes: Numbers of the classes, (n, columns).
        counts: How many each column has.
    """
    each = [np.eye(count, dtype=np.int64)[codes[:, k]] for k, count in enumerate(counts)]
    steps = np.ascontiguousarray(np.concatenate(each, axis=1))
    return Target(values=steps.astype(np.float64), vectors=steps, parts=len(counts))


@dataclass(frozen=True, kw_only=True, eq=False)
class Payload:
    """What the rows of one tree carry.

    Attributes:
        carried: (m,).
        shift: Bits of the weight, for numbers.
        g_unit: What one step of a number is worth.
        h_unit: What one step of weight is worth.
    """

    carried: NDArray[np.int64]
    shift: int
    g_unit: float
    h_unit: float


def payload(target: Target, rows: NDArray[np.uint32], weight: NDArray[np.float64]) -> Payload:
    """Return the payload of some rows.

    Weights that are whole numbers are kept exactly, others rounded to one part in 2**24 of
    their sum; numbers take the bits that are left.

    Args:
        target: Of all rows.
        rows: Those of the tree, (m,).
        weight: Their weights, above 0, (m,).
    """
    total = float(weight.sum())
    whole = total < 2**_WEIGHT_BITS and bool((weight == np.floor(weight)).all())
    h_unit = 1.0 if whole else total / 2**_WEIGHT_BITS
    steps = np.maximum(np.rint(weight / h_unit), 1).astype(np.int64)
    if target.vectors is not None:
        carried = (steps << 32) + rows.astype(np.int64)
        return Payload(carried=carried, shift=32, g_unit=target.unit, h_unit=h_unit)
    values = target.values[rows]
    if target.classes:
        carried = (steps << 32) + values.astype(np.int64)
        return Payload(carried=carried, shift=32, g_unit=1.0, h_unit=h_unit)
    shift = int(steps.sum()).bit_length()
    off = (values - target.middle) * weight
    largest = float(np.abs(off).sum())
    # A power of two: sums do not depend on how the rows were scaled.
    scale = 2.0 ** (np.floor(np.log2(2.0 ** (_BITS - shift) / largest)) if largest else 0)
    g = np.rint(off * scale).astype(np.int64)
    return Payload(carried=(g << shift) + steps, shift=shift, g_unit=1 / scale, h_unit=h_unit)
