"""AdamW with 8-bit states of bitsandbytes, on the CPU."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from drivetrain.core.errors import require


def adamw8bit(params: Iterable[Tensor], **options: Any) -> tuple[Any, str]:
    """Return ``bitsandbytes.optim.AdamW8bit`` and what the package said while it was loaded.

    Args:
        params: To be optimised.
        **options: The package's.

    Raises:
        MissingDependency: The package is not installed.
    """
    with _overheard() as said:
        package = require("bitsandbytes", "drivetrain[peers]")
    return package.optim.AdamW8bit(params, **options), " ".join(said)


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Collect the warnings that the package logs at its first import."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().split(":")[0])

    logger, ear = logging.getLogger("bitsandbytes"), Ear(logging.WARNING)
    logger.addHandler(ear)
    before, logger.propagate = logger.propagate, False
    try:
        yield said
    finally:
        logger.removeHandler(ear)
        logger.propagate = before
