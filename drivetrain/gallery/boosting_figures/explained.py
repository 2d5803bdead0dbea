"""What moves a flight's delay; the model through a file; the same bits for any threads."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.files.model import load_model, save_model
from drivetrain.gallery.boosting_figures.task import grown, rmse, task
from drivetrain.gallery.boosting_report.shapley import explained, swarm
from drivetrain.gallery.page.section import Figure, Number, Table

ROUNDS, ROWS, THREADS = 60, 500, (1, 2, 4)


def figure(seed: int) -> Figure:
    """Return the figure: a swarm of Shapley values, their sums, and the model's bits."""
    here = task(seed)
    models = {k: grown(here.train, rounds=ROUNDS, threads=k) for k in THREADS}
    hashes = {k: fingerprint(model) for k, model in models.items()}
    model = models[1]
    x = here.held.x[:ROWS]
    values = explained(model, x)[:, 0]
    off = float(np.abs(values.sum(axis=1) - model.margin(x)[:, 0]).max())
    names = here.train.feature_names
    kinds = here.train.categorical
    words = [False] * len(names) if kinds is None else kinds.tolist()
    strength = np.abs(values[:, :-1]).mean(axis=0)
    first, second = (names[f] for f in np.argsort(-strength)[:2])
    return Figure(
        title=f"{first} decides, {second} corrects: exact Shapley values of {len(x)} {here.rows}",
        panels=(swarm(names, values[:, :-1], x, words),),
        caption=f"{ROUNDS} trees predict {here.what}, off by {rmse(model, here.held):.2f} (RMSE) "
        f"on {len(here.held):,} {here.rows} held out. A dot a row: how far the feature moved the "
        "prediction from the mean. Orange: high values, blue: low ones, purple: words.",
        table=Table(
            header=("threads", "SHA-256 of the model file"),
            rows=tuple((str(k), value[:32]) for k, value in hashes.items()),
            note="Histograms are sums of whole numbers, which no order changes.",
        ),
        numbers=_numbers(off, len(set(hashes.values())), round_trips(model, here.held.x)),
        sources=(here.source,),
    )


def _numbers(off: float, files: int, changed: int) -> tuple[Number, ...]:
    return (
        Number(
            what="greatest difference of a row's Shapley values to its margin",
            ours=f"{off:.1e}",
            reference="0",
            source="additivity; float32 trees",
        ),
        Number(
            what="different model files at 1, 2 and 4 threads",
            ours=str(files),
            reference="1",
            source="the same bits",
        ),
        Number(
            what="margins that differ after writing and reading XGBoost's UBJSON and JSON",
            ours=str(changed),
            reference="0",
            source="the same bits",
        ),
    )


def fingerprint(model: Booster) -> str:
    """Return the SHA-256 of the model's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"
        save_model(model, path)
        return hashlib.sha256(path.read_bytes()).hexdigest()


def round_trips(model: Booster, x: np.ndarray) -> int:
    """Return how many margins change when the model goes through both of its file formats."""
    before = model.margin(x)
    changed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("model.ubj", "model.json"):
            path = Path(folder) / name
            save_model(model, path)
            changed += int((load_model(path).margin(x) != before).sum())
    return changed
