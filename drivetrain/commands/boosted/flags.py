"""The flags of `drivetrain boosting fit`, in groups: trees, loss, rows."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

Threads = Annotated[int | None, tyro.conf.arg(metavar="INT")]
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]
Column = Annotated[str | None, tyro.conf.arg(metavar="COLUMN")]
Number = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]


@dataclass(frozen=True, kw_only=True)
class Trees:
    """How trees grow, under XGBoost's names."""

    learning_rate: float = 0.1
    """What each tree counts."""
    max_depth: int = 6
    """Greatest depth; 0 for no limit."""
    max_leaves: int = 0
    """Most leaves; 0 for no limit."""
    grow_policy: Literal["auto", "depthwise", "lossguide", "symmetric"] = "auto"
    """Level by level, the leaf of greatest gain first, or one split a level for all its nodes;
    auto: the second with --max-leaves, else the first."""
    min_child_weight: float = 1.0
    """Least sum of second derivatives of a leaf; of squared error, its rows."""
    reg_lambda: float = 1.0
    """L2 penalty of the leaves."""
    reg_alpha: float = 0.0
    """L1 penalty of the leaves."""
    gamma: float = 0.0
    """Least gain of a split."""
    max_delta_step: float = 0.0
    """Greatest leaf; 0 for no limit."""
    subsample: float = 1.0
    """Share of the rows a round uses."""
    colsample_bytree: float = 1.0
    """Share of the features a tree may use."""
    colsample_bylevel: float = 1.0
    """Share of those a level may use."""
    colsample_bynode: float = 1.0
    """Share of those a split may use."""
    max_bin: int = 255
    """Most bins of a feature."""
    monotone: tuple[str, ...] = ()
    """Features whose effect may only rise or fall: NAME=1 or NAME=-1."""
    interactions: tuple[str, ...] = ()
    """Groups of features that may meet in a branch, such as a,b c,d,e; others stay alone."""

    booster: Literal["gbtree", "dart", "gblinear"] = "gbtree"
    """Trees; trees of which some are dropped before each round; or weights of a line."""
    tree_method: Literal["hist", "approx", "exact"] = "hist"
    """On bins cut once, on bins cut for every tree, or on every value."""
    num_parallel_tree: int = 1
    """Trees a round, each on its own draw of rows and features."""
    set: tuple[str, ...] = ()
    """Any other parameter of XGBoost's or ours, NAME=VALUE, such as rate_drop=0.1."""

    def parameters(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return what was asked for, under XGBoost's names.

        Args:
            names: The features'.

        Raises:
            ValueError: A feature that is not there, a word without =, a parameter given twice.
        """
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        if self.booster == "gblinear":
            # Lines have defaults of their own, and no use for the rules of trees.
            usual = {one.name: one.default for one in fields(self)}
            own = {name: value for name, value in own.items() if value != usual[name]}
        given = {name: value for name, value in own.items() if name not in _WORDS}
        if given.get("grow_policy") == "auto":
            given["grow_policy"] = "lossguide" if self.max_leaves else "depthwise"
        if self.monotone:
            given["monotone_constraints"] = _signs(self.monotone, names)
        if self.interactions:
            given["interaction_constraints"] = [
                [_place("interactions", one.strip(), names) for one in group.split(",")]
                for group in self.interactions
            ]
        return given | _others(self.set, own)


_WORDS = ("monotone", "interactions", "set")


def _others(given: tuple[str, ...], flags: dict[str, Any]) -> dict[str, Any]:
    """Return parameters given as NAME=VALUE; the value is JSON where it can be read so."""
    found: dict[str, Any] = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not (name and equals):
            raise ValueError(f"set must be NAME=VALUE. Got {word!r}.")
        if name in flags and name not in _WORDS:
            raise ValueError(f"set: {name} has a flag of its own, --{name.replace('_', '-')}.")
        try:
            found[name] = json.loads(text)
        except json.JSONDecodeError:
            found[name] = text
    return found


def _signs(given: tuple[str, ...], names: tuple[str, ...]) -> tuple[int, ...]:
    signs = [0] * len(names)
    for word in given:
        name, _, sign = word.rpartition("=")
        if sign not in ("1", "+1", "-1", "0"):
            raise ValueError(f"monotone must be NAME=1 or NAME=-1. Got {word!r}.")
        signs[_place("monotone", name, names)] = int(sign)
    return tuple(signs)


def _place(flag: str, name: str, names: tuple[str, ...]) -> int:
    from drivetrain.core.errors import unknown

    if name not in names:
        raise unknown(f"feature of {flag}", name, names)
    return names.index(name)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What is minimized, and what is watched."""

    objective: str = "auto"
    """XGBoost's name of a loss. auto: classes where the target holds words or is 0 and 1,
    squared error elsewhere."""
    metric: tuple[str, ...] = ()
    """Metrics to watch, XGBoost's names; the last decides when to stop. The loss's own where
    none is given."""
    quantile: tuple[float, ...] = (0.5,)
    """Quantiles of reg:quantileerror."""
    expectile: tuple[float, ...] = (0.5,)
    """Expectiles of reg:expectileerror."""
    tweedie_variance_power: float = 1.5
    """Of reg:tweedie, between 1 and 2."""
    huber_slope: float = 1.0
    """Of reg:pseudohubererror."""
    scale_pos_weight: float = 1.0
    """What rows of the second of two classes weigh more."""
    class_weight: tuple[str, ...] = ()
    """balanced, or NAME=WEIGHT for some classes."""

    def parameters(self) -> dict[str, Any]:
        """Return what an objective may ask for."""
        return {
            "quantile_alpha": self.quantile,
            "expectile_alpha": self.expectile,
            "tweedie_variance_power": self.tweedie_variance_power,
            "huber_slope": self.huber_slope,
            "scale_pos_weight": self.scale_pos_weight,
        }


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which rows and columns are used, and which rows are held out."""

    holdout: float = 0.2
    """Share of the rows held out to watch, drawn at random, class by class."""
    valid: Annotated[Path | None, tyro.conf.arg(metavar="TABLE")] = None
    """A table of its own to watch, instead of held-out rows."""
    time: Column = None
    """Hold out the latest rows by this column, which is no feature."""
    group: Column = None
    """Hold out whole groups of this column, which is no feature."""
    weight: Column = None
    """Weight of each row."""
    ignore: tuple[str, ...] = ()
    """Columns to leave out."""
    query: Column = None
    """Which rows compete, for rank:ndcg and its kin; whole queries are held out."""
    upper: Column = None
    """Latest time of survival:aft, the target being the earliest; a gap: not seen to end."""

    def __post_init__(self) -> None:
        from drivetrain.core.checks import check_real

        check_real("holdout", self.holdout, low=0, high=1, open_low=True, open_high=True)
        given = [name for name in ("valid", "time", "group", "query") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"Of --{given[0]} and --{given[1]} only one can say what is held out.")
