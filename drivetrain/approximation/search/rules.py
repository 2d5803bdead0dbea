"""The rule of a search: everything but the point and the observations."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from drivetrain.approximation.gains import Gain, Schedule, as_schedule, check_gain, tabulated
from drivetrain.approximation.search.averages import Average, as_average
from drivetrain.approximation.search.regions import Box, Projection, Truncation
from drivetrain.approximation.search.saving import gain_config
from drivetrain.core.checks import check_array, check_choice, check_real
from drivetrain.core.errors import unknown

Sign = Literal[1, -1, "auto"]


class Options(TypedDict, total=False):
    """The keyword options that searches share; ``Rule`` says what each means."""

    gain: Gain | Schedule | float
    target: ArrayLike
    sign: Sign
    average: Average | str
    project: Box | Projection | None
    truncate: Truncation | None
    limit: float
    nan_policy: Literal["raise", "omit", "propagate"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a search steps.

    Attributes:
        gain: a_k: a Gain, a function of k >= 1, or a number (constant).
        target: The value c of g(w) = c.
        sign: +1 for an increasing g, -1 for a decreasing one; with +1 a decrease in the first
            steps is warned about, with ``"auto"`` the search then starts anew with -1.
        average: Which average of the iterates is the answer, by name or as an Average.
        project: A Box, or a function that maps a point into the region it must stay in.
        truncate: Chen's expanding truncations.
        limit: |x| beyond which the search has diverged, in units of max(1, |x0|).
        nan_policy: What a NaN observation does: ``"raise"`` names the step, ``"omit"`` leaves
            it out (k stands still; a thousand in a row raise), ``"propagate"`` lets it through.
    """

    gain: Gain | Schedule | float = field(default_factory=Gain)
    target: ArrayLike = 0.0
    sign: Sign = 1
    average: Average | str = "none"
    project: Box | Projection | None = None
    truncate: Truncation | None = None
    limit: float = 1e20
    nan_policy: Literal["raise", "omit", "propagate"] = "raise"

    def __post_init__(self) -> None:
        as_average(self.average)
        as_schedule(self.gain)
        check_array("target", self.target, finite=True)
        limit = check_real(
            "limit", self.limit, low=0.0, open_low=True, high=math.inf, open_high=True
        )
        # A Python float, whatever came: states are kept as JSON.
        object.__setattr__(self, "limit", limit)
        check_choice("nan_policy", self.nan_policy, ("raise", "omit", "propagate"))
        if self.sign not in (1, -1, "auto"):
            raise ValueError(f"sign must be 1, -1 or 'auto'. Got {self.sign!r}.")
        if self.project is not None and not callable(self.project):
            raise TypeError(
                f"project must be a Box or a function. Got {type(self.project).__name__}."
            )
        if self.truncate is not None and not isinstance(self.truncate, Truncation):
            raise TypeError(f"truncate must be a Truncation. Got {type(self.truncate).__name__}.")

    @cached_property
    def schedule(self) -> Schedule:
        """The gain as a function of k."""
        return tabulated(self.gain)

    def check(self) -> None:
        """Warn where the gain breaks the conditions of convergence."""
        check_gain(self.gain)

    def to_config(self) -> dict[str, Any]:
        """Return arrays and what JSON holds; functions are left out and must be given again."""
        average = as_average(self.average)
        config: dict[str, Any] = {
            "sign": self.sign,
            "limit": self.limit,
            "nan_policy": self.nan_policy,
            "target": np.asarray(self.target, dtype=np.float64),
            "average": {f.name: getattr(average, f.name) for f in fields(average)},
        }
        gain = gain_config(self.gain)
        if gain is not None:
            config["gain"] = gain
        if isinstance(self.project, Box):
            box = self.project
            bounds = {"low": box.low, "high": box.high}
            config["project"] = {
                name: np.asarray(bound, dtype=np.float64) for name, bound in bounds.items()
            }
        if self.truncate is not None:
            config["truncate"] = [self.truncate.radius, self.truncate.growth]
        config["functions"] = sorted({"gain", "project"} & set(_functions(self)))
        return config


def _functions(rule: Rule) -> list[str]:
    found = []
    if callable(rule.gain) and not isinstance(rule.gain, Gain):
        found.append("gain")
    if rule.project is not None and not isinstance(rule.project, Box):
        found.append("project")
    return found


def make_rule(options: Mapping[str, Any]) -> Rule:
    """Return the rule of keyword options.

    Raises:
        ValueError: An unknown option; the nearest is named.
    """
    known = [f.name for f in fields(Rule)]
    for name in options:
        if name not in known:
            raise unknown("option", name, known)
    return Rule(**options)


def rule_from_config(config: Mapping[str, Any], functions: Mapping[str, Any]) -> Rule:
    """Return the rule that ``to_config`` described, with the functions it could not hold.

    Raises:
        ValueError: A function is missing.
    """
    missing = [name for name in config["functions"] if name not in functions]
    if missing:
        raise ValueError(f"This state was made with functions: pass {', '.join(missing)}= again.")
    options: dict[str, Any] = {
        name: config[name] for name in ("sign", "limit", "nan_policy", "target")
    }
    options["average"] = Average(**config["average"])
    if "gain" in config:
        options["gain"] = Gain(*config["gain"])
    if "project" in config:
        options["project"] = Box(**config["project"])
    if "truncate" in config:
        options["truncate"] = Truncation(*config["truncate"])
    return Rule(**{**options, **functions})
