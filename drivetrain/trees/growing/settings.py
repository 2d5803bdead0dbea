"""How a tree grows: its size, its penalties, the features it may use."""

from dataclasses import dataclass
from typing import Literal

from drivetrain.core.checks import check_choice, check_integer, check_real


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The rules of one tree, under XGBoost's names and with its defaults.

    Attributes:
        max_depth: Greatest depth; 0 for no limit.
        max_leaves: Most leaves; 0 for no limit.
        grow_policy: ``depthwise`` splits level by level, ``lossguide`` the leaf of greatest gain,
            ``symmetric`` all nodes of a level by one split.
        reg_lambda: L2 penalty of the leaf weights.
        reg_alpha: L1 penalty of the leaf weights.
        gamma: Least gain of a split, in XGBoost's unit (twice the textbook's).
        min_child_weight: Least sum of hessians of a child.
        max_delta_step: Greatest absolute leaf weight; 0 for no limit.
        monotone_constraints: -1, 0 or 1 for each feature; empty for none.
        interaction_constraints: Groups of features that may meet on a path; empty for any.
        colsample_bytree: Share of the features a tree may use.
        colsample_bylevel: Share of those a level may use.
        colsample_bynode: Share of those a node may use.
        max_cat_to_onehot: Fewer categories than this are split one against the others.
        max_cat_threshold: Most categories on the chosen side of a split.
    """

    max_depth: int = 6
    max_leaves: int = 0
    grow_policy: Literal["depthwise", "lossguide", "symmetric"] = "depthwise"
    reg_lambda: float = 1.0
    reg_alpha: float = 0.0
    gamma: float = 0.0
    min_child_weight: float = 1.0
    max_delta_step: float = 0.0
    monotone_constraints: tuple[int, ...] = ()
    interaction_constraints: tuple[tuple[int, ...], ...] = ()
    colsample_bytree: float = 1.0
    colsample_bylevel: float = 1.0
    colsample_bynode: float = 1.0
    max_cat_to_onehot: int = 4
    max_cat_threshold: int = 64

    def __post_init__(self) -> None:
        for name in ("max_depth", "max_leaves"):
            check_integer(name, getattr(self, name), low=0)
        for name in ("max_cat_to_onehot", "max_cat_threshold"):
            check_integer(name, getattr(self, name), low=1)
        check_choice("grow_policy", self.grow_policy, ("depthwise", "lossguide", "symmetric"))
        penalties = ("reg_lambda", "reg_alpha", "gamma", "min_child_weight", "max_delta_step")
        for name in penalties:
            check_real(name, getattr(self, name), low=0)
        for name in ("colsample_bytree", "colsample_bylevel", "colsample_bynode"):
            check_real(name, getattr(self, name), low=0, high=1, open_low=True)
        for one in self.monotone_constraints:
            check_integer("monotone_constraints", one, low=-1, high=1)
