"""Scenes to detect in: real handwritten digits composed on paper of our own making."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_choice, check_integer
from drivetrain.data.handwriting import digits

Floats = NDArray[np.float64]
WIDTH, HEIGHT = 240, 180
# Heights of digits in pixels, so that some are small, medium and large in COCO's sense.
LEAST, MOST = 14, 150
CROWD_EVERY = 8
_TRIES = 30


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Grey pictures with several digits each, and where each digit is; m digits in all.

    The digits are scans of handwriting; which stand where, how large, over what background and
    with what strokes between them is drawn at random.

    Attributes:
        images: uint8, (scenes, 180, 240); 255 is paper, dark is ink.
        scene: Which picture each digit is in, (m,).
        labels: The digit, 0 to 9, (m,).
        boxes: x, y, width, height of its ink in pixels, (m, 4), inside the picture.
        inks: Number of its pixels that are ink, (m,): less than the box's area.
        crowd: A heap of small equal digits under one box, (m,).
        hidden: Whether two fifths of its box are under other digits' boxes, (m,).
        source: Where the scans come from, and that the layout is composed.
        licence: Under what terms.
    """

    images: NDArray[np.uint8]
    scene: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: Floats
    inks: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    source: str
    licence: str

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    label: int
    box: tuple[int, int, int, int]
    ink: int
    crowd: bool = False


def digit_scenes(
    count: int, *, random_state: int = 0, split: Literal["train", "test"] = "train"
) -> Scenes:
    """Return scenes of handwritten digits, the same for the same arguments everywhere.

    Args:
        count: Number of pictures, >= 1.
        random_state: Seed of the composition, >= 0.
        split: ``"train"`` uses four fifths of scikit-learn's digits, ``"test"`` the rest: no
            digit is in both.

    Raises:
        ValueError: A count or seed out of range, or an unknown split.

    Example:
        >>> scenes = digit_scenes(2)
        >>> scenes.images.shape, sorted(set(scenes.scene.tolist()))
        ((2, 180, 240), [0, 1])
    """
    check_integer("count", count, low=1)
    check_integer("random_state", random_state, low=0)
    check_choice("split", split, ("train", "test"))
    small = digits()
    place = np.arange(len(small.labels))
    chosen = place % 5 < 4 if split == "train" else place % 5 == 4
    scans, labels = small.images[chosen] / (small.levels - 1), small.labels[chosen]
    # Scene i is the same however many follow it.
    streams = np.random.SeedSequence((random_state, int(split == "test"))).spawn(count)
    drawn = [
        _compose(scans, labels, np.random.default_rng(stream), heap=i % CROWD_EVERY == 0)
        for i, stream in enumerate(streams)
    ]
    placed = [one for _, found in drawn for one in found]
    boxes = np.array([one.box for one in placed], np.float64)
    scene = np.repeat(np.arange(count), [len(found) for _, found in drawn])
    return Scenes(
        images=np.stack([image for image, _ in drawn]),
        scene=scene,
        labels=np.array([one.label for one in placed], np.int64),
        boxes=boxes,
        inks=np.array([one.ink for one in placed], np.int64),
        crowd=np.array([one.crowd for one in placed], np.bool_),
        hidden=_hidden(boxes, scene),
        source=f"{small.source}; the layout of the scenes is composed by drivetrain",
        licence=small.licence,
    )


def _compose(
    scans: Floats, labels: NDArray[np.int64], rng: np.random.Generator, *, heap: bool
) -> tuple[NDArray[np.uint8], list[_Placed]]:
    ink = np.zeros((HEIGHT, WIDTH))
    placed: list[_Placed] = []
    if heap:
        placed.append(_heap(ink, scans, labels, rng))
    for _ in range(rng.integers(2, 9)):
        which = int(rng.integers(len(labels)))
        stamp = _stamp(scans[which], rng, float(np.exp(rng.uniform(np.log(LEAST), np.log(MOST)))))
        spot = _spot(stamp.shape, [one.box for one in placed], rng)
        if spot is not None:
            _press(ink, stamp, spot, rng.uniform(0.35, 0.9))
            box = (spot[0], spot[1], stamp.shape[1], stamp.shape[0])
            size = int((stamp > 0.5).sum())
            placed.append(_Placed(label=int(labels[which]), box=box, ink=size))
    for _ in range(rng.integers(0, 4)):
        _scratch(ink, rng)
    paper = 1 - 0.12 * _cloud(rng) - 0.03 * np.abs(rng.standard_normal(ink.shape))
    grey = np.clip(paper * (1 - ink), 0, 1)
    return np.rint(255 * grey).astype(np.uint8), placed


