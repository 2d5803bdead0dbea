"""Why four protocols say four numbers of the same detections, in parts that sum exactly."""

from itertools import pairwise

from drivetrain.detection import evaluate
from drivetrain.detection.protocols import decompose
from drivetrain.gallery.detection_figures.task import B, task
from drivetrain.gallery.detection_report.gaps import rows, total, waterfall
from drivetrain.gallery.page.section import Figure, Table

PATH = ("coco", "voc2007", "voc2010", "ultralytics")


def figure(seed: int) -> Figure:
    """Return the figure: the walk from COCO by VOC 2007 and 2010 to Ultralytics."""
    here = task(seed)
    results = evaluate(here.truth, here.found[B], style=PATH)
    gaps = [decompose(results[a], results[b]) for a, b in pairwise(PATH)]
    first, *rest = (rows(gap) for gap in gaps)
    values = ", ".join(f"{results[name].ap:.3f}" for name in PATH)
    return Figure(
        title=f"One detector, four protocols, four numbers: {values}",
        panels=(waterfall(gaps),),
        caption="The same 200 composed scenes and the same detections of the small network B. From "
        "one protocol (blue) to the next, one rule is switched at a time; every bar is the number "
        "after less the number before. Crowds are heaps of digits under one box; digits that are "
        "two fifths covered are flagged to be ignored, as VOC flags difficult ones.",
        table=Table(
            header=("rule", "from, to", "change", "number", "detections"),
            rows=(*first, *(row for part in rest for row in part[1:])),
            note="Changes are exact decimals of the doubles. Detections: those whose fate changed.",
        ),
        numbers=tuple(total(gap) for gap in gaps),
        sources=(here.source,),
    )
