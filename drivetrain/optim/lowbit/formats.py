"""Which format a parameter is kept in: told by its dtype and its group's options."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from drivetrain.optim.lowbit.codes import MIN_SIZE

Group = dict[str, Any]
Kind = Literal["float32", "bfloat16", "float16"]
Moments = Literal["float32", "bfloat16", "8bit", "8bit-bitsandbytes"]
Write = Literal["direct", "nearest", "stochastic", "kahan", "master"]

_KINDS: dict[torch.dtype, Kind] = {
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}
_MOMENTS: dict[str, Moments] = {
    "fp32": "float32",
    "bf16": "bfloat16",
    "8bit": "8bit",
    "8bit-bitsandbytes": "8bit-bitsandbytes",
}


@dataclass(frozen=True, kw_only=True)
class Format:
    """How one parameter and what Adam remembers of it are kept.

    Attributes:
        kind: The parameter's dtype.
        moments: What m and v are kept as. ``"8bit"`` takes the nearest code, but that of 0 for no
            positive v; ``"8bit-bitsandbytes"`` the one that bitsandbytes' CPU kernel looks up on
            a grid of 65536 points, where 0 has no code and none is below 2e-5.
        write: How the stepped parameter is stored: as it is, rounded to nearest even, rounded
            stochastically, with what rounding loses kept beside it, or from a float32 master.
        one_by_one: Whether every operation rounds its result, as torch's bfloat16 ones do.
        amsgrad: Whether the largest v is kept.
    """

    kind: Kind
    moments: Moments
    write: Write
    one_by_one: bool = False
    amsgrad: bool = False

    @property
    def quantized(self) -> bool:
        """Whether the moments are codes."""
        return self.moments.startswith("8bit")

    @property
    def by_triton(self) -> bool:
        """Whether there is a Triton kernel for it, so that its parameter may lie on a GPU."""
        return self.write in ("stochastic", "master") and not self.quantized

    @property
    def name(self) -> str:
        """A short word for it."""
        return f"{self.kind} {self.moments} {self.write}" + " amsgrad" * self.amsgrad


def format_of(param: Tensor, group: Group) -> Format | None:
    """Return the low-precision format of a parameter, or None where it is not of that kind.

    Args:
        param: Of any dtype, anywhere.
        group: With the keys ``state_dtype``, ``stochastic_rounding``, ``master_weights``,
            ``kahan``, ``amsgrad``, ``differentiable`` and ``capturable``.

    Returns:
        None for what full precision or torch's operations step: float32 with float32 states,
        float64 and complex parameters, float16 without a format asked for.

    Raises:
        ValueError: A format that the parameter or another option excludes.
    """
    wanted = _MOMENTS.get(group["state_dtype"] or "")
    write = _write(param, group)
    if not write and not (wanted and _gains(param, wanted)):
        # A bfloat16 parameter is stepped here as torch does it; everything else is not low.
        plain = param.dtype == torch.bfloat16 and _reachable(param, group)
        return _as_torch(group) if plain else None
    _check(param, group, wanted, write)
    kind = _KINDS[param.dtype]
    if kind == "float32":
        write = "direct"
    elif not write:
        write = "nearest"
    moments = wanted or ("float32" if write == "master" else "bfloat16")
    if moments.startswith("8bit") and param.numel() < MIN_SIZE:
        moments = "float32"
    if kind == moments == "float32":
        return None
    return Format(kind=kind, moments=moments, write=write)  # type: ignore[arg-type]


def _gains(param: Tensor, wanted: Moments) -> bool:
    # Moments of float32 are what wider parameters have without asking.
    return wanted != "float32" or param.dtype in (torch.bfloat16, torch.float16)


def _as_torch(group: Group) -> Format:
    return Format(
        kind="bfloat16",
        moments="bfloat16",
        write="nearest",
        one_by_one=True,
        amsgrad=bool(group["amsgrad"]),
    )


def _reachable(param: Tensor, group: Group) -> bool:
    return param.device.type == "cpu" and not (group["differentiable"] or group["capturable"])


def _write(param: Tensor, group: Group) -> str:
    """Return how the parameter is to be stored, or an empty string where nothing is asked."""
    # What float32 and wider keep needs no help; float16 has the master alone.
    helps = {torch.bfloat16: ("stochastic", "kahan", "master"), torch.float16: ("master",)}
    asked = [word for word in helps.get(param.dtype, ()) if group[_ASKED[word]]]
    if len(asked) > 1:
        keys = " and ".join(_ASKED[word] for word in asked)
        raise ValueError(f"{keys} exclude each other: each is a way to keep what rounding loses.")
    return asked[0] if asked else ""


_ASKED = {"stochastic": "stochastic_rounding", "kahan": "kahan", "master": "master_weights"}


def _check(param: Tensor, group: Group, wanted: str | None, write: str) -> None:
    options = [f"state_dtype={group['state_dtype']!r}"] if wanted else []
    asked = " and ".join([*options, *([_ASKED[write] + "=True"] if write else [])])
    if param.dtype not in _KINDS:
        expected = "float32, bfloat16 and float16"
        raise ValueError(f"{asked} is for parameters of {expected}. Got {param.dtype}.")
    if group["amsgrad"]:
        raise ValueError(f"{asked} has no amsgrad: keep its states in full precision.")
    on_gpu = param.device.type == "cuda" and write in ("stochastic", "master")
    if param.device.type != "cpu" and (not on_gpu or (wanted or "").startswith("8bit")):
        raise ValueError(f"{asked} is for parameters on the CPU. Got {param.device}.")
    for word in ("differentiable", "capturable"):
        if group[word]:
            raise ValueError(f"{asked} excludes {word}=True: its kernels are not torch's.")
