"""What training costs in memory: bytes per parameter and in all, estimated or measured.

Adam keeps θ, g, m and v: on the face of it four times the parameters. Formats move the bytes
about: mixed precision adds a master copy, stochastic rounding removes it, 8-bit codes shrink
m and v to a quarter.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from drivetrain.core.checks import check_choice, check_real

if TYPE_CHECKING:
    import torch

KINDS = ("p", "g", "m", "v", "master", "extra")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Bytes that a numeric format spends on each parameter.

    Attributes:
        p: The parameter that the model computes with.
        g: Its gradient.
        state: One element of a moment (m, and v where there is one).
        master: An fp32 copy inside the optimizer.
        extra: Anything else, such as Kahan's compensation or an fp32 copy of the gradient.
        block: Elements that share one fp32 scale in each moment; 0 where there are no scales.
        min_size: Tensors with fewer elements keep fp32 moments.
    """

    p: int
    g: int
    state: int
    master: int = 0
    extra: int = 0
    block: int = 0
    min_size: int = 0


LAYOUTS = {
    "fp32": Layout(p=4, g=4, state=4),
    "mixed": Layout(p=2, g=2, state=4, master=4),
    "mixed-g32": Layout(p=2, g=2, state=4, master=4, extra=4),
    "bf16": Layout(p=2, g=2, state=2),
    "bf16-sr": Layout(p=2, g=2, state=2),
    "bf16-kahan": Layout(p=2, g=2, state=2, extra=2),
    # 256 codes a block and fp32 below 4096 elements, as bitsandbytes has them.
    "8bit": Layout(p=4, g=4, state=1, block=256, min_size=4096),
    "bf16-sr-8bit": Layout(p=2, g=2, state=1, block=256, min_size=4096),
}

# The moments that a method keeps; AMSGrad's maximum is a third, counted as extra. Schedule-free
# keeps the iterate z where Adam keeps m.
METHODS: dict[str, tuple[str, ...]] = {
    "adam": ("m", "v"),
    "adamw": ("m", "v"),
    "amsgrad": ("m", "v", "extra"),
    "nadamw": ("m", "v"),
    "schedule-free": ("m", "v"),
    "lion": ("m",),
    "momentum": ("m",),
    "sgd": (),
}


