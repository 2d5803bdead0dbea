"""How a deep tree grows."""

from dataclasses import dataclass
from typing import Literal

from drivetrain.core.checks import check_choice, check_integer, check_real


@dataclass(frozen=True, kw_only=True)
class DeepRules:
    """The rules of one tree, in scikit-learn's terms.

    Attributes:
        max_features: Features drawn for each node; more where none of them varies.
        max_depth: Greatest depth; 0 for no limit.
        max_leaf_nodes: Most leaves, split best first; 0 for no limit.
        min_samples_split: Fewest rows of a node that is split.
        min_samples_leaf: Fewest rows of a leaf.
        min_weight_fraction: Least share of the weights in a leaf.
        min_impurity_decrease: Least decrease of the tree's impurity by a split.
        criterion: ``squared_error`` for numbers; ``gini`` or ``entropy`` for classes.
        monotonic: -1, 0 or 1 for each feature; empty for none.
    """

    max_features: int
    max_depth: int = 0
    max_leaf_nodes: int = 0
    min_samples_split: int = 2
    min_samples_leaf: int = 1
    min_weight_fraction: float = 0.0
    min_impurity_decrease: float = 0.0
    criterion: Literal["squared_error", "gini", "entropy"] = "squared_error"
    monotonic: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_integer("max_features", self.max_features, low=1)
        check_integer("max_depth", self.max_depth, low=0)
        check_integer("max_leaf_nodes", self.max_leaf_nodes, low=0)
        check_integer("min_samples_split", self.min_samples_split, low=2)
        check_integer("min_samples_leaf", self.min_samples_leaf, low=1)
        check_real("min_weight_fraction", self.min_weight_fraction, low=0, high=0.5)
        check_real("min_impurity_decrease", self.min_impurity_decrease, low=0)
        check_choice("criterion", self.criterion, ("squared_error", "gini", "entropy"))
        for one in self.monotonic:
            check_integer("monotonic", one, low=-1, high=1)
