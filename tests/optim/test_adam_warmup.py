"""Warming up compiles every kernel of full precision."""

from drivetrain.optim import _numba
from drivetrain.optim.warmup import warmup


def test_every_kernel_is_compiled():
    warmup()
    public = [
        "adam_float32", "adam_float64", "amsgrad_float32", "amsgrad_float64", "squares_float32",
        "squares_float64", "prepare", "refresh", "sign", "same_list", "same_dict", "same_items",
    ]  # fmt: skip
    assert all(vars(_numba)[name].signatures for name in public)
