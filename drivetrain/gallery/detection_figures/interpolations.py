"""Three ways to average one curve: an example that cannot tell them apart, and one that does."""

import numpy as np

from drivetrain.detection import Detections, GroundTruth, evaluate
from drivetrain.detection.examples import (
    ARTICLE_FLAGS,
    ARTICLE_PRECISION,
    ARTICLE_RECALL,
    ARTICLE_TRUTHS,
    survey_data,
    survey_style,
)
from drivetrain.detection.pr_curve import Curve
from drivetrain.gallery.detection_report.curves import curve_panel
from drivetrain.gallery.page.draw import HALF
from drivetrain.gallery.page.section import Figure, Number, Table

READ = {"voc2007": "11-point", "voc2010": "all-point", "coco": "101-point"}
ARTICLE = dict.fromkeys(READ, 0.5)
# The survey itself prints .2684 and .2457.
SURVEY = {
    "voc2007": 0.26839826839826836,
    "voc2010": 0.24568668046928915,
    "coco": 0.24816021974868288,
}


def article_data() -> tuple[GroundTruth, Detections]:
    """Return the article's example as boxes: a truth an image, hit exactly or missed entirely."""
    hits = np.cumsum(ARTICLE_FLAGS)
    box, far = [0, 0, 50, 50], [400, 400, 50, 50]
    return (
        GroundTruth.from_arrays(
            images=np.arange(1, ARTICLE_TRUTHS + 1),
            categories=np.ones(ARTICLE_TRUTHS),
            boxes=[box] * ARTICLE_TRUTHS,
        ),
        Detections.from_arrays(
            images=[int(hit) if flag else 1 for flag, hit in zip(ARTICLE_FLAGS, hits, strict=True)],
            categories=np.ones(len(ARTICLE_FLAGS)),
            scores=np.linspace(1, 0.1, len(ARTICLE_FLAGS)),
            boxes=[box if flag else far for flag in ARTICLE_FLAGS],
        ),
    )


def figure(seed: int) -> Figure:
    """Return the figure: both curves, the article's table, and the six areas."""
    curves = {}
    numbers = []
    for name, data, expected in (
        ("article", article_data(), ARTICLE),
        ("survey", survey_data(), SURVEY),
    ):
        results = evaluate(*data, style=[survey_style(style) for style in READ])
        curves[name] = results["coco"].pr_curve(1)
        for style, result in results.items():
            numbers.append(
                Number(
                    what=f"{name}: {style} ({READ[style]})",
                    ours=repr(result.ap),
                    reference=repr(expected[style]),
                    source="the article" if name == "article" else "the survey's example",
                )
            )
    return Figure(
        title="An example that rates .5 by every rule proves none; 24 detections tell them apart",
        panels=(
            curve_panel(curves["article"], "the article's: 7 truths, 10 detections", width=HALF),
            curve_panel(curves["survey"], "the survey's: 15 truths, 24 detections", width=HALF),
        ),
        caption="Grey: precision and recall after each detection, by falling score. VOC 2007 "
        "averages the upper envelope at the eleven orange rings, COCO at the 101 blue dots, VOC "
        "2010 takes the area under the green stairs. The article's example was drawn so that all "
        "three give one half.",
        table=_table(curves["article"]),
        numbers=tuple(numbers),
    )


def _table(curve: Curve) -> Table:
    rows = [
        (
            str(rank + 1),
            "TP" if flag else "FP",
            f"{curve.precision[rank]:.4f}",
            f"{ARTICLE_PRECISION[rank]:.4f}",
            f"{curve.recall[rank]:.4f}",
            f"{ARTICLE_RECALL[rank]:.4f}",
        )
        for rank, flag in enumerate(ARTICLE_FLAGS)
    ]
    return Table(
        header=("rank", "is", "precision", "article's", "recall", "article's"),
        rows=tuple(rows),
        note="The article's ten confidences tie eight times at .7: its table holds for one order "
        "of the ties, that of the file.",
    )
