"""COCO's twelve numbers beside pycocotools', and the classes they are means of."""

import tempfile
from pathlib import Path

from matplotlib.axes import Axes

from drivetrain.detection import Result, evaluate
from drivetrain.detection.summaries import ClassScore
from drivetrain.gallery.detection_figures.peers import installed, write
from drivetrain.gallery.detection_figures.task import A, B, task
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import BLUE, GRID, INK, ORANGE
from drivetrain.gallery.page.section import Figure, Table

PEER = "pycocotools"


def figure(seed: int) -> Figure:
    """Return the figure: the numbers with every difference, and the classes of both detectors."""
    here = task(seed)
    judge = installed().get(PEER)
    results, theirs = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, found in here.found.items():
            paths = write(Path(folder), here.truth, found, name[0])
            results[name] = evaluate(*paths)
            if judge is not None:
                theirs[name] = judge.numbers(*paths).tolist()
    rows = [_row(at, results, theirs) for at in range(12)]
    differ = sum(cell not in ("0", "") for row in rows for cell in row[3::3]) if theirs else 0
    title = "COCO's twelve numbers of both detectors"
    if theirs:
        title += f", bit for bit {PEER}'s" if not differ else f": {differ} differ from {PEER}'s"
    header = ["number"]
    for name in results:
        header += [name, *(("its", "difference") if theirs else ())]
    return Figure(
        title=title,
        panels=(_classes(results),),
        caption="Each digit's AP of A (blue) and B (orange), the mean over ten thresholds; the "
        "ring is AP at IoU .50. Both evaluators read the same JSON files.",
        table=Table(
            header=tuple(header),
            rows=tuple(rows),
            note=f"Its: {PEER}'s. Differences are of the doubles, not of what is printed."
            if theirs
            else f"{PEER} is not installed, so ours stand alone: pip install 'drivetrain[peers]'.",
        ),
        sources=(here.source,),
    )


def _row(at: int, results: dict[str, Result], theirs: dict[str, list[float]]) -> tuple[str, ...]:
    cells = []
    for name, result in results.items():
        number = result.numbers[at]
        cells.append(f"{number.value:.8f}")
        if theirs:
            other = theirs[name][at]
            cells += [f"{other:.8f}", f"{number.value - other:.3g}"]
    return (next(iter(results.values())).numbers[at].key, *cells)


def _classes(results: dict[str, Result]) -> str:
    scores = {name: result.per_class() for name, result in results.items()}

    def paint(ax: Axes) -> None:
        for place, pair in enumerate(zip(scores[A], scores[B], strict=True)):
            ax.plot([one.ap for one in pair], [place, place], color=GRID, lw=5)
            for one, ink, shift in zip(pair, (BLUE, ORANGE), (-0.12, 0.12), strict=True):
                ax.plot(one.ap, place + shift, "o", color=ink, ms=8)
                ax.plot(one.ap50, place + shift, "o", color=ink, ms=7, mfc="none")
        ax.set_yticks(range(len(scores[A])), [one.name for one in scores[A]], color=INK)
        ax.set(xlim=(0, 1), ylim=(len(scores[A]) - 0.5, -0.5), xlabel="average precision")
        ax.set_title("AP of each digit")

    said = "; ".join(f"{name}: {_said(each)}" for name, each in scores.items())
    return panel(paint, alt=f"AP of each digit. {said}.", width=FULL, height=330)


def _said(scores: list[ClassScore]) -> str:
    return ", ".join(f"{one.name} {one.ap:.2f}" for one in scores)
