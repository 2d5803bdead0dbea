"""An estimator of named members: parameters through their names, tags, routing."""

from typing import Any

from sklearn.base import MetaEstimatorMixin, TransformerMixin, is_classifier, is_regressor
from sklearn.utils import Bunch, Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import _BaseComposition

from drivetrain.core.checks import check_choice

Named = list[tuple[str, Any]]


class Composed(TransformerMixin, MetaEstimatorMixin, _BaseComposition):
    """What voting and stacking share: members by name, any of which may be ``"drop"``.

    Attributes:
        estimators: Pairs of a name and an estimator, or ``"drop"``.
        estimators_: Fitted members, dropped ones left out.
        named_estimators_: They, or ``"drop"``, by name.
    """

    estimators: Named

    @property
    def named_estimators(self) -> Bunch:
        """Members as they were given, by name."""
        return Bunch(**dict(self.estimators))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with ``deep`` those of members too, as ``name__parameter``."""
        return dict(self._get_params("estimators", deep=deep))

    def set_params(self, **params: Any) -> "Composed":
        """Set parameters, ``name__parameter`` of a member, or ``name`` to replace or drop it."""
        self._set_params("estimators", **params)
        return self

    @property
    def n_features_in_(self) -> int:
        """Number of features that fitting saw.

        Raises:
            AttributeError: Not fitted.
        """
        if "estimators_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} object has no n_features_in_ attribute.")
        return int(self.estimators_[0].n_features_in_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if _are_pairs(self.estimators):
            inputs = [get_tags(one).input_tags for _, one in self.estimators if not is_dropped(one)]
            tags.input_tags.allow_nan = all(one.allow_nan for one in inputs)
            tags.input_tags.sparse = all(one.sparse for one in inputs)
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata of ``fit`` reaches the members."""
        router = MetadataRouter(owner=self)
        for name, estimator in self.estimators:
            mapping = MethodMapping().add(callee="fit", caller="fit")
            router.add(**{name: estimator}, method_mapping=mapping)
        return router

    def checked_members(self, *, kind: str | None) -> Named:
        """Return the members that are not dropped.

        Args:
            kind: ``classifier`` or ``regressor`` where all must be one.

        Raises:
            ValueError: No pairs of name and estimator, names that are not possible, all dropped.
            TypeError: A class instead of an estimator.
        """
        if not _are_pairs(self.estimators):
            raise ValueError(
                "Invalid 'estimators' attribute, 'estimators' should be a non-empty list of "
                f"(string, estimator) tuples. Got {self.estimators!r:.80}."
            )
        self._validate_names([name for name, _ in self.estimators])
        kept = [(name, one) for name, one in self.estimators if not is_dropped(one)]
        if not kept:
            raise ValueError(
                "All estimators are dropped. At least one is required to be an estimator."
            )
        self._check_estimators_are_instances([one for _, one in kept])
        if kind is not None:
            check_choice("kind", kind, ("classifier", "regressor"))
            right = is_classifier if kind == "classifier" else is_regressor
            for name, one in kept:
                if not right(one):
                    raise ValueError(
                        f"The estimator {type(one).__name__} should be a {kind}: member {name!r}."
                    )
        return kept

    def keep_members(self, fitted: dict[str, Any]) -> None:
        """Remember the fitted members.

        Args:
            fitted: By name, in the order they were given; dropped ones absent.
        """
        self.estimators_ = list(fitted.values())
        self.named_estimators_ = Bunch(
            **{name: fitted.get(name, _DROP) for name, _ in self.estimators}
        )
        for one in self.estimators_:
            names = getattr(one, "feature_names_in_", None)
            if names is not None:
                self.feature_names_in_ = names


_DROP = "drop"


def is_dropped(estimator: Any) -> bool:
    """Return whether a member is the word that drops it."""
    return isinstance(estimator, str) and estimator == _DROP


def _are_pairs(given: Any) -> bool:
    if not isinstance(given, (list, tuple)) or not given:
        return False
    return all(
        isinstance(one, (tuple, list)) and len(one) == 2 and isinstance(one[0], str)
        for one in given
    )
