"""Every detection that was judged, class by class by falling score: what curves are walked over.

Shapes: D detections and G truths that are counted, T thresholds, A area ranges, K classes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Flags, Floats, Ids
from drivetrain.detection.problem import Judged, Problem

Words = NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Who was right, in the order in which it is counted; bit t of a word is threshold t.

    Detections come by class, then by falling score; equal scores as their images do, then as
    they do inside the image.

    Attributes:
        image_ids: The images that are counted, rising, (I,).
        category_ids: The classes that are counted, rising, (K,).
        starts: Where each class begins among the detections, (K + 1,).
        rows: Position of each detection in its columns, (D,).
        images: Rank of its image, (D,).
        ranks: Which of its class and image it is, from 0, (D,).
        scores: Its score, (D,).
        correct: Thresholds at which it is a true positive, words, (A, D).
        ignored: Thresholds at which it counts for nothing, words, (A, D).
        truth_rows: Position of each truth in its columns, (G,).
        truth_images: Rank of each truth's image, (G,).
        truth_classes: Rank of each truth's class, (G,).
        truth_ignored: Truths that need not be found, (A, G).
    """

    image_ids: Ids
    category_ids: Ids
    starts: Ids
    rows: NDArray[np.int32]
    images: NDArray[np.int32]
    ranks: NDArray[np.int32]
    scores: Floats
    correct: Words
    ignored: Words
    truth_rows: NDArray[np.int32]
    truth_images: NDArray[np.int32]
    truth_classes: NDArray[np.int32]
    truth_ignored: Flags

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def n_truths(self) -> Ids:
        """Number of truths to be found, (A, K)."""
        K = len(self.category_ids)
        return np.array(
            [np.bincount(self.truth_classes[~aside], minlength=K) for aside in self.truth_ignored]
        ).astype(np.int64)

    def walk(self, k: int, t: int, a: int, cap: int) -> tuple[Floats, Flags]:
        """Return scores and true positives of what counts in class ``k``, by falling score, (n,).

        Args:
            k: Rank of the class.
            t: Rank of the threshold.
            a: Rank of the area range.
            cap: Detections kept an image and class.
        """
        own = slice(*self.starts[k : k + 2])
        bit = np.uint32(1 << t)
        kept = (self.ranks[own] < cap) & (self.ignored[a, own] & bit == 0)
        return self.scores[own][kept], self.correct[a, own][kept] & bit != 0


def by_definition(problem: Problem) -> Events:
    """Return the events of a problem as the definitions have them.

    Example:
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> from drivetrain.detection.problem import pose
        >>> events = by_definition(pose(*survey_data(), survey_style("voc2010")))
        >>> (1 + np.flatnonzero(events.correct[0])).tolist()
        [1, 3, 10, 12, 13, 14, 23]
    """
    images, classes = problem.images, problem.classes
    parts = [
        _class_events(problem, k, int(category)) for k, category in enumerate(classes.tolist())
    ]
    lengths = [len(part["rows"]) for part in parts]
    columns = {name: [part[name] for part in parts] for name in (parts[0] if parts else _EMPTY)}
    return Events(
        image_ids=images,
        category_ids=classes,
        starts=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        **{
            name: np.concatenate([np.zeros(_shape(problem, name), _EMPTY[name]), *values], axis=-1)
            for name, values in columns.items()
        },
    )


_EMPTY = {
    "rows": np.int32,
    "images": np.int32,
    "ranks": np.int32,
    "scores": np.float64,
    "correct": np.uint32,
    "ignored": np.uint32,
    "truth_rows": np.int32,
    "truth_images": np.int32,
    "truth_classes": np.int32,
    "truth_ignored": np.bool_,
}


def _shape(problem: Problem, name: str) -> tuple[int, ...]:
    wide = name in ("correct", "ignored", "truth_ignored")
    return (len(problem.style.areas), 0) if wide else (0,)


def _class_events(problem: Problem, k: int, category: int) -> dict[str, NDArray]:
    """The columns of one class, its detections by falling score."""
    areas = range(len(problem.style.areas))
    groups = [
        (i, [problem.judge(image, category, a) for a in areas])
        for i, image in enumerate(problem.images.tolist())
    ]
    parts = [_image_events(i, k, judged) for i, judged in groups if judged[0] is not None]
    parts.append({name: np.zeros(_shape(problem, name), kind) for name, kind in _EMPTY.items()})
    out = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in _EMPTY}
    out["scores"] = problem.found.scores[out["rows"]]
    order = np.argsort(-out["scores"], kind="stable")
    for name in ("rows", "images", "ranks", "scores", "correct", "ignored"):
        out[name] = out[name][..., order]
    return {name: values.astype(_EMPTY[name]) for name, values in out.items()}


def _image_events(i: int, k: int, judged: list[Judged | None]) -> dict[str, NDArray]:
    """The columns of one image and class, judged in every area range."""
    ranges = [one for one in judged if one is not None]
    detections, truths = ranges[0].detections, ranges[0].truths
    return {
        "rows": detections,
        "images": np.full(len(detections), i),
        "ranks": np.arange(len(detections)),
        "scores": np.zeros(len(detections)),
        "correct": np.array([_words(one.correct) for one in ranges]),
        "ignored": np.array([_words(one.ignored) for one in ranges]),
        "truth_rows": truths,
        "truth_images": np.full(len(truths), i),
        "truth_classes": np.full(len(truths), k),
        "truth_ignored": np.array([one.truth_ignored for one in ranges]),
    }


def _words(flags: Flags) -> Words:
    """Pack (T, n) flags into n words."""
    bits = np.uint32(1) << np.arange(len(flags), dtype=np.uint32)
    return np.bitwise_or.reduce(np.where(flags, bits[:, None], np.uint32(0)), axis=0)
