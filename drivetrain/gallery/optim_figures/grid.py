"""Loshchilov and Hutter's grid: test accuracy over learning rate and weight decay."""

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy, unfold

from drivetrain.gallery.optim_figures.task import batches, one_thread, task
from drivetrain.gallery.page.draw import heat, panel
from drivetrain.gallery.page.palette import INK
from drivetrain.gallery.page.section import Figure, Number
from drivetrain.optim import Adam, AdamW
from drivetrain.optim.schedules import Multiplier

RATES = tuple(0.004 * 2**k for k in range(5))
DECAYS = {
    "Adam + L2": (0.0, 3e-4, 7e-4, 2e-3, 5e-3, 1e-2, 3e-2),
    "AdamW": (0.0, 0.03, 0.08, 0.2, 0.5, 1.2, 3.0),
}
TRAIN, BATCH, EPOCHS, FILTERS, HIDDEN, WRONG = 300, 100, 45, 8, 32, 0.3


class Nets:
    """Many small CNNs of equal weights at the start, computed together by batched products.

    A net is one slice of every weight. The slices are handed to the optimizer as parameters of
    a group each, with that net's own learning rate and decay, and it steps them all at once.

    Shapes: c nets, b pictures, p = 36 patches of 9 pixels, f filters, h hidden units.
    """

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def weight(*shape: int) -> Tensor:
            one = torch.randn(1, *shape, generator=generator) * (2 / shape[0]) ** 0.5
            return one.repeat(count, 1, 1).requires_grad_()

        def bias(width: int) -> Tensor:
            return torch.zeros(count, 1, width, requires_grad=True)

        inner = 9 * FILTERS
        self.count = count
        self.stacked = [
            *(weight(9, FILTERS), bias(FILTERS)),
            *(weight(inner, HIDDEN), bias(HIDDEN)),
            *(weight(HIDDEN, 10), bias(10)),
        ]

    def slices(self, net: int) -> list[Tensor]:
        """Return the parameters of one net, which share memory with the stacked ones."""
        return [stack.detach()[net].requires_grad_() for stack in self.stacked]

    def __call__(self, patches_bpk: Tensor) -> Tensor:
        """Return logits, (c, b, 10)."""
        w1, b1, w2, b2, w3, b3 = self.stacked
        b = len(patches_bpk)
        rows = patches_bpk.reshape(1, b * 36, 9).expand(self.count, -1, -1)
        maps = torch.baddbmm(b1, rows, w1).relu().view(self.count * b, 6, 6, FILTERS)
        pooled = avg_pool2d(maps.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        hidden = torch.baddbmm(b2, pooled.reshape(self.count, b, 9 * FILTERS), w2).relu()
        return torch.baddbmm(b3, hidden, w3)


@one_thread()
def accuracies(kind: str, seed: int) -> NDArray[np.float64]:
    """Train a net for every cell; return test accuracies in percent, (rates, decays)."""
    data = task(seed, TRAIN)
    patches_train, patches_test = _patches(data.train_x), _patches(data.test_x)
    labels = _spoiled(data.train_y, seed)
    cells = [(rate, decay) for rate in RATES for decay in DECAYS[kind]]
    nets = Nets(len(cells), seed)
    params = [nets.slices(net) for net in range(nets.count)]
    groups: list[dict[str, Any]] = [
        {"params": own, "lr": rate, "weight_decay": decay}
        for own, (rate, decay) in zip(params, cells, strict=True)
    ]
    optimizer = (AdamW if kind == "AdamW" else Adam)(groups)
    steps = EPOCHS * TRAIN // BATCH
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, Multiplier(total_steps=steps))
    for chosen in batches(TRAIN, BATCH, steps, seed):
        logits = nets(patches_train[chosen])
        target = labels[chosen].repeat(nets.count)
        loss = cross_entropy(logits.reshape(-1, 10), target, reduction="sum") / BATCH
        gradients = torch.autograd.grad(loss, nets.stacked)
        for net, own in enumerate(params):
            for parameter, gradient in zip(own, gradients, strict=True):
                parameter.grad = gradient[net]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        right = nets(patches_test).argmax(-1) == data.test_y
    return 100 * right.double().mean(1).view(len(RATES), -1).numpy()


def _patches(rows: Tensor) -> Tensor:
    return unfold(rows.view(-1, 1, 8, 8), 3).transpose(1, 2).contiguous()


def _spoiled(labels: Tensor, seed: int) -> Tensor:
    # A net that memorises these is wrong on the test set: without them nothing needs decay.
    generator = torch.Generator().manual_seed(seed)
    spoil = torch.rand(len(labels), generator=generator) < WRONG
    drawn = torch.randint(0, 10, labels.shape, generator=generator)
    return torch.where(spoil, drawn, labels)


def figure(seed: int) -> Figure:
    """Return the figure: the two heat maps."""
    grids = {kind: accuracies(kind, seed) for kind in DECAYS}
    panels = tuple(_heat_map(kind, grid) for kind, grid in grids.items())
    numbers = []
    for kind, grid in grids.items():
        best = int(grid.mean(0).argmax())
        numbers.append(
            Number(
                what=f"{kind}: mean over learning rates at λ = {DECAYS[kind][best]:g}",
                ours=f"{grid[:, best].mean():.1f} %",
                reference=f"{grid[:, 0].mean():.1f} %",
                source="the same nets without decay",
            )
        )
    return Figure(
        title="Where nets can memorise, decay decides: the grid of learning rate and weight decay",
        panels=panels,
        caption=f"Test accuracy in percent of {2 * len(RATES) * 7} small CNNs on 1,000 digits, "
        f"each trained for {EPOCHS} epochs on {TRAIN} others, {WRONG:.0%} of whose labels were "
        "redrawn at random, under a cosine schedule. The best decay of each row is outlined; "
        "the standard error of a cell is about 1. All cells of a map are trained at once: one "
        "parameter group a net, one optimizer step for all.",
        numbers=tuple(numbers),
        sources=(task(seed, TRAIN).source,),
    )


def _heat_map(kind: str, grid: NDArray[np.float64]) -> str:
    def paint(ax: Axes) -> None:
        heat(
            ax,
            grid,
            columns=[f"{decay:g}".replace("0.", ".", 1) for decay in DECAYS[kind]],
            rows=[f"{rate:g}".replace("0.", ".", 1) for rate in RATES],
            low=70,
            high=90,
        )
        for row, column in enumerate(grid.argmax(1)):
            ring = Rectangle((column - 0.48, row - 0.47), 0.96, 0.94, fill=False, ec=INK, lw=1.6)
            ax.add_patch(ring)
        ax.set_title(kind)
        ax.set_xlabel("weight decay λ")
        ax.set_ylabel("learning rate")

    return panel(paint, alt=f"Heat map of test accuracy, {kind}: best {grid.max():.0f} percent.")
