"""Memory that is not written is NaN in these tests: a kernel that skips an element is seen."""

from collections.abc import Iterator

import pytest
import torch

# Programs that tests start: importing one to look for doctests would turn Triton's interpreter on.
collect_ignore_glob = ["interpreted_*.py"]


@pytest.fixture(autouse=True)
def poisoned_memory() -> Iterator[None]:
    """Let ``torch.empty`` and its kin return NaN (or the largest integer)."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)
