"""What a figure was measured on: versions, processor, threads."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from drivetrain.core import cpu

PACKAGES = (
    "drivetrain",
    "torch",
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "scikit-learn",
    "triton",
    "river",
    "fastdigest",
    "bitsandbytes",
    "schedulefree",
)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that figures depend on, installed ones only."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe(threads: int) -> dict[str, Any]:
    """Return the machine as it is stored beside every figure."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu.model_name(),
        "vectors": cpu.family(),
        "cores": cpu.usable_cores(),
        "threads": threads,
        "versions": package_versions(),
    }
