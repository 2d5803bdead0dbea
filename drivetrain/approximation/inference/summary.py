"""A table of coefficients with their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drivetrain.approximation.inference.estimate import Estimate


@dataclass(frozen=True)
class SummaryRow:
    """One coefficient.

    Attributes:
        name: The feature's name, or ``intercept``; with the class where there are several.
        value: The average of the iterates.
        low: Lower end of the interval.
        high: Upper end.
    """

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Coefficients with their intervals; prints as a plain table.

    Attributes:
        rows: One a coefficient.
        level: The nominal coverage.
        method: What made the intervals.
        n: The number of averaged steps.
    """

    rows: tuple[SummaryRow, ...]
    level: float
    method: str
    n: int

    def __iter__(self) -> Iterator[SummaryRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        width = max(len("coefficient"), *(len(row.name) for row in self.rows))
        title = f"{100 * self.level:g} % intervals by {self.method}, {self.n} averaged steps"
        head = f"{'coefficient':<{width}}  {'value':>11}  {'low':>11}  {'high':>11}"
        lines = [
            f"{row.name:<{width}}  {row.value:>11.5g}  {row.low:>11.5g}  {row.high:>11.5g}"
            for row in self.rows
        ]
        return "\n".join([title, head, *lines])


def summarise(estimates: Sequence[tuple[str, Estimate]], names: list[str], level: float) -> Summary:
    """Return the table of one estimate, or of several under a prefix each."""
    rows = []
    for prefix, estimate in estimates:
        interval = estimate.interval(level)
        ends = zip(names, estimate.value, interval.low, interval.high, strict=True)
        rows += [SummaryRow(prefix + n, float(v), float(a), float(b)) for n, v, a, b in ends]
    first = estimates[0][1]
    return Summary(tuple(rows), level, first.method, first.n)
