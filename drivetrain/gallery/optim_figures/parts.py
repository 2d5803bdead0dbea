"""Adam taken apart: momentum alone, the adaptive rate alone, both; and its first step."""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.optim import Optimizer

from drivetrain.gallery.optim_figures.task import (
    batches,
    loss_and_gradient,
    network,
    one_thread,
    task,
)
from drivetrain.gallery.page.draw import THIRD, end_labels, log_axis, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, GOLD, INK, MUTED, TEAL
from drivetrain.gallery.page.section import Figure, Number
from drivetrain.optim import SGD, Adam

Make = Callable[[list[Tensor]], Optimizer]
COLOURS = {"momentum": TEAL, "adaptive rate": GOLD, "both: Adam": BLUE}
STEEP, STEPS = 40.0, 120


def _valley() -> dict[str, Make]:
    return {
        "momentum": lambda p: SGD(p, lr=0.01, momentum=0.9),
        "adaptive rate": lambda p: Adam(p, lr=0.1, betas=(0.0, 0.99)),
        "both: Adam": lambda p: Adam(p, lr=0.1, betas=(0.9, 0.99)),
    }


def _digits() -> dict[str, Make]:
    return {
        "momentum": lambda p: SGD(p, lr=0.01, momentum=0.9),
        "adaptive rate": lambda p: Adam(p, lr=0.001, betas=(0.0, 0.999)),
        "both: Adam": lambda p: Adam(p, lr=0.001),
    }


def descent(make: Make) -> np.ndarray:
    """Return the path on ½(x² + 40 y²) from (−2.5, 1), (steps + 1, 2)."""
    place = torch.tensor([-2.5, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer, scale = make([place]), torch.tensor([1.0, STEEP], dtype=torch.float64)
    path = [place.tolist()]
    for _ in range(STEPS):
        place.grad = place.detach() * scale
        optimizer.step()
        path.append(place.tolist())
    return np.array(path)


@one_thread()
def training(make: Make, seed: int) -> np.ndarray:
    """Return the loss of each batch, smoothed, over 200 steps on digits."""
    data, model = task(seed), network(seed)
    optimizer, smooth, curve = make(list(model.parameters())), 0.0, []
    for step, chosen in enumerate(batches(len(data.train_y), 64, 200, seed), start=1):
        loss = loss_and_gradient(model, data.train_x[chosen], data.train_y[chosen])
        optimizer.step()
        smooth = 0.9 * smooth + 0.1 * loss
        curve.append(smooth / (1 - 0.9**step))
    return np.array(curve)


def first_step(make: Make, gradient: float) -> float:
    """Return how far the first step goes from 0."""
    place = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    place.grad = torch.full((1,), gradient, dtype=torch.float64)
    make([place]).step()
    return abs(float(place.detach()))


def figure(seed: int) -> Figure:
    """Return the figure: paths in a valley, losses on digits, lengths of the first step."""
    scales = np.logspace(-6, 6, 13)
    adam = [first_step(lambda p: Adam(p, lr=0.001), scale) for scale in scales]
    sgd = [first_step(lambda p: SGD(p, lr=0.001), scale) for scale in scales]
    losses = {name: training(make, seed) for name, make in _digits().items()}
    numbers = [
        Number(
            what=f"first step / lr, gradient {scale:g}",
            ours=f"{first_step(lambda p: Adam(p, lr=0.001), scale) / 0.001:.9f}",
            reference=f"{scale / (scale + 1e-8):.9f}",
            source="|g| / (|g| + ε), by hand",
        )
        for scale in (1e-6, 1.0, 1e6)
    ]
    return Figure(
        title="Adam is momentum times an adaptive rate, and its first step is ±lr",
        panels=(_valley_panel(), _loss_panel(losses), _first_panel(scales, adam, sgd)),
        caption="First: ½(x² + 40y²), where one rate does not fit both directions; momentum "
        "swings across, the adaptive rate goes straight, Adam does both and turns in. Second: "
        "digits, a perceptron with two hidden layers of 128. Third: after one step the corrected "
        "moments are g and g², so the gradient's size cancels.",
        numbers=tuple(numbers),
        sources=(task(seed).source,),
    )


def _valley_panel() -> str:
    paths = {name: descent(make) for name, make in _valley().items()}

    def paint(ax: Axes) -> None:
        x, y = np.meshgrid(np.linspace(-3, 1, 80), np.linspace(-1.3, 1.9, 80))
        levels = [0.05, 0.5, 2, 6, 14, 28]
        ax.contour(x, y, (x**2 + STEEP * y**2) / 2, levels=levels, colors=AXIS, linewidths=0.8)
        for name, path in paths.items():
            ax.plot(*path.T, color=COLOURS[name], lw=1.5)
            ax.plot(*path[-1], "o", color=COLOURS[name], ms=6)
        ax.plot(0, 0, "+", color=INK, ms=9)
        ax.set(xlim=(-3, 1), ylim=(-1.3, 1.9), xticks=[-3, -2, -1, 0, 1], yticks=[-1, 0, 1])
        ax.grid(False)
        ax.set_title("A narrow valley")
        for place, name in enumerate(COLOURS):
            ax.text(
                0.98,
                0.92 - 0.085 * place,
                name,
                color=COLOURS[name],
                ha="right",
                transform=ax.transAxes,
            )

    return panel(
        paint,
        alt="Three paths down a narrow valley: momentum swings across it, the "
        "adaptive rate goes diagonally, Adam curves to the minimum.",
        width=THIRD,
        height=250,
    )


def _loss_panel(losses: dict[str, np.ndarray]) -> str:
    def paint(ax: Axes) -> None:
        for name, curve in losses.items():
            ax.plot(curve, color=COLOURS[name])
        ax.set(xlim=(0, 200), ylim=(0, 2.5), yticks=[0, 1, 2])
        ax.set_title("Training loss, digits")
        ax.set_xlabel("step")
        short = {"momentum": "mom.", "adaptive rate": "adapt.", "both: Adam": "both"}
        ends = [(float(curve[-1]), short[name], COLOURS[name]) for name, curve in losses.items()]
        end_labels(ax, ends, gap=0.09)

    return panel(
        paint, alt="Loss over 200 steps: both parts together fall fastest.", width=THIRD, height=250
    )


def _first_panel(scales: np.ndarray, adam: list[float], sgd: list[float]) -> str:
    def paint(ax: Axes) -> None:
        ax.plot(scales, np.array(adam) / 0.001, color=BLUE)
        ax.plot(scales, np.array(sgd) / 0.001, color=MUTED)
        log_axis(ax, "xy", count=5)
        ax.set_title("First step / lr")
        ax.set_xlabel("size of the gradient")
        ax.text(2e-6, 4, "Adam", color=BLUE)
        ax.text(2e2, 1e5, "SGD", color=MUTED, ha="right")

    return panel(
        paint,
        alt="Adam's first step equals lr for gradients from 1e-6 to 1e6; SGD's "
        "grows with the gradient.",
        width=THIRD,
        height=250,
    )
