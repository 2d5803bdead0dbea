"""The images with most mistakes: their boxes, over the picture where its file is at hand."""

import base64
import io
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.detection.annotations import Flags, Floats, Ids
from drivetrain.detection.result import Result
from drivetrain.detection.summaries import whole
from drivetrain.gallery.page.section import Figure

if TYPE_CHECKING:
    from PIL import Image

COUNT, MOST_BOXES = 9, 60
WIDE, TALL = 280, 420
INKS = {"missed": "orange", "false": "purple", "found": "teal", "true": "teal"}

_HALO = "paint-order:stroke;stroke:var(--paper);stroke-width:3px"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One image: its boxes, each missed or found (truths), true or false (detections)."""

    id: int
    name: str
    size: tuple[float, float]
    boxes: Floats
    kinds: list[str]
    labels: list[str]

    @property
    def mistakes(self) -> int:
        """Truths missed and detections false."""
        return sum(kind in ("missed", "false") for kind in self.kinds)


def figure(result: Result, folder: Path | None = None) -> Figure | None:
    """Return the worst images; None where nothing is wrong or the task has no boxes to draw."""
    found = worst(result)
    if not found:
        return None
    pictures = [_file(one, folder) for one in found]
    without = " Boxes alone where no picture was found." if None in pictures else ""
    return Figure(
        title=f"The {len(found)} images with most mistakes"
        if len(found) > 1
        else "The image with most mistakes",
        panels=tuple(drawn(*each) for each in zip(found, pictures, strict=True)),
        caption="Orange and dashed: truths that were missed. Purple: false detections. Green: "
        "truths that were found. Detections count from the score that gives the best F1, at IoU "
        f"{result.style.thresholds[0]:g}.{without}",
    )


def worst(result: Result, count: int = COUNT) -> list[Scene]:
    """Return the images with most missed truths and false detections, worst first.

    Args:
        result: An evaluation.
        count: At most how many.
    """
    verdict, a, bit = result.verdict, whole(result.style), np.uint32(1)
    pool, outcome = verdict.pool, verdict.outcome
    sure = pool.index.scores >= best_score(result)
    false = sure & ((outcome.found[a] | outcome.ignored[a]) & bit == 0)
    aside = outcome.ruling.aside[pool.index.truths] >> a & 1
    missed = (outcome.taken[a] & bit == 0) & (aside == 0)
    n = len(pool.index.image_ids)
    mistakes = np.bincount(pool.detection_images[false], minlength=n)
    mistakes = mistakes + np.bincount(pool.truth_images[missed], minlength=n)
    order = np.argsort(-mistakes, kind="stable")[:count]
    return [_scene(result, int(i), sure, false, missed) for i in order if mistakes[i]]


def best_score(result: Result) -> float:
    """Return the score from which on all detections together have the greatest F1."""
    events, a = result.events, whole(result.style)
    kept = events.ignored[a] & np.uint32(1) == 0
    order = np.argsort(-events.scores[kept], kind="stable")
    scores = events.scores[kept][order]
    correct = (events.correct[a, kept] & np.uint32(1) != 0)[order]
    if not correct.any():
        return math.inf if not len(scores) else float(scores[0])
    total = int(events.n_truths[a].sum())
    f1 = 2 * np.cumsum(correct) / (np.arange(1, len(scores) + 1) + total)
    # Equal scores stand or fall together.
    f1[:-1][scores[1:] == scores[:-1]] = -1
    return float(scores[np.argmax(f1)])


def _scene(result: Result, i: int, sure: Flags, false: Flags, missed: Flags) -> Scene:
    pool, truth, found = result.verdict.pool, result.truth, result.found
    own = np.flatnonzero((pool.detection_images == i) & sure & false)
    theirs = np.flatnonzero(pool.truth_images == i)
    rows, truths = pool.index.detections[own], pool.index.truths[theirs]
    id = int(pool.index.image_ids[i])
    boxes = np.concatenate([truth.boxes[truths], found.boxes[rows]])
    kinds = ["missed" if missed[g] else "found" for g in theirs] + ["false"] * len(own)
    labels = [_class(result, c) for c in truth.categories[truths]] + [
        f"{_class(result, c)} {score:.2f}"
        for c, score in zip(found.categories[rows], found.scores[rows], strict=True)
    ]
    place = np.flatnonzero(truth.image_ids == id)
    named = truth.image_names[place[0]] if len(truth.image_names) and len(place) else ""
    return Scene(
        id=id,
        name=named or f"image {id}",
        size=_size(result, place, boxes),
        boxes=boxes[:MOST_BOXES],
        kinds=kinds[:MOST_BOXES],
        labels=labels[:MOST_BOXES],
    )


def _class(result: Result, category: int) -> str:
    return result.name_of(int(category)) or str(int(category))


def _size(result: Result, place: Ids, boxes: Floats) -> tuple[float, float]:
    """Return width and height: the file's where it says them, else what the boxes need."""
    sizes = result.truth.image_sizes
    if sizes is not None and len(place) and np.all(sizes[place[0]]):
        height, width = (float(side) for side in sizes[place[0]])
        return width, height
    far = (boxes[:, :2] + boxes[:, 2:]).max(0) if len(boxes) else np.ones(2)
    return max(float(far[0]) * 1.03, 1.0), max(float(far[1]) * 1.03, 1.0)


