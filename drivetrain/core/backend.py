"""Which implementation computes: the reference, torch, Numba or Triton.

An explicit ``backend=`` wins over ``with use("reference"):``, which wins over the device's
default. There are no environment variables and no priorities.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec

from drivetrain.core.errors import MissingDependency, unknown

BACKENDS = ("reference", "torch", "numba", "triton")
_DEFAULTS = {"cpu": ("numba", "torch", "reference"), "cuda": ("triton", "torch", "reference")}
_chosen: ContextVar[str | None] = ContextVar("drivetrain_backend", default=None)


@contextmanager
def use(backend: str) -> Iterator[None]:
    """Compute everything inside the ``with`` block by one backend.

    Raises:
        ValueError: No backend has that name.
        MissingDependency: It is not installed here.
    """
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    _demand(backend)
    token = _chosen.set(backend)
    try:
        yield
    finally:
        _chosen.reset(token)


def choose(backend: str | None, offered: Collection[str], *, device: str = "cpu") -> str:
    """Return the backend to compute by.

    Args:
        backend: The caller's explicit choice, or None.
        offered: The backends that the operation has.
        device: Where the data lies: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Raises:
        ValueError: The choice is unknown, or the operation does not have it.
        MissingDependency: The choice is not installed here.
    """
    wanted = backend if backend is not None else _chosen.get()
    if wanted is None:
        order = _DEFAULTS.get(device.split(":")[0], ("torch", "reference"))
        usable = [name for name in order if name in offered and not why_missing(name)]
        if not usable:
            raise ValueError(f"Nothing computes this on {device!r}. Offered: {_listed(offered)}.")
        return usable[0]
    if wanted not in BACKENDS:
        raise unknown("backend", wanted, BACKENDS)
    if wanted not in offered:
        raise ValueError(f"backend {wanted!r} is not offered here. Expected {_listed(offered)}.")
    _demand(wanted)
    return wanted


def why_missing(backend: str) -> str:
    """Return what to install for a backend, or an empty string if it is here."""
    if backend == "reference" or find_spec(backend) is not None:
        return ""
    extra = "drivetrain[gpu]" if backend == "triton" else backend
    return f"{backend} is not installed: pip install '{extra}'"


def _demand(backend: str) -> None:
    missing = why_missing(backend)
    if missing:
        raise MissingDependency(missing)


def _listed(offered: Collection[str]) -> str:
    return " or ".join(repr(name) for name in BACKENDS if name in offered)
