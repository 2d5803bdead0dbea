"""Single decision trees, for members of ensembles: a forest of one tree that draws no rows."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from drivetrain.core.checks import check_choice
from drivetrain.ensemble.forests.classifiers import (
    ClassificationForest,
    ExtraTreesClassifier,
    RandomForestClassifier,
)
from drivetrain.ensemble.forests.fitted import checked_rows, checked_table
from drivetrain.ensemble.forests.parameters import Chosen
from drivetrain.ensemble.forests.regressors import (
    ExtraTreesRegressor,
    RandomForestRegressor,
    RegressionForest,
)
from drivetrain.trees.forest import Forest

Doubles = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class Tree(BaseEstimator):
    """Parameters of a tree, scikit-learn's, and what it offers once it is grown.

    Attributes:
        criterion: What splits lower: ``squared_error``; of classes ``gini``, ``entropy`` or
            ``log_loss``.
        splitter: ``best``, or ``random``: one random cut a feature.
        max_depth: Greatest depth; None for no limit.
        min_samples_split: Fewest rows of a node that is split, or their share.
        min_samples_leaf: Fewest rows of a leaf, or their share.
        min_weight_fraction_leaf: Least share of the weights in a leaf.
        max_features: Features drawn for each split; all where None.
        random_state: Seed.
        max_leaf_nodes: Most leaves, split best first; None for no limit.
        min_impurity_decrease: Least decrease of the impurity by a split.
        ccp_alpha: What a leaf costs in impurity.
        monotonic_cst: -1, 0 or 1 for each feature.
        tree_method: ``hist``: splits between bins of values; ``exact``: between any values.
        max_bin: Most bins of a feature.
        categorical_features: Columns of categories, numbered from 0: a mask, places, or names.
    """

    _: KW_ONLY
    criterion: str = "squared_error"
    splitter: str = "best"
    max_depth: int | None = None
    min_samples_split: float = 2
    min_samples_leaf: float = 1
    min_weight_fraction_leaf: float = 0.0
    max_features: float | str | None = None
    random_state: Any = None
    max_leaf_nodes: int | None = None
    min_impurity_decrease: float = 0.0
    ccp_alpha: float = 0.0
    monotonic_cst: Sequence[int] | None = None
    tree_method: str = "hist"
    max_bin: int = 255
    categorical_features: Chosen = None

    @abstractmethod
    def _forest(self) -> Any:
        """Return an empty forest that grows the tree."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    def _told(self) -> dict[str, Any]:
        check_choice("splitter", self.splitter, ("best", "random"))
        given = self.get_params(deep=False)
        del given["splitter"]
        return given | {"n_estimators": 1, "bootstrap": False}

    def _grow(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> Self:
        x, target, self.n_outputs_ = checked_table(self, X, y)
        forest = self._forest()
        if "feature_names_in_" in vars(self):
            forest.feature_names_in_ = self.feature_names_in_
        self.forest_ = forest.fit(x, target, sample_weight)
        return self

    def _rows(self, X: Any) -> NDArray[np.float32]:
        check_is_fitted(self, "forest_")
        return checked_rows(self, X)

    @property
    def tree_(self) -> Forest:
        """The tree, as a forest of one."""
        check_is_fitted(self, "forest_")
        grown: Forest = self.forest_.forest_
        return grown

    @property
    def feature_importances_(self) -> Doubles:
        """What the splits on each feature took from the impurity, its sum 1; 0 without splits."""
        check_is_fitted(self, "forest_")
        return np.asarray(self.forest_.feature_importances_)

    def get_n_leaves(self) -> int:
        """Return the number of leaves."""
        return int(self.tree_.is_leaf.sum())

    def get_depth(self) -> int:
        """Return the depth of the deepest leaf."""
        return int(self.tree_.depths().max())

    def apply(self, X: Any) -> NDArray[np.int64]:
        """Return the leaf each row reaches, (n,).

        Args:
            X: Values, (n, F).
        """
        x = self._rows(X)
        return np.asarray(self.forest_.apply(x)[:, 0])

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the mean or the commonest class of the leaf each row reaches.

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        x = self._rows(X)
        return np.asarray(self.forest_.predict(x))


@dataclass(eq=False, repr=False)
class DecisionTreeRegressor(RegressorMixin, Tree):
    """A decision tree for numbers, of scikit-learn's interface, on the kernels of forests.

    Attributes:
        forest_: The forest of one that grew it.
        n_outputs_: Number of targets.

    Example:
        >>> X, y = np.arange(6.0)[:, None], [0, 0, 0, 5, 5, 5]
        >>> DecisionTreeRegressor(max_depth=1).fit(X, y).predict([[1.0], [4.0]])
        array([0., 5.])
    """

    def _forest(self) -> RegressionForest:
        random = self.splitter == "random"
        told = self._told()
        return ExtraTreesRegressor(**told) if random else RandomForestRegressor(**told)

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "DecisionTreeRegressor":
        """Grow the tree.

        Args:
            X: Values, (n, F); NaN is missing.
            y: Targets, (n,) or (n, outputs).
            sample_weight: Weight of each row, (n,).

        Raises:
            ValueError: A parameter or the input is wrong; the message says which.
        """
        return self._grow(X, y, sample_weight)


@dataclass(eq=False, repr=False)
class DecisionTreeClassifier(ClassifierMixin, Tree):
    """A decision tree for classes, of scikit-learn's interface, on the kernels of forests.

    Attributes:
        class_weight: ``balanced``, or weights by label.
        forest_: The forest of one that grew it.
        classes_: The labels, sorted.
        n_outputs_: Number of targets.

    Example:
        >>> X, y = np.arange(6.0)[:, None], ["a", "a", "a", "b", "b", "b"]
        >>> DecisionTreeClassifier(max_depth=1).fit(X, y).predict([[1.0], [4.0]]).tolist()
        ['a', 'b']
    """

    criterion: str = "gini"
    class_weight: Any = None

    def _forest(self) -> ClassificationForest:
        random = self.splitter == "random"
        told = self._told()
        return ExtraTreesClassifier(**told) if random else RandomForestClassifier(**told)

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "DecisionTreeClassifier":
        """Grow the tree.

        Args:
            X: Values, (n, F); NaN is missing.
            y: Labels, (n,) or (n, outputs).
            sample_weight: Weight of each row, (n,).

        Raises:
            ValueError: A parameter or the input is wrong; the message says which.
        """
        self._grow(X, y, sample_weight)
        self.classes_, self.n_classes_ = self.forest_.classes_, self.forest_.n_classes_
        return self

    def predict_proba(self, X: Any) -> Any:
        """Return each class's share of the leaf, (n, classes); a list for several targets.

        Args:
            X: Values, (n, F).

        Raises:
            ValueError: Other features than at fit.
        """
        x = self._rows(X)
        return self.forest_.predict_proba(x)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of each class's share, shaped as the shares.

        Args:
            X: Values, (n, F).
        """
        x = self._rows(X)
        return self.forest_.predict_log_proba(x)
