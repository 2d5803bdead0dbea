"""How a linear model is boosted."""

from dataclasses import dataclass
from typing import Literal

from drivetrain.core.checks import check_choice, check_integer, check_real

_SELECTORS = ("cyclic", "shuffle", "random", "greedy", "thrifty")


@dataclass(frozen=True, kw_only=True)
class Linear:
    """How each round changes the weights; XGBoost's names and defaults.

    Attributes:
        updater: ``shotgun`` or ``coord_descent``: both change one weight after another. The
            peer's shotgun lets threads race; here it goes through the features in order, as the
            peer does with one thread.
        feature_selector: In which order: ``cyclic``; ``shuffle``, another each round; ``random``,
            drawn with replacement; ``greedy``, the largest change first, looked for anew after
            each; ``thrifty``, by the changes at the round's beginning. Shotgun has the first two.
        top_k: How many weights greedy and thrifty change in a round; 0 is all but one, as XGBoost
            has it.
        learning_rate: What each step is multiplied by.
        reg_lambda: L2 penalty, times the sum of the rows' weights.
        reg_alpha: L1 penalty, times the sum of the rows' weights.

    References:
        Bradley, Kyrola, Bickson, Guestrin: Parallel Coordinate Descent for L1-Regularized Loss
        Minimization, ICML 2011.
    """

    updater: Literal["shotgun", "coord_descent"] = "shotgun"
    feature_selector: Literal["cyclic", "shuffle", "random", "greedy", "thrifty"] = "cyclic"
    top_k: int = 0
    learning_rate: float = 0.5
    reg_lambda: float = 0.0
    reg_alpha: float = 0.0

    def __post_init__(self) -> None:
        check_choice("updater", self.updater, ("shotgun", "coord_descent"))
        check_choice("feature_selector", self.feature_selector, _SELECTORS)
        check_integer("top_k", self.top_k, low=0)
        check_real("learning_rate", self.learning_rate, low=0)
        check_real("reg_lambda", self.reg_lambda, low=0)
        check_real("reg_alpha", self.reg_alpha, low=0)
        if self.updater == "shotgun" and self.feature_selector not in _SELECTORS[:2]:
            raise ValueError(
                f"updater='shotgun' takes feature_selector 'cyclic' or 'shuffle'. "
                f"Got feature_selector={self.feature_selector!r}."
            )
        if self.top_k and self.feature_selector not in _SELECTORS[3:]:
            raise ValueError(
                "top_k is read by feature_selector 'greedy' and 'thrifty' only. "
                f"Got top_k={self.top_k} with feature_selector={self.feature_selector!r}."
            )