def drawn(scene: Scene, picture: bytes | None) -> str:
    """Return the image with its boxes as an inline SVG, over its picture (JPEG) if there is one."""
    width, height = scene.size
    scale = min(WIDE / width, TALL / height)
    parts = [_picture(picture, width * scale, height * scale)]
    marked = zip(scene.boxes * scale, scene.kinds, scene.labels, strict=True)
    for (x, y, w, h), kind, label in sorted(marked, key=lambda each: each[1] == "missed"):
        ink = INKS[kind]
        dash = ' stroke-dasharray="4 2"' if kind == "missed" else ""
        parts.append(
            f'<rect x="{x:.1f}" y="{y + 16:.1f}" width="{max(w, 1):.1f}" height="{max(h, 1):.1f}" '
            f'fill="none" stroke="var(--{ink})" stroke-width="1.6"{dash}/>'
        )
        if kind != "found":
            # Inside the frame, else a label would be cut off.
            at = min(max(y + 14, 26), height * scale + 12)
            parts.append(
                f'<text x="{min(x, width * scale - 40):.1f}" y="{at:.1f}" font-size="10" '
                f'fill="var(--{ink})" style="{_HALO}">{escape(label[:24])}</text>'
            )
    missed, false = scene.kinds.count("missed"), scene.kinds.count("false")
    alt = f"{scene.name}: {missed} truths missed, {false} false detections."
    title = scene.name if len(scene.name) < 30 else "..." + scene.name[-27:]
    return (
        f'<svg class="panel" viewBox="0 0 {WIDE} {height * scale + 34:.0f}" width="{WIDE}" '
        f'height="{height * scale + 34:.0f}" role="img" aria-label="{escape(alt)}">'
        f'<text x="0" y="10" font-size="11" fill="var(--ink)">{escape(title)}</text>'
        f"{''.join(parts)}"
        f'<text x="0" y="{height * scale + 30:.0f}" font-size="11" fill="var(--muted)">'
        f"{missed} missed, {false} false</text></svg>"
    )


def _picture(picture: bytes | None, width: float, height: float) -> str:
    if picture is None:
        return (
            f'<rect x="0" y="16" width="{width:.1f}" height="{height:.1f}" '
            'fill="var(--level-0)" stroke="var(--grid)"/>'
        )
    data = base64.b64encode(picture).decode()
    return (
        f'<image x="0" y="16" width="{width:.1f}" height="{height:.1f}" '
        f'preserveAspectRatio="none" href="data:image/jpeg;base64,{data}"/>'
    )


def _file(scene: Scene, folder: Path | None) -> bytes | None:
    """Return the scene's picture out of a folder as a small JPEG; None where there is none."""
    if folder is None:
        return None
    path = folder / scene.name
    # A name from a file may point anywhere; only files inside the folder are shown.
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return jpeg(picture)
    except (UnidentifiedImageError, OSError):
        return None


def jpeg(picture: "Image.Image") -> bytes:
    """Return a picture as a JPEG of twice the width at which it is drawn, for sharp screens."""
    small = picture.convert("RGB")
    small.thumbnail((2 * WIDE, 2 * TALL))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=72)
    return written.getvalue()
