"""Detector A: connected dark regions, each named by a linear classifier."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from sklearn.linear_model import LogisticRegression

from drivetrain.data import Scenes
from drivetrain.gallery.detection_figures.found import Floats, Found, Ints, overlap

SIDE, NOTHING = 10, 10
LEAST_HEIGHT, LEAST_INK = 8, 20
NAMES_GIVEN, SUREST_LEFT_OUT = 3, 0.03


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Dark regions of scenes: the picture of each, its box, and 100 numbers that describe it."""

    scene: Ints
    boxes: Floats
    rows: Floats


def regions(scenes: Scenes) -> Regions:
    """Return the regions darker than the paper around them; touching digits are one region."""
    scene, boxes, rows = [], [], []
    for number, image in enumerate(scenes.images):
        darkness = np.median(image) / 255 - image / 255
        marks, _ = ndimage.label(darkness > 0.15)
        for place, window in enumerate(ndimage.find_objects(marks), 1):
            own = marks[window] == place
            tall, wide = own.shape
            if tall < LEAST_HEIGHT or own.sum() < LEAST_INK:
                continue
            scene.append(number)
            boxes.append((window[1].start, window[0].start, wide, tall))
            rows.append(_described(own, darkness[window]))
    return Regions(scene=np.array(scene), boxes=np.array(boxes, float), rows=np.array(rows))


def _described(own: Floats, darkness: Floats) -> Floats:
    """Return a region as a square of 10 x 10 cells of mean ink, and its shape."""
    ink = np.where(own, darkness, 0)
    ink = ink / ink.max()
    tall, wide = ink.shape
    cells = _means(tall) @ ink @ _means(wide).T
    shape = (np.log(wide / tall), np.log(tall) / 4, own.mean(), np.std(darkness[own]))
    return np.concatenate([cells.ravel(), shape])


def _means(size: int) -> Floats:
    """Return the matrix that averages ``size`` samples into ten cells."""
    edges = np.linspace(0, size, SIDE + 1)
    at = np.arange(size)
    low, high = np.maximum(edges[:-1, None], at), np.minimum(edges[1:, None], at + 1)
    weights = np.maximum(high - low, 0)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def train(scenes: Scenes) -> LogisticRegression:
    """Fit the classifier to the regions of scenes: ten digits, and none of them."""
    found = regions(scenes)
    return LogisticRegression(C=0.3, max_iter=300).fit(found.rows, _truth(found, scenes))


def _truth(found: Regions, scenes: Scenes) -> Ints:
    """Return the digit whose box a region fills by more than half, or none."""
    labels = np.full(len(found.scene), NOTHING)
    for number in range(len(scenes)):
        here, there = found.scene == number, np.flatnonzero(scenes.scene == number)
        shares = overlap(found.boxes[here], scenes.boxes[there])
        best = shares.argmax(1)
        labels[here] = np.where(shares.max(1) > 0.5, scenes.labels[there][best], NOTHING)
    return labels


def detect(model: LogisticRegression, scenes: Scenes) -> Found:
    """Return each region under the three digits it most looks like, surest first."""
    found = regions(scenes)
    chances = model.predict_proba(found.rows)[:, :NOTHING]
    order = np.argsort(-chances, axis=1, kind="stable")[:, :NAMES_GIVEN]
    which = np.repeat(np.arange(len(order)), NAMES_GIVEN)
    labels = order.ravel()
    scores = chances[which, labels]
    kept = scores >= SUREST_LEFT_OUT
    return Found(
        scene=found.scene[which[kept]],
        labels=labels[kept],
        scores=scores[kept],
        boxes=found.boxes[which[kept]],
    )
