"""XGBoost's global configuration: accepted, so that scripts run; nothing here reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from drivetrain.core.errors import unknown

_USUAL: dict[str, Any] = {
    "verbosity": 1,
    "use_rmm": False,
    "use_cuda_async_pool": False,
    "nthread": 0,
}
_HELD: ContextVar[dict[str, Any] | None] = ContextVar("xgboost_config", default=None)


def get_config() -> dict[str, Any]:
    """Return what has been set."""
    return _USUAL | (_HELD.get() or {})


def set_config(**given: Any) -> None:
    """Set words of XGBoost's configuration; they change nothing.

    Raises:
        ValueError: One that XGBoost does not know.
    """
    for name in given:
        if name not in _USUAL:
            raise unknown("configuration", name, _USUAL)
    _HELD.set((_HELD.get() or {}) | given)


@contextmanager
def config_context(**given: Any) -> Iterator[None]:
    """Set words of XGBoost's configuration for a block."""
    before = _HELD.get()
    set_config(**given)
    try:
        yield
    finally:
        _HELD.set(before)
