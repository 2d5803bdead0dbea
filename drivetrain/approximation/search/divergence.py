"""The signal that a search runs away, and what to do about it."""


class DivergenceError(ArithmeticError):
    """A search left every reasonable bound.

    Attributes:
        step: The step k at which it did.
        value: The iterate's norm there.
        gain: The gain a_k there.
    """

    def __init__(self, step: int, value: float, gain: float) -> None:
        self.step, self.value, self.gain = step, value, gain
        super().__init__(
            f"Diverged at step {step}: |x| = {value:.3g} with gain {gain:.3g}. Pass "
            "project=Box(low, high) or truncate=Truncation(), or a smaller gain, "
            f"such as Gain(A={max(10, step)}) or a smaller a."
        )

    def __reduce__(self) -> tuple[type, tuple[int, float, float]]:
        return type(self), (self.step, self.value, self.gain)


class DirectionWarning(UserWarning):
    """The function seems to decrease where the search takes it to increase."""