@dataclass(frozen=True, kw_only=True)
class MemoryReport:
    """Bytes in all, by kind.

    Attributes:
        parameters: How many there are.
        p: Bytes of the parameters.
        g: Bytes of the gradients.
        m: Bytes of the first moment, the momentum buffer, or schedule-free's z.
        v: Bytes of the second moment.
        master: Bytes of fp32 copies of the parameters.
        extra: Everything else: scales, AMSGrad's maximum, compensation, step counters.

    Example:
        >>> report = estimate(7e9, layout="mixed")
        >>> report.total, report.per_parameter["master"]
        (112000000000, 4.0)
    """

    parameters: int
    p: int = 0
    g: int = 0
    m: int = 0
    v: int = 0
    master: int = 0
    extra: int = 0

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(getattr(self, kind) for kind in KINDS)

    @property
    def per_parameter(self) -> dict[str, float]:
        """Bytes per parameter, by kind and under ``"total"``; zero for a model without any."""
        count = max(self.parameters, 1)
        table = {kind: getattr(self, kind) / count for kind in KINDS}
        return table | {"total": self.total / count}

    def __add__(self, other: "MemoryReport") -> "MemoryReport":
        """Return the report of both together."""
        names = [field.name for field in fields(self)]
        return MemoryReport(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def __str__(self) -> str:
        rows = [f"{'kind':<8}{'bytes':>18}{'per parameter':>16}"]
        rows += [
            f"{kind:<8}{getattr(self, kind):>18,}{self.per_parameter[kind]:>16.3f}"
            for kind in KINDS
            if getattr(self, kind)
        ]
        rows.append(f"{'total':<8}{self.total:>18,}{self.per_parameter['total']:>16.3f}")
        return "\n".join(rows)


def estimate(
    parameters: float | Iterable[int], *, layout: str | Layout = "fp32", method: str = "adamw"
) -> MemoryReport:
    """Return what training is going to need, from counts alone.

    ``total = Σ_tensors n·(p + g + master + extra) + n·state·(moments of the method)``, plus
    ``4·⌈n / block⌉`` per moment where blocks share a scale.

    Args:
        parameters: Their number, >= 0; or the sizes of the tensors, which tells the ones that
            are too small for 8-bit moments.
        layout: One of ``LAYOUTS`` (``"fp32"``, ``"mixed"``, ``"bf16-sr"``, ``"8bit"``, ...) or
            your own.
        method: One of ``METHODS``.

    Returns:
        Bytes by kind.

    Raises:
        ValueError: An unknown layout or method, or a negative number.
        TypeError: Something that is no number.

    Example:
        >>> estimate(7e9, layout="8bit").per_parameter["total"]
        10.03125
        >>> print(estimate(1_000_000, layout="fp32", method="lion"))
        kind                 bytes   per parameter
        p                4,000,000           4.000
        g                4,000,000           4.000
        m                4,000,000           4.000
        total           12,000,000          12.000
    """
    if isinstance(layout, str):
        layout = LAYOUTS[check_choice("layout", layout, LAYOUTS)]
    moments = METHODS[check_choice("method", method, METHODS)]
    report = MemoryReport(parameters=0)
    for size in _sizes(parameters):
        report += _tensor(size, layout, moments)
    return report


def memory_report(
    model: "torch.nn.Module | Iterable[torch.Tensor]",
    *,
    optimizer: "torch.optim.Optimizer | str | Layout | None" = None,
    method: str = "adamw",
) -> MemoryReport:
    """Return what a model and its optimizer hold, or are going to hold, in memory.

    Args:
        model: A module, or its parameters. A shared parameter counts once; a frozen one has
            no gradient and no state.
        optimizer: A real optimizer is **measured**: gradients and states that are not there yet
            count nothing, so measure between ``backward`` and ``zero_grad`` of the second step
            on. The name of a layout is an **estimate** for this model, which needs no step.
            None counts parameters and gradients as they are.
        method: For an estimate only; one of ``METHODS``.

    Returns:
        Bytes by kind.

    Raises:
        TypeError: The optimizer is neither.
        ValueError: An unknown layout or method.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(100, 100)
        >>> memory_report(model, optimizer="fp32").total
        161600
    """
    import torch

    tensors = _distinct(model.parameters() if isinstance(model, torch.nn.Module) else model)
    if isinstance(optimizer, (str, Layout)):
        frozen = sum(_bytes(p) for p in tensors if not p.requires_grad)
        still = sum(p.numel() for p in tensors if not p.requires_grad)
        moving = [p.numel() for p in tensors if p.requires_grad]
        rest = MemoryReport(parameters=still, p=frozen)
        return estimate(moving, layout=optimizer, method=method) + rest
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            "optimizer must be a torch.optim.Optimizer, the name of a layout or None. "
            f"Got {type(optimizer).__name__}."
        )
    counts = dict.fromkeys(KINDS, 0)
    for p in tensors:
        counts["p"] += _bytes(p)
        counts["g"] += _bytes(p.grad) if p.grad is not None else 0
    for kind, size in _measured(optimizer, tensors) if optimizer is not None else ():
        counts[kind] += size
    return MemoryReport(parameters=sum(p.numel() for p in tensors), **counts)


def _tensor(size: int, layout: Layout, moments: tuple[str, ...]) -> MemoryReport:
    quantized = layout.block > 0 and size >= layout.min_size
    element = layout.state if quantized or not layout.block else 4
    scales = 4 * math.ceil(size / layout.block) if quantized else 0
    return MemoryReport(
        parameters=size,
        p=size * layout.p,
        g=size * layout.g,
        m=size * element * ("m" in moments),
        v=size * element * ("v" in moments),
        master=size * layout.master,
        extra=size * (layout.extra + element * ("extra" in moments)) + scales * len(moments),
    )


def _sizes(parameters: float | Iterable[int]) -> Iterator[int]:
    if isinstance(parameters, Iterable) and not isinstance(parameters, (str, bytes)):
        for index, size in enumerate(parameters):
            yield int(check_real(f"parameters[{index}]", size, low=0))
    else:
        count = check_real("parameters", parameters, low=0)
        if math.isinf(count):
            raise ValueError("parameters must be finite. Got inf.")
        yield int(count)


def _distinct(parameters: "Iterable[torch.Tensor]") -> "list[torch.Tensor]":
    return list({id(p): p for p in parameters}.values())


def _measured(
    optimizer: "torch.optim.Optimizer", tensors: "list[torch.Tensor]"
) -> Iterator[tuple[str, int]]:
    import torch

    for p in tensors:
        # .get, for reading a missing key of the defaultdict would add a state.
        for name, value in optimizer.state.get(p, {}).items():
            if isinstance(value, torch.Tensor):
                yield kind_of(name), _bytes(value)


_KIND_OF = {
    "exp_avg": "m",
    "momentum_buffer": "m",
    "z": "m",
    "exp_avg_codes": "m",
    "exp_avg_sq": "v",
    "exp_avg_sq_codes": "v",
    "square_avg": "v",
    "sum": "v",
    "master": "master",
}


def kind_of(name: str) -> str:
    """Return the kind that a state of this name is counted under.

    Example:
        >>> kind_of("exp_avg_sq"), kind_of("max_exp_avg_sq"), kind_of("step")
        ('v', 'extra', 'extra')
    """
    return _KIND_OF.get(name, "extra")


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())
