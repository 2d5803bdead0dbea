"""Twelve machine-learning systems in plain Python, readable and fast.

Every room is reached by one word: ``drivetrain.optim``, ``drivetrain.approximation``, ...
Rooms load when first touched, so importing the package costs milliseconds and loads no torch.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    if not name.startswith("_"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from drivetrain.core.rooms import room_names

    return ["__version__", *room_names()]
