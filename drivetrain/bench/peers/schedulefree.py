"""Schedule-free AdamW of its authors' package."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from drivetrain.core.errors import require


def adamw(params: Iterable[Tensor], **options: Any) -> Any:
    """Return ``schedulefree.AdamWScheduleFree``, in its training mode.

    Args:
        params: To be optimised.
        **options: The package's; ``foreach`` is on unless it says otherwise.

    Raises:
        MissingDependency: The package is not installed.
    """
    package = require("schedulefree", "drivetrain[peers]")
    optimizer = package.AdamWScheduleFree(params, **options)
    optimizer.train()
    return optimizer
