"""Optimizers from the shell: what training takes in memory, states made plain."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

KINDS = ("p", "g", "m", "v", "master", "extra")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What training takes in memory, format by format, for a number of parameters or a model."""

    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="WHAT")]
    """How many parameters (7e9), a .safetensors file, or a folder of them; only their headers
    are read."""
    layout: str = ""
    """One format (fp32, mixed, mixed-g32, bf16, bf16-sr, bf16-kahan, 8bit, bf16-sr-8bit); all
    where none is named."""
    method: str = "adamw"
    """adam, adamw, amsgrad, nadamw, schedule-free, lion, momentum or sgd."""

    def __post_init__(self) -> None:
        from drivetrain.core.checks import check_choice, check_real
        from drivetrain.optim.memory import LAYOUTS, METHODS

        check_choice("method", self.method, METHODS)
        if self.layout:
            check_choice("layout", self.layout, LAYOUTS)
        number = _number(self.what)
        if number is not None:
            check_real("what", number, low=1, high=1e18)

    def run(self) -> None:
        """Print a line a format: bytes per parameter by kind, and gibibytes in all."""
        from drivetrain.optim.memory import LAYOUTS, estimate

        number = _number(self.what)
        sizes = _sizes(Path(self.what)) if number is None else [int(number)]
        tensors = "" if number is not None else f" in {len(sizes)} tensors"
        print(f"{sum(sizes):,} parameters{tensors}, {self.method}: bytes per parameter")
        heads = "".join(f"{kind:>8}" for kind in (*KINDS, "total"))
        print(f"{'format':<14}{heads}{'GiB in all':>14}")
        for name in [self.layout] if self.layout else LAYOUTS:
            report = estimate(sizes, layout=name, method=self.method)
            cells = "".join(f"{report.per_parameter[kind]:>8.4g}" for kind in (*KINDS, "total"))
            print(f"{name:<14}{cells}{report.total / 2**30:>14,.3f}")


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn a saved optimizer state of low precision into a plain one: fp32 under torch's keys."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder that drivetrain.optim.saved.save_state wrote."""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")]
    """Folder to write; another than the source."""

    def __post_init__(self) -> None:
        if self.source.resolve() == self.target.resolve():
            raise ValueError(f"target must be another folder than source. Got {self.target} twice.")

    def run(self) -> None:
        """Write the plain state; print what went in and what came out."""
        from drivetrain.optim.saved import load_state, plain_state, save_state

        state = load_state(self.source)
        plain = plain_state(state)
        save_state(plain, self.target)
        print(f"{self.source}: {_weighed(state)}")
        print(f"{self.target}: {_weighed(plain)}")


def _weighed(state_dict: dict[str, Any]) -> str:
    held: dict[str, int] = {}
    for own in state_dict["state"].values():
        for key, value in own.items():
            held[key] = held.get(key, 0) + getattr(value, "nbytes", 8)
    listed = ", ".join(f"{key} {size:,}" for key, size in sorted(held.items()))
    return f"{sum(held.values()):,} bytes ({listed or 'no state'})"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sizes(path: Path) -> list[int]:
    """Return the sizes of all tensors of a file, or of the files of a folder."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is neither a number of parameters nor a file or folder that exists."
        )
    if not files:
        raise FileNotFoundError(f"No .safetensors file in {path}.")
    sizes = [size for file in files for size in _sizes_of(file)]
    if not sum(sizes):
        raise ValueError(f"{path} holds no parameter.")
    return sizes


def _sizes_of(path: Path) -> list[int]:
    from math import prod

    from safetensors import SafetensorError, safe_open

    from drivetrain.core.errors import CheckpointError

    try:
        with safe_open(path, framework="numpy") as file:
            return [prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{path} is truncated or no safetensors file: {error}.") from None
