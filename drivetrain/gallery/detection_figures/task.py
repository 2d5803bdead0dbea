"""The task of the section: scenes of digits, their truths, and what detectors A and B found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from drivetrain.data import Scenes, digit_scenes
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.gallery.detection_figures import components, network
from drivetrain.gallery.detection_figures.found import Found

SPLITS: tuple[tuple[int, Literal["train", "test"]], ...] = ((300, "train"), (200, "test"))
A, B = "A: regions", "B: network"


@dataclass(frozen=True, kw_only=True)
class Task:
    """Test scenes with their truths, and the two detectors' answers.

    Attributes:
        scenes: The pictures.
        truth: Where the digits are: heaps are crowds, half-covered ones are to be ignored by
            protocols that honour it.
        found: The detections of each detector, by its name.
        source: Where the data comes from.
    """

    scenes: Scenes
    truth: GroundTruth
    found: dict[str, Detections]
    source: str


@cache
def task(seed: int) -> Task:
    """Compose scenes, train both detectors on some, and let them search the others."""
    train, test = (digit_scenes(n, random_state=seed, split=s) for n, s in SPLITS)
    with _one_thread():
        found = {
            A: components.detect(components.train(train), test),
            B: network.detect(network.train(train, seed), test),
        }
    return Task(
        scenes=test,
        truth=truths(test),
        found={name: _columns(each, name) for name, each in found.items()},
        source=f"Digits: {test.source}. Licence: {test.licence}.",
    )


def truths(scenes: Scenes) -> GroundTruth:
    """Return the scenes' digits as columns; images are numbered from 1, categories from 0."""
    n = len(scenes)
    return GroundTruth.from_arrays(
        images=scenes.scene + 1,
        categories=scenes.labels,
        boxes=scenes.boxes,
        crowd=scenes.crowd,
        ignore=scenes.hidden,
        image_ids=np.arange(1, n + 1),
        category_ids=np.arange(10),
        image_sizes=np.tile(scenes.images.shape[1:], (n, 1)),
        category_names=[str(digit) for digit in range(10)],
        image_names=[f"scene {number}" for number in range(1, n + 1)],
    )


def _columns(found: Found, name: str) -> Detections:
    return Detections.from_arrays(
        images=found.scene + 1,
        categories=found.labels,
        scores=found.scores,
        boxes=found.boxes,
        source=name,
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    # Other sections are drawn at the same time; nets this small gain little from a second.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
