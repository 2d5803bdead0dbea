"""The two units that a decoupled decay is measured in: lr·λ as in torch, η·λ as in the paper."""

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import nn

from drivetrain.gallery.optim_figures.task import (
    batches,
    loss_and_gradient,
    network,
    one_thread,
    task,
)
from drivetrain.gallery.page.draw import end_labels, panel
from drivetrain.gallery.page.palette import BLUE, GOLD, TEAL
from drivetrain.gallery.page.section import Figure, Number
from drivetrain.optim import AdamW
from drivetrain.optim.schedules import Multiplier

STEPS = 300
RATES = (0.0005, 0.001, 0.002)
# Equal at the middle rate: lr·λ of the one is η·λ of the other.
DECAY = {"lr": 4.0, "schedule": 0.004}
COLOURS = dict(zip(RATES, (TEAL, BLUE, GOLD), strict=True))


@one_thread()
def run(decay: str, rate: float, seed: int) -> tuple[np.ndarray, nn.Module]:
    """Train on digits under a cosine schedule; return ‖θ‖ over the steps, and the model."""
    data, model = task(seed), network(seed, width=64).double()
    optimizer = AdamW(model.parameters(), lr=rate, weight_decay=DECAY[decay], decay=decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, Multiplier(total_steps=STEPS))
    norms = [_norm(model)]
    for chosen in batches(len(data.train_y), 64, STEPS, seed):
        loss_and_gradient(model, data.train_x[chosen], data.train_y[chosen])
        optimizer.step()
        schedule.step()
        norms.append(_norm(model))
    return np.array(norms), model


def _norm(model: nn.Module) -> float:
    return float(sum(float((p.detach() ** 2).sum()) for p in model.parameters()) ** 0.5)


def _golden() -> float:
    """θ₂ of the paper's rule after η = 1, ½, ¼, whose reference value is known."""
    place = torch.tensor([2.0, -1.0], dtype=torch.float64, requires_grad=True)
    optimizer = AdamW([place], lr=0.1, weight_decay=0.1, decay="schedule")
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)  # leaves initial_lr behind
    gradients = ((0.5, 0.01), (-0.2, 0.02), (0.1, 0.03))
    for factor, gradient in zip((1, 0.5, 0.25), gradients, strict=True):
        optimizer.param_groups[0]["lr"] = 0.1 * factor
        place.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    return float(place.detach()[1])


Runs = dict[tuple[str, float], tuple[np.ndarray, nn.Module]]


def figure(seed: int) -> Figure:
    """Return the figure: parameter norms under both rules for three learning rates."""
    runs = {(decay, rate): run(decay, rate, seed) for decay in DECAY for rate in RATES}
    pair = [runs[decay, RATES[1]][1] for decay in DECAY]
    gap = max(
        float((a - b).detach().abs().max())
        for a, b in zip(pair[0].parameters(), pair[1].parameters(), strict=True)
    )
    return Figure(
        title="Two rules of decoupled decay: only torch's follows the learning rate",
        panels=(
            _norms_panel(runs, "lr", f"decay lr·λ, λ = {DECAY['lr']:g}"),
            _norms_panel(runs, "schedule", f"decay η·λ, λ = {DECAY['schedule']:g}"),
        ),
        caption="Norm of all parameters of a perceptron learning digits under a cosine schedule. "
        'Both rules fade with the schedule. Change the base rate, and decay="lr" changes the '
        'decay with it; decay="schedule" leaves it alone. At lr 0.001 both are the same run.',
        numbers=(
            Number(
                what="largest difference of parameters at lr 0.001",
                ours=f"{gap:.1e}" if gap else "0",
                reference="0",
                source="lr·4 = η·0.004, rounding apart",
            ),
            Number(
                what="θ₂ after η = 1, ½, ¼ (decay η·λ)",
                ours=repr(_golden()),
                reference="-0.9972525208986154",
                source="Loshchilov and Hutter, algorithm 2",
            ),
        ),
        sources=(task(seed).source,),
    )


def _norms_panel(runs: Runs, decay: str, title: str) -> str:
    last = {rate: float(runs[decay, rate][0][-1]) for rate in RATES}

    def paint(ax: Axes) -> None:
        for rate in RATES:
            ax.plot(runs[decay, rate][0], color=COLOURS[rate])
        ax.set(xlim=(0, STEPS), ylim=(0, 1.1 * runs["lr", RATES[0]][0].max()))
        ax.set_title(title)
        ax.set_xlabel("step")
        ax.set_ylabel("‖θ‖")
        end_labels(ax, [(norm, f"lr {rate:g}", COLOURS[rate]) for rate, norm in last.items()])

    ends = ", ".join(f"{norm:.1f} at lr {rate:g}" for rate, norm in last.items())
    return panel(paint, alt=f"Norms after {STEPS} steps with {title}: {ends}.")
