"""The page of `drivetrain boosting explain`: which features move a table's predictions."""

import os

import numpy as np
from numpy.typing import NDArray

from drivetrain import __version__
from drivetrain.boosting.tables import Encoded, Model, classes_of
from drivetrain.core.files import write_text
from drivetrain.gallery.boosting_report import shapley
from drivetrain.gallery.boosting_report.build import what_of
from drivetrain.gallery.boosting_report.subject import brief, short
from drivetrain.gallery.boosting_report.waterfall import waterfall
from drivetrain.gallery.page.report import Part, render_report
from drivetrain.gallery.page.section import Figure, Table

ROWS, OUTPUTS = 600, 4


def write_explained(
    model: Model,
    encoded: Encoded,
    values: NDArray[np.float64],
    out: str | os.PathLike[str],
    *,
    source: str,
) -> None:
    """Write pictures of Shapley values as one self-contained page.

    Args:
        model: What was explained.
        encoded: The table's rows.
        values: Their Shapley values, (n, groups, F + 1).
        out: The file.
        source: Where the table comes from.

    Raises:
        OSError: The file cannot be written.
    """
    groups = values.shape[1]
    told = classes_of(model)
    labels = told if len(told) == groups else tuple(f"output {k}" for k in range(groups))
    moved = np.abs(values[:, :, :-1]).mean(axis=(0, 1))
    first = encoded.names[int(moved.argmax())]
    headline = f"{first} moves predictions most"
    parts = [
        Part(name="Strength", figures=[_strength(encoded, values, labels)]),
        Part(name="Rows", figures=_swarms(encoded, values, labels)),
        Part(name="The largest and the least", figures=_extremes(encoded, values, labels)),
    ]
    page = render_report(
        parts,
        brand="drivetrain boosting explain",
        title=headline,
        headline=headline,
        lead=f"Exact Shapley values of {len(values):,} rows under {what_of(model)}: how "
        "far each feature moved each margin from the mean.",
        footer=("What was explained", [f"Table: {source}", f"drivetrain {__version__}"]),
    )
    write_text(out, page)


def _strength(encoded: Encoded, values: NDArray[np.float64], labels: tuple[str, ...]) -> Figure:
    strength = np.abs(values[:, :, :-1]).mean(axis=(0, 1))
    order = np.argsort(-strength, kind="stable")
    return Figure(
        title=f"Mean absolute change of the margin, {int((strength > 0).sum())} features",
        panels=(shapley.bars(encoded.names, values, labels),),
        table=Table(
            header=("feature", "mean absolute change", "mean change"),
            rows=tuple(
                (encoded.names[f], f"{strength[f]:.5g}", f"{values[:, :, f].mean():+.4g}")
                for f in order
            ),
        ),
    )


def _swarms(encoded: Encoded, values: NDArray[np.float64], labels: tuple[str, ...]) -> list[Figure]:
    n = len(values)
    rows = np.sort(np.random.default_rng(0).permutation(n)[:ROWS])
    words = encoded.categorical.tolist()
    panels = tuple(
        shapley.swarm(
            encoded.names, values[rows, k, :-1], encoded.x[rows], words,
            title=f"towards {brief(labels[k])}" if len(labels) > 1 else "",
        )
        for k in range(min(len(labels), OUTPUTS))
    )  # fmt: skip
    return [
        Figure(
            title=f"{len(rows):,} rows, a dot each",
            panels=panels,
            caption="Right: the feature moved the margin up. Blue dots have low values of the "
            "feature, orange high ones; purple are words, rings are missing.",
        )
    ]


def _extremes(
    encoded: Encoded, values: NDArray[np.float64], labels: tuple[str, ...]
) -> list[Figure]:
    margin = values[:, 0].sum(axis=1)
    of = f" of {brief(labels[0])}" if len(labels) > 1 else ""
    return [
        Figure(
            title=f"Row {row}: the {word} margin{of}, {short(float(margin[row]))}",
            panels=(waterfall(encoded, row, values[row, 0]),),
            caption="From the mean of the rows the model was fitted to, feature by feature.",
        )
        for word, row in (("greatest", int(margin.argmax())), ("least", int(margin.argmin())))
    ]
