"""What can be read off a model: sizes, names, importances, its trees written out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivetrain.boosting.answers import Model
from drivetrain.boosting.compat.dumps import called, dumps_of, trees_of
from drivetrain.boosting.compat.importance import scores_of
from drivetrain.boosting.compat.nodes import frame_of, histogram_of
from drivetrain.boosting.linear.booster import LinearBooster


class Inspected(ABC):
    """A model that answers for itself, by XGBoost's names."""

    _model: Model | None

    @property
    @abstractmethod
    def model(self) -> Model:
        """The model as the rest of the library knows it, with all its rounds."""

    def num_boosted_rounds(self) -> int:
        """Return the number of rounds."""
        return len(self.model)

    def num_features(self) -> int:
        """Return the number of features."""
        return self.model.n_features

    @property
    def feature_names(self) -> list[str] | None:
        """The features' names, or None."""
        return list(self.model.feature_names) or None

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        self._model = replace(self.model, feature_names=tuple(map(str, names or ())))

    @property
    def feature_types(self) -> list[str] | None:
        """XGBoost's word for each feature, or None."""
        return list(self.model.feature_types) or None

    @feature_types.setter
    def feature_types(self, types: Sequence[str] | None) -> None:
        self._model = replace(self.model, feature_types=tuple(map(str, types or ())))

    def get_categories(self) -> dict[str, tuple[object, ...]]:
        """Return what the numbers of each categorical feature stand for, by its name."""
        model = self.model
        if isinstance(model, LinearBooster):
            return {}
        names = called(model, "").names
        return {name: words for name, words in zip(names, model.categories) if words}

    def get_score(
        self, fmap: str | Path = "", importance_type: str = "weight"
    ) -> dict[str, float | list[float]]:
        """Return the importance of each feature that was split on; a linear model's weights.

        Args:
            fmap: A file of feature names.
            importance_type: ``weight`` (number of splits), ``gain``, ``cover`` (means), or
                ``total_gain``, ``total_cover``.

        Raises:
            ValueError: Another word.
        """
        return scores_of(self.model, importance_type, called(self.model, fmap).names)

    def get_fscore(self, fmap: str | Path = "") -> dict[str, float | list[float]]:
        """Return how often each feature was split on."""
        return self.get_score(fmap)

    def get_dump(
        self, fmap: str | Path = "", with_stats: bool = False, dump_format: str = "text"
    ) -> list[str]:
        """Return each tree in XGBoost's own writing.

        Args:
            fmap: A file of feature names.
            with_stats: Whether gain and cover are shown.
            dump_format: ``text``, ``json`` or ``dot``.

        Raises:
            ValueError: Another format.
        """
        return dumps_of(self.model, fmap, stats=with_stats, style=dump_format)

    def dump_model(
        self,
        fout: str | Path,
        fmap: str | Path = "",
        with_stats: bool = False,
        dump_format: str = "text",
    ) -> None:
        """Write each tree in XGBoost's own writing to a file."""
        trees = self.get_dump(fmap, with_stats, dump_format)
        if dump_format == "json":
            text = "[\n" + ",\n".join(trees) + "\n]"
        else:
            text = "".join(f"booster[{t}]:\n{tree}" for t, tree in enumerate(trees))
        Path(fout).write_text(text)

    def trees_to_dataframe(self, fmap: str | Path = "") -> Any:
        """Return every node of every tree as a row of a pandas data frame.

        Raises:
            MissingDependency: pandas is not installed.
            ValueError: A linear model.
        """
        return frame_of(trees_of(self.model), called(self.model, fmap))

    def get_split_value_histogram(
        self,
        feature: str,
        fmap: str | Path = "",
        bins: int | None = None,
        as_pandas: bool = True,
    ) -> Any:
        """Return how often a feature was split at which values.

        Raises:
            ValueError: The feature's splits are sets of categories, or there are no trees.
        """
        forest = trees_of(self.model)
        return histogram_of(forest, called(self.model, fmap), feature, bins, as_pandas)
