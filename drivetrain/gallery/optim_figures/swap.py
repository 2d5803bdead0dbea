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


def figure(seed: int) -> Figure:
    """Return the figure: the loss across two swaps, and its distance to torch alone."""
    plain, exchanged = torch.optim.AdamW, (torch.optim.AdamW, AdamW, torch.optim.AdamW)
    losses, places = run(exchanged, seed)
    reference, reference_places = run((plain, plain, plain), seed)
    _, reruns = run((AdamW, AdamW, AdamW), seed)
    apart = np.abs(places - reference_places).max(1)
    legs = ((0, "torch", MUTED), (LEG, "drivetrain", BLUE), (2 * LEG, "torch", MUTED))

    def loss(ax: Axes) -> None:
        for first, name, colour in legs:
            steps = np.arange(first, min(first + LEG + 1, len(losses)))
            ax.plot(steps, losses[steps], color=colour)
            ax.text(first + LEG / 2, 2.42, name, color=colour, ha="center", weight="bold")
            ax.axvline(first, color=AXIS, lw=1, ls=(0, (3, 3)))
        ax.set(xlim=(0, 3 * LEG), ylim=(0, 2.6))
        ax.set_title("One loss curve")
        ax.set_xlabel("step")

    def distance(ax: Axes) -> None:
        ax.plot(apart / np.finfo(np.float32).eps, color=BLUE)
        ax.set_xlim(0, 3 * LEG)
        ax.set_ylim(bottom=0)
        ax.axvline(LEG, color=AXIS, lw=1, ls=(0, (3, 3)))
        ax.axvline(2 * LEG, color=AXIS, lw=1, ls=(0, (3, 3)))
        ax.set_title("max |θ − θ of torch alone|, in float32 epsilons")
        ax.set_xlabel("step")

    return Figure(
        title="Swap the optimizer in mid-training, both ways: the curve does not notice",
        panels=(
            panel(loss, alt="A loss curve falls smoothly across two swaps of the optimizer."),
            panel(
                distance,
                alt="The largest distance to the parameters of an all-torch run is "
                f"{apart.max():.1e} over {3 * LEG} steps.",
            ),
        ),
        caption=f"{LEG} steps of torch.optim.AdamW, {LEG} of ours, {LEG} of torch's again, each "
        "loading the state dict of the one before. Beside it, how far the parameters ever are "
        "from a run of torch alone on the same batches: rounding, amplified by training.",
        numbers=(
            Number(
                what="largest difference of a loss",
                ours=f"{np.abs(losses - reference).max():.1e}",
                reference="0",
                source="torch alone, same batches",
            ),
            Number(
                what="largest difference of a parameter",
                ours=f"{apart.max():.1e}",
                reference="0",
                source="torch alone, same batches",
            ),
            Number(
                what="the same, ours for all 300 steps",
                ours=f"{np.abs(reruns - reference_places).max():.1e}",
                reference="0",
                source="torch alone, same batches",
            ),
        ),
        sources=(task(seed).source,),
    )
