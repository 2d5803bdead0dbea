"""Finds the files of installed data packages without importing those packages."""

from importlib.util import find_spec
from pathlib import Path

from drivetrain.core.errors import MissingDependency


def package_file(package: str, relative: str, *, install: str) -> Path:
    """Return the path of a file that an installed package ships.

    The package's own code does not run: some data packages no longer import on today's
    numpy and pandas, while their files are as good as ever.

    Args:
        package: Top-level import name.
        relative: Path of the file inside the package.
        install: What follows ``pip install`` in the hint.

    Raises:
        MissingDependency: The package, or the file in it, is not there.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / relative
        if path.is_file():
            return path
    what = f"{package} is not installed" if spec is None else f"{package} holds no {relative}"
    raise MissingDependency(f"{what}: pip install {install}")
