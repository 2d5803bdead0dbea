"""Words stored with a model, early stopping's among them."""

from typing import Any


class Words:
    """Words by name, as XGBoost's models carry them."""

    _attributes: dict[str, str]

    def attr(self, key: str) -> str | None:
        """Return a word stored with the model, or None."""
        return self._attributes.get(key)

    def attributes(self) -> dict[str, str]:
        """Return all words stored with the model."""
        return dict(self._attributes)

    def set_attr(self, **words: Any) -> None:
        """Store words with the model; None removes one."""
        for name, word in words.items():
            if word is None:
                self._attributes.pop(name, None)
            else:
                self._attributes[name] = str(word)

    @property
    def best_iteration(self) -> int:
        """The round early stopping chose.

        Raises:
            AttributeError: Training did not stop early.
        """
        return int(self._tracked("best_iteration"))

    @best_iteration.setter
    def best_iteration(self, value: int) -> None:
        self.set_attr(best_iteration=value)

    @property
    def best_score(self) -> float:
        """The value early stopping chose that round for.

        Raises:
            AttributeError: Training did not stop early.
        """
        return float(self._tracked("best_score"))

    @best_score.setter
    def best_score(self, value: float) -> None:
        self.set_attr(best_score=repr(float(value)))

    def _tracked(self, name: str) -> str:
        if name not in self._attributes:
            raise AttributeError(f"`{name}` is only defined when early stopping is used.")
        return self._attributes[name]
