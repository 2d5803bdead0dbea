"""What the two detectors get wrong: scenes with most mistakes, and what each kind costs."""

from PIL import Image

from drivetrain.detection import evaluate
from drivetrain.detection.protocols import error_kinds
from drivetrain.gallery.detection_figures.task import A, B, Task, task
from drivetrain.gallery.detection_report.kinds import gains_panel, table
from drivetrain.gallery.detection_report.scenes import Scene, drawn, jpeg, worst
from drivetrain.gallery.page.section import Figure

SHOWN = 3
LOST_BY = {
    "class": "taking digits for others",
    "localisation": "loose boxes",
    "both": "seeing other digits in parts of one",
    "duplicate": "finding digits twice",
    "background": "seeing digits in nothing",
    "missed": "missing digits",
}


def figure(seed: int) -> Figure:
    """Return the figure: the worst scenes of each detector, and the six kinds of errors."""
    here = task(seed)
    results = {name: evaluate(here.truth, found) for name, found in here.found.items()}
    kinds = {name: error_kinds(result) for name, result in results.items()}
    lost = {name: max(LOST_BY, key=one.gains.__getitem__) for name, one in kinds.items()}
    return Figure(
        title=f"A loses most by {LOST_BY[lost[A]]}, B by {LOST_BY[lost[B]]}",
        panels=(
            *(_drawn(here, scene) for scene in worst(results[A], SHOWN)),
            *(_drawn(here, scene) for scene in worst(results[B], SHOWN)),
            gains_panel(kinds),
        ),
        caption="Upper row: the three scenes with most mistakes of A, which takes connected dark "
        "regions for digits and names them by a linear classifier, so digits that touch are one. "
        "Lower row: those of B, a small network that slides over the picture. Orange and dashed: "
        "missed. Purple: false. Green: found. The layout of the scenes is composed; the digits "
        "are real scans. Bars: what AP at IoU .50 gains if one kind of error is repaired.",
        table=table(kinds),
        sources=(here.source,),
    )


def _drawn(here: Task, scene: Scene) -> str:
    return drawn(scene, jpeg(Image.fromarray(here.scenes.images[scene.id - 1])))