def _stamp(scan: Floats, rng: np.random.Generator, height: float) -> Floats:
    """Return a scan cut to its ink and enlarged with sharp edges, values in [0, 1]."""
    rows, columns = np.flatnonzero(scan.max(1) > 0.3), np.flatnonzero(scan.max(0) > 0.3)
    cut = scan[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    tall = max(round(height), 8)
    wide = max(round(tall * cut.shape[1] / cut.shape[0] * rng.uniform(0.8, 1.2)), 4)
    large = _between(tall, cut.shape[0]) @ cut @ _between(wide, cut.shape[1]).T
    # Eight pixels enlarged are a blur; what is over half of full ink is ink.
    large = 1 / (1 + np.exp(-20 * (large - 0.45)))
    rows, columns = np.flatnonzero(large.max(1) > 0.5), np.flatnonzero(large.max(0) > 0.5)
    stamp = large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return stamp[: HEIGHT - 2, : WIDTH - 2]


def _between(long: int, short: int) -> Floats:
    """Return the matrix of linear interpolation from ``short`` samples to ``long``."""
    at = np.clip((np.arange(long) + 0.5) * short / long - 0.5, 0, short - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(short)))


def _spot(
    shape: tuple[int, ...], taken: list[tuple[int, int, int, int]], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return the corner of a place that overlaps each other box by little, or partly hides it."""
    tall, wide = shape
    for _ in range(_TRIES):
        x, y = int(rng.integers(WIDTH - wide)), int(rng.integers(HEIGHT - tall))
        shares = [_covered((x, y, wide, tall), other) for other in taken]
        if max(shares, default=0.0) < 0.55:
            return x, y
    return None


def _covered(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Return the intersection of two boxes as a share of the smaller one."""
    wide = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    tall = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    return max(wide, 0) * max(tall, 0) / min(box[2] * box[3], other[2] * other[3])


def _press(ink: Floats, stamp: Floats, spot: tuple[int, int], strength: float) -> None:
    x, y = spot
    under = ink[y : y + stamp.shape[0], x : x + stamp.shape[1]]
    under += (strength - under) * stamp


def _heap(
    ink: Floats, scans: Floats, labels: NDArray[np.int64], rng: np.random.Generator
) -> _Placed:
    """Press a heap of small equal digits, too dense to box one by one."""
    label = int(rng.integers(10))
    own = np.flatnonzero(labels == label)
    wide, tall = int(rng.integers(60, 100)), int(rng.integers(40, 70))
    left, top = int(rng.integers(WIDTH - wide)), int(rng.integers(HEIGHT - tall))
    heap = np.zeros_like(ink)
    for _ in range(rng.integers(12, 24)):
        stamp = _stamp(scans[rng.choice(own)], rng, float(rng.uniform(12, 20)))
        x = left + int(rng.integers(wide - stamp.shape[1]))
        y = top + int(rng.integers(tall - stamp.shape[0]))
        _press(heap, stamp, (x, y), 0.7)
    np.maximum(ink, heap, out=ink)
    rows, columns = np.flatnonzero(heap.max(1) > 0.35), np.flatnonzero(heap.max(0) > 0.35)
    box = (columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])
    sizes = tuple(int(number) for number in box)
    size = int((heap > 0.35).sum())
    return _Placed(label=label, box=(sizes[0], sizes[1], sizes[2], sizes[3]), ink=size, crowd=True)


def _scratch(ink: Floats, rng: np.random.Generator) -> None:
    """Draw a bent stroke that is no digit."""
    ends = rng.uniform((0, 0), (WIDTH, HEIGHT), (3, 2))
    t = np.linspace(0, 1, 400)[:, None]
    bend = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
    reach = rng.uniform(0.15, 0.5)
    x, y = bend[: int(400 * reach)].astype(int).T
    thick, strength = int(rng.integers(1, 4)), rng.uniform(0.3, 0.7)
    for step in range(thick):
        ink[np.minimum(y + step, HEIGHT - 1), x] = strength


def _cloud(rng: np.random.Generator) -> Floats:
    """Return smooth shading in [0, 1]."""
    return _between(HEIGHT, 4) @ rng.uniform(size=(4, 5)) @ _between(WIDTH, 5).T


def _hidden(boxes: Floats, scene: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of which digits two fifths or more of the box lie under later boxes of their scene."""
    hidden = np.zeros(len(boxes), np.bool_)
    for number in range(len(boxes)):
        later = np.flatnonzero(scene[number + 1 :] == scene[number]) + number + 1
        low, size = boxes[number, :2], boxes[number, 2:]
        wide, tall = (
            np.minimum(low + size, boxes[later, :2] + boxes[later, 2:])
            - np.maximum(low, boxes[later, :2])
        ).T
        shared = np.maximum(wide, 0) * np.maximum(tall, 0)
        hidden[number] = shared.sum() >= 0.4 * size.prod()
    return hidden
