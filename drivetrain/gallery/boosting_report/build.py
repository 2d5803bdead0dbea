"""Makes the report of a boosted model: one self-contained page, no network, no script."""

import os

from drivetrain import __version__
from drivetrain.boosting.booster import Booster
from drivetrain.boosting.tables import Model
from drivetrain.core.files import write_text
from drivetrain.gallery.boosting_report import (
    calibration,
    columns,
    dependence,
    importances,
    learning,
    residuals,
    run,
    scores,
    shapley,
    tree,
)
from drivetrain.gallery.boosting_report.subject import Subject
from drivetrain.gallery.page.report import Part, render_report
from drivetrain.gallery.page.section import Figure


def write_report(subject: Subject, out: str | os.PathLike[str], *, seed: int = 0) -> None:
    """Write the report of a model as one self-contained HTML page.

    Args:
        subject: The model, its rows, and what is known of the run.
        out: The file. An older page there stays until the new one is whole.
        seed: Of the samples of rows that are drawn.

    Raises:
        OSError: The file cannot be written.
    """
    parts = _parts(subject, seed)
    held = parts[0].figures[0]
    write_text(
        out,
        render_report(
            parts,
            brand="drivetrain boosting",
            title=f"{subject.target}: {held.title}",
            headline=held.title,
            lead=_lead(subject),
            footer=("What was fitted", _footer(subject)),
        ),
    )


def _parts(subject: Subject, seed: int) -> list[Part]:
    made: dict[str, list[Figure | None]] = {
        "Numbers": [scores.figure(subject)],
        "Learning curve": [learning.figure(subject)],
        "Importances": [importances.figure(subject)],
        "Shapley values": [shapley.figure(subject, seed)],
        "Partial dependence": [dependence.figure(subject, seed)],
        "A tree": [tree.figure(subject)],
        "Calibration": [*calibration.figures(subject)],
        "Residuals": [residuals.figure(subject, seed)],
        "Columns": [columns.figure(subject)],
        "Settings": [run.figure(subject)],
    }
    return [
        Part(name=name, figures=[figure for figure in figures if figure is not None])
        for name, figures in made.items()
    ]


def _lead(subject: Subject) -> str:
    model = subject.model
    what = {"classes": f"{len(subject.class_names)} classes of", "levels": "levels of"}
    return (
        f"Predicts {what.get(subject.task, '')} {subject.target} from "
        f"{model.n_features} feature{'s' if model.n_features != 1 else ''} by "
        f"{what_of(model)}, fitted to {len(subject.train):,} rows; "
        f"{len(subject.held):,} rows were held out ({subject.how or 'given'})."
    ).replace("  ", " ")


def what_of(model: Model) -> str:
    """Return the size of a model in words."""
    return f"{len(model.forest):,} trees" if isinstance(model, Booster) else "a linear model"


def _footer(subject: Subject) -> list[str]:
    return [f"Table: {subject.source}", f"Target: {subject.target}", f"drivetrain {__version__}"]
