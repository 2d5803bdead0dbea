"""Averages of the iterates: Polyak-Ruppert, tail, suffix and weighted."""

from dataclasses import dataclass
from typing import Literal, cast

from drivetrain.approximation.search.regions import Point
from drivetrain.core.checks import check_choice, check_integer, check_real

Kind = Literal["none", "polyak", "tail", "suffix", "weighted"]
KINDS = ("none", "polyak", "tail", "suffix", "weighted")


@dataclass(frozen=True)
class Average:
    r"""Which average of the iterates is the answer.

    ``polyak``: of all iterates after the start. ``tail``: of those after ``burn_in`` steps, whose
    counter starts anew there. ``suffix``: of the last ``fraction`` of all steps. ``weighted``:
    with weights that grow like $k^\eta$, by
    $\bar w_k = (1 - \frac{\eta+1}{k+\eta}) \bar w_{k-1} + \frac{\eta+1}{k+\eta} w_k$.

    Args:
        kind: ``"none"``, ``"polyak"``, ``"tail"``, ``"suffix"`` or ``"weighted"``.
        burn_in: Steps that ``tail`` leaves out; a tenth of the steps, where those are known.
        fraction: Share of the steps, in (0, 1], that ``suffix`` keeps.
        power: η > 0 of ``weighted``; 3 is the value Shamir and Zhang recommend.

    Raises:
        ValueError: An unknown kind, or a parameter outside its range.

    References:
        Polyak and Juditsky, SIAM J. Control Optim. 30 (1992). Rakhlin, Shamir and Sridharan,
        ICML 2012 (suffix). Shamir and Zhang, ICML 2013 (weighted).
    """

    kind: Kind = "polyak"
    burn_in: int | None = None
    fraction: float = 0.5
    power: float = 3.0

    def __post_init__(self) -> None:
        check_choice("average", self.kind, KINDS)
        fraction = check_real("fraction", self.fraction, low=0.0, high=1.0, open_low=True)
        power = check_real("power", self.power, low=0.0, open_low=True)
        # Python numbers, whatever came: states are kept as JSON.
        object.__setattr__(self, "fraction", fraction)
        object.__setattr__(self, "power", power)
        if self.burn_in is not None:
            object.__setattr__(self, "burn_in", check_integer("burn_in", self.burn_in, low=0))

    def start(self, steps: int | None) -> int:
        """Return the number of steps that are left out, for a run of ``steps`` in all.

        Raises:
            ValueError: It depends on the number of steps and that is not known, or nothing
                would be left to average.
        """
        left_out = self.burn_in or 0
        if self.kind == "suffix" or (self.kind == "tail" and self.burn_in is None):
            if steps is None:
                wanted = "steps=" if self.kind == "suffix" else "Average('tail', burn_in=...)"
                raise ValueError(f"average={self.kind!r} must know its length: pass {wanted}.")
            share = 1.0 - self.fraction if self.kind == "suffix" else 0.1
            left_out = int(steps * share)
        if steps is not None and steps > 0 and left_out >= steps:
            raise ValueError(f"burn_in must be < steps. Got burn_in={left_out}, steps={steps}.")
        return left_out


def as_average(average: "Average | str") -> Average:
    """Return the average a name stands for."""
    if isinstance(average, Average):
        return average
    return Average(cast(Kind, check_choice("average", average, KINDS)))


class RunningAverage:
    """An average of iterates in O(1) memory, fed one iterate at a time."""

    def __init__(self, average: Average, steps: int | None) -> None:
        self.average = average
        self.left_out = average.start(steps)
        self.count = 0
        self.value: Point | None = None

    def update(self, k: int, x: Point) -> None:
        """Take in the iterate that step k produced."""
        if self.average.kind == "none" or k <= self.left_out:
            return
        self.count += 1
        if self.value is None:
            self.value = x + 0.0
        elif self.average.kind == "weighted":
            eta = self.average.power
            self.value = self.value + (x - self.value) * ((eta + 1.0) / (self.count + eta))
        else:
            self.value = self.value + (x - self.value) / self.count
