"""torch, ours, torch again: optimizers exchanged in mid-run through their state dicts."""

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
from drivetrain.gallery.page.draw import panel
from drivetrain.gallery.page.palette import AXIS, BLUE, MUTED
from drivetrain.gallery.page.section import Figure, Number
from drivetrain.optim import AdamW

LEG, RATE, DECAY = 100, 0.001, 0.01


@one_thread()
def run(legs: tuple[type, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Train with each optimizer in turn; return the losses and all parameters of each step."""
    data, model = task(seed), network(seed, width=64)
    stream = batches(len(data.train_y), 64, LEG * len(legs), seed)
    losses, places, state = [], [], None
    for kind in legs:
        optimizer = kind(model.parameters(), lr=RATE, weight_decay=DECAY)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(LEG):
            chosen = next(stream)
            losses.append(loss_and_gradient(model, data.train_x[chosen], data.train_y[chosen]))
            optimizer.step()
            places.append(nn.utils.parameters_to_vector(model.parameters()).detach().numpy())
        state = optimizer.state_dict()
    return np.array(losses), np.array(places)


LEGS = ((0, "torch", MUTED), (LEG, "drivetrain", BLUE), (2 * LEG, "torch", MUTED))


def figure(seed: int) -> Figure:
    """Return the figure: the loss across two swaps, and its distance to torch alone."""
    plain = torch.optim.AdamW
    losses, places = run((plain, AdamW, plain), seed)
    reference, reference_places = run((plain, plain, plain), seed)
    _, reruns = run((AdamW, AdamW, AdamW), seed)
    apart = np.abs(places - reference_places).max(1)
    differences = {
        "largest difference of a loss": np.abs(losses - reference).max(),
        "largest difference of a parameter": apart.max(),
        f"the same, ours for all {3 * LEG} steps": np.abs(reruns - reference_places).max(),
    }
    return Figure(
        title="Swap the optimizer in mid-training, both ways: the curve does not notice",
        panels=(_loss_panel(losses), _distance_panel(apart)),
        caption=f"{LEG} steps of torch.optim.AdamW, {LEG} of ours, {LEG} of torch's again, each "
        "loading the state dict of the one before. Beside it, how far the parameters ever are "
        "from a run of torch alone on the same batches: rounding, amplified by training.",
        numbers=tuple(
            Number(what=what, ours=f"{gap:.1e}", reference="0", source="torch alone, same batches")
            for what, gap in differences.items()
        ),
        sources=(task(seed).source,),
    )


def _loss_panel(losses: np.ndarray) -> str:
    def paint(ax: Axes) -> None:
        for first, name, colour in LEGS:
            steps = np.arange(first, min(first + LEG + 1, len(losses)))
            ax.plot(steps, losses[steps], color=colour)
            ax.text(first + LEG / 2, 2.42, name, color=colour, ha="center", weight="bold")
            ax.axvline(first, color=AXIS, lw=1, ls=(0, (3, 3)))
        ax.set(xlim=(0, 3 * LEG), ylim=(0, 2.6))
        ax.set_title("One loss curve")
        ax.set_xlabel("step")

    return panel(paint, alt="A loss curve falls smoothly across two swaps of the optimizer.")


def _distance_panel(apart: np.ndarray) -> str:
    def paint(ax: Axes) -> None:
        ax.plot(apart / np.finfo(np.float32).eps, color=BLUE)
        ax.set_xlim(0, 3 * LEG)
        ax.set_ylim(bottom=0)
        for first in (LEG, 2 * LEG):
            ax.axvline(first, color=AXIS, lw=1, ls=(0, (3, 3)))
        ax.set_title("max |θ − θ of torch alone|, in float32 epsilons")
        ax.set_xlabel("step")

    most = f"{apart.max():.1e}"
    return panel(paint, alt=f"The largest distance to an all-torch run is {most}.")
