"""Formats of parameters and states: what they cost in memory, and that they learn alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.optim import Optimizer

from drivetrain.gallery.optim_figures.task import (
    batches,
    loss_and_gradient,
    network,
    one_thread,
    task,
)
from drivetrain.gallery.page.draw import end_labels, panel
from drivetrain.gallery.page.palette import BLUE, GOLD, HIGH, INK, MUTED, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Number, Table
from drivetrain.optim import AdamW
from drivetrain.optim.memory import MemoryReport, estimate, memory_report

STEPS, RATE = 300, 3e-4
Make = Callable[[list[Tensor]], Optimizer]
Run = tuple[np.ndarray, MemoryReport, MemoryReport]


def formats(seed: int) -> dict[str, tuple[torch.dtype, dict[str, Any], str]]:
    """Return for each format: the dtype of parameters, AdamW's options, the estimate's layout."""
    low = torch.bfloat16
    rounding = {"state_dtype": "bf16", "stochastic_rounding": True}
    return {
        "fp32": (torch.float32, {}, "fp32"),
        "bf16, fp32 master": (low, {"master_weights": True}, "mixed"),
        "bf16, stochastic": (low, rounding, "bf16-sr"),
        "8-bit states": (torch.float32, {"state_dtype": "8bit"}, "8bit"),
        "bf16, nearest": (low, {"state_dtype": "bf16"}, "bf16"),
    }


COLOURS = dict(zip(formats(0), (BLUE, TEAL, PURPLE, GOLD, MUTED), strict=True))


@one_thread()
def run(dtype: torch.dtype, options: dict[str, Any], layout: str, seed: int) -> Run:
    """Train on digits; return test losses, and the bytes measured and estimated."""
    data, model = task(seed), network(seed, width=256).to(dtype)
    optimizer = AdamW(model.parameters(), lr=RATE, **options)
    losses = [_test_loss(model, seed)]
    for step, chosen in enumerate(batches(len(data.train_y), 64, STEPS, seed), start=1):
        loss_and_gradient(model, data.train_x[chosen], data.train_y[chosen])
        optimizer.step()
        if step % 15 == 0:
            losses.append(_test_loss(model, seed))
    sizes = [parameter.numel() for parameter in model.parameters()]
    return (
        np.array(losses),
        memory_report(model, optimizer=optimizer),
        estimate(sizes, layout=layout),
    )


def _test_loss(model: nn.Module, seed: int) -> float:
    data, dtype = task(seed), next(model.parameters()).dtype
    with torch.no_grad():
        logits = model(data.test_x.to(dtype)).float()
        return float(nn.functional.cross_entropy(logits, data.test_y))


def figure(seed: int) -> Figure:
    """Return the figure: bytes per parameter by kind, and test losses of the same run."""
    runs = {name: run(*parts, seed) for name, parts in formats(seed).items()}
    rows = []
    for name, (losses, measured, expected) in runs.items():
        rows.append(
            (
                name,
                f"{measured.total / measured.parameters:.3f}",
                f"{expected.total / expected.parameters:.3f}",
                f"{measured.total / 1e6:.3f} MB",
                f"{losses[-1]:.3f}",
            )
        )
    fp32 = float(runs["fp32"][0][-1])
    return Figure(
        title="Formats cost from 8 to 16 bytes a parameter and learn alike, if rounding is fair",
        panels=(_bytes_panel(runs), _loss_panel(runs)),
        table=Table(
            header=("format", "measured B / parameter", "estimated", "in all", "test loss"),
            rows=tuple(rows),
            note="Measured: the tensors that the model, its gradients and the optimizer hold. "
            "Estimated: memory.estimate, from the sizes alone.",
        ),
        caption="A perceptron with two hidden layers of 256 on digits, the same batches for all. "
        "bf16 keeps 8 bits of a number, so steps smaller than 1/256 of a parameter vanish when "
        "rounded to nearest; stochastic rounding keeps them on average, a master copy exactly.",
        numbers=tuple(
            Number(
                what=f"{name}: test loss",
                ours=f"{runs[name][0][-1]:.4f}",
                reference=f"{fp32:.4f}",
                source="fp32, the same run",
            )
            for name in list(runs)[1:]
        ),
        sources=(task(seed).source,),
    )


def _bytes_panel(runs: dict[str, Run]) -> str:
    kinds = {"p": INK, "g": MUTED, "m": BLUE, "v": TEAL, "master": ORANGE, "extra": GOLD}

    def paint(ax: Axes) -> None:
        for place, (_, measured, _) in enumerate(runs.values()):
            left = 0.0
            for kind, colour in kinds.items():
                size = measured.per_parameter[kind]
                ax.barh(place, size, left=left, height=0.62, color=colour, lw=0)
                if size >= 0.9:
                    ax.text(left + size / 2, place, kind, color=HIGH, ha="center", va="center")
                left += size
            ax.text(left + 0.25, place, f"{left:.2f}", va="center", color=INK)
        ax.set_yticks(range(len(runs)), list(runs))
        ax.invert_yaxis()
        ax.set(xlim=(0, 19), xticks=[0, 4, 8, 12, 16])
        ax.grid(axis="y", visible=False)
        ax.set_title("Bytes per parameter, measured")

    sizes = ", ".join(f"{n}: {m.per_parameter['total']:.2f}" for n, (_, m, _) in runs.items())
    return panel(paint, alt=f"Bytes per parameter. {sizes}.", height=300)


def _loss_panel(runs: dict[str, Run]) -> str:
    def paint(ax: Axes) -> None:
        for name, (losses, _, _) in runs.items():
            ax.plot(np.arange(len(losses)) * 15, losses, color=COLOURS[name], lw=1.6)
        ax.set(xlim=(0, STEPS), ylim=(0, None))
        ax.set_title("Test loss")
        ax.set_xlabel("step")
        ends = [
            (float(losses[-1]), n.removeprefix("bf16, "), COLOURS[n])
            for n, (losses, _, _) in runs.items()
        ]
        end_labels(ax, ends)

    return panel(
        paint,
        alt="Test losses of the five formats: all fall together except bf16 "
        "rounded to nearest, which lags.",
        height=300,
    )
