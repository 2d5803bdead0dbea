"""A loss of one's own as a line of torch, and a table that is read in chunks."""

import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.chunks.datasets import dataset_from_chunks
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.custom import torch_loss
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.robust import PseudoHuber
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost
from drivetrain.gallery.boosting_figures.explained import fingerprint
from drivetrain.gallery.boosting_figures.task import Task, task
from drivetrain.gallery.page.draw import HALF, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, INK, MUTED, ORANGE
from drivetrain.gallery.page.section import Figure, Number, Table

ROUNDS, ROWS, CHUNK, SLOPE = 30, 20_000, 3000, 20.0


def linex(margin: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return a loss that minds predicting too little more than too much: exp(d) - d - 1."""
    d = ((label - margin) / SLOPE).clamp(max=8)
    return SLOPE**2 * (torch.exp(d) - d - 1)


def pseudo_huber(margin: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return the loss of reg:pseudohubererror, for autograd to differentiate."""
    return SLOPE**2 * (torch.sqrt(1 + ((margin - label) / SLOPE) ** 2) - 1)


def figure(seed: int) -> Figure:
    """Return the figure: errors under two losses, and models of chunks beside one in memory."""
    here = task(seed)
    n = min(ROWS, len(here.train))
    train = Dataset(x=here.train.x[:n], label=here.train.labels[:n])
    models = {
        "squared error": _fit(train, SquaredError()),
        "own loss": _fit(train, torch_loss(linex)),
    }
    off = {name: _off(model, here) for name, model in models.items()}
    whole = fingerprint(models["squared error"])
    pieces = in_chunks(train, CHUNK)
    rows = [("in memory", "1", whole[:24]), (f"chunks of {CHUNK:,} rows", *pieces)]
    late = {name: float((one > 0).mean()) for name, one in off.items()}
    return Figure(
        title=f"With a loss of one's own, {late['own loss']:.0%} of {here.rows} end above the "
        f"prediction, not {late['squared error']:.0%}",
        panels=(_losses(), _errors(off)),
        caption="The own loss is a line of torch: too low a prediction costs exponentially, too "
        "high a one linearly. Autograd differentiates it twice. Right: target less prediction on "
        f"{len(here.held):,} {here.rows} held out. The table: the same trees from rows read in "
        "chunks whose bins lie on disk.",
        table=Table(
            header=("the rows are", "pieces", "SHA-256 of the model file"),
            rows=tuple(rows),
        ),
        numbers=_numbers(_same(train, here), int(pieces[1] != whole[:24])),
        sources=(here.source,),
    )


def _numbers(off: float, files: int) -> tuple[Number, ...]:
    return (
        Number(
            what="reg:pseudohubererror and the same by torch: difference of margins, of the "
            "greatest",
            ours=f"{off:.1e}",
            reference="0",
            source="closed derivatives, float32",
        ),
        Number(
            what="model files that differ, in memory and in chunks",
            ours=str(files),
            reference="0",
            source="the same bits",
        ),
    )


def _fit(data: Dataset, objective: Objective) -> Booster:
    return boost(data, objective, Settings(n_estimators=ROUNDS, learning_rate=0.2))[0]


def _off(model: Booster, here: Task) -> NDArray[np.float64]:
    return here.held.target.astype(np.float64) - model.margin(here.held.x)[:, 0]


def _same(train: Dataset, here: Task) -> float:
    few = train.take(np.arange(min(3000, len(train))))
    start = Settings(n_estimators=5)
    # Both begin at 0: losses of one's own know no better start.
    begin = np.zeros((len(few), 1), np.float32)
    level = Dataset(x=few.x, label=few.labels, base_margin=begin)
    models = [boost(level, one, start)[0] for one in (PseudoHuber(SLOPE), torch_loss(pseudo_huber))]
    x = here.held.x[:2000]
    zero = np.zeros((len(x), 1), np.float32)
    a, b = (model.margin(x, base_margin=zero) for model in models)
    return float(np.abs(a - b).max() / np.abs(a).max())


def in_chunks(train: Dataset, rows: int) -> tuple[str, str]:
    """Return how many chunks the rows are read in, and the hash of the model that they give."""

    def read() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for begin in range(0, len(train), rows):
            yield train.x[begin : begin + rows], train.target[begin : begin + rows]

    with tempfile.TemporaryDirectory() as folder:
        data = dataset_from_chunks(read, cache=folder)
        model = _fit(data, SquaredError())
    return str(-(-len(train) // rows)), fingerprint(model)[:24]


def _losses() -> str:
    d = np.linspace(-60, 60, 121)

    def paint(ax: Axes) -> None:
        own = linex(torch.zeros(len(d), dtype=torch.float64), torch.from_numpy(d)).numpy()
        ax.plot(d, d**2 / 2, color=BLUE)
        ax.plot(d, own, color=ORANGE)
        ax.text(-58, 1650, "squared error", color=BLUE)
        ax.text(22, 2300, "own loss", color=ORANGE, ha="right")
        ax.set(xlim=(-60, 60), ylim=(0, 2600), xlabel="target − prediction")
        ax.set_title("loss")

    return panel(paint, alt="Squared error, and exp(d) - d - 1.", width=HALF, height=280)


def _errors(off: dict[str, NDArray[np.float64]]) -> str:
    edges = np.linspace(-70, 70, 57)

    def paint(ax: Axes) -> None:
        for ink, (name, one) in zip((BLUE, ORANGE), off.items()):
            counts, _ = np.histogram(one, edges)
            ax.stairs(counts, edges, color=ink, lw=1.8)
            ax.stairs(counts, edges, color=ink, fill=True, alpha=0.12)
            middle = float(np.median(one))
            ax.text(68, counts.max() * (0.98 if ink == BLUE else 0.86), f"{name}: median "
                    f"{middle:+.1f}".replace("-", "−"), color=ink, ha="right", size=11)  # fmt: skip
        ax.axvline(0, color=AXIS, lw=1)
        ax.set(xlim=(-70, 70), xlabel="target − prediction", ylabel="rows")
        ax.yaxis.label.set_color(MUTED)
        ax.set_title("errors on held-out rows", color=INK)

    said = "; ".join(f"{name}: median {np.median(one):.1f}" for name, one in off.items())
    return panel(paint, alt=f"Histograms of errors. {said}.", width=HALF, height=280)
