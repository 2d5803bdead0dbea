"""Two worked examples: one that every rule rates .5, and one that tells the rules apart."""

from dataclasses import replace

import numpy as np

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.styles import STYLES, Style

#: Seven truths, ten detections by falling score: which of them are true positives.
ARTICLE_TRUTHS = 7
ARTICLE_FLAGS = (True, True, False, False, False, True, False, False, True, True)
#: The article's own table, to its four decimals.
ARTICLE_PRECISION = (1, 1, 0.6667, 0.5, 0.4, 0.5, 0.4286, 0.375, 0.4444, 0.5)
ARTICLE_RECALL = (
    *(0.1429, 0.2857, 0.2857, 0.2857, 0.2857),
    *(0.4286, 0.4286, 0.4286, 0.5714, 0.7143),
)

#: Fifteen truths, 24 detections: the ranks (from 1) of the true positives.
SURVEY_TRUTHS = 15
SURVEY_RANKS = (1, 3, 10, 12, 13, 14, 23)
SURVEY_FLAGS = tuple(rank in SURVEY_RANKS for rank in range(1, 25))

# Image, then x, y, width, height of each truth of the survey's seven images.
_SURVEY_TRUTH = (
    (1, 25, 16, 38, 56),
    (1, 129, 123, 41, 62),
    (2, 123, 11, 43, 55),
    (2, 38, 132, 59, 45),
    (3, 16, 14, 35, 48),
    (3, 123, 30, 49, 44),
    (3, 99, 139, 47, 47),
    (4, 53, 42, 40, 52),
    (4, 154, 43, 31, 34),
    (5, 59, 31, 44, 51),
    (5, 48, 128, 34, 52),
    (6, 36, 89, 52, 76),
    (6, 62, 58, 44, 67),
    (7, 28, 31, 55, 63),
    (7, 58, 67, 50, 58),
)
# Image, score, then x, y, width, height of each detection.
_SURVEY_FOUND = (
    (1, 0.88, 5, 67, 31, 48),
    (1, 0.70, 119, 111, 40, 67),
    (1, 0.80, 124, 9, 49, 67),
    (2, 0.71, 64, 111, 64, 58),
    (2, 0.54, 26, 140, 60, 47),
    (2, 0.74, 19, 18, 43, 35),
    (3, 0.18, 109, 15, 77, 39),
    (3, 0.67, 86, 63, 46, 45),
    (3, 0.38, 160, 62, 36, 53),
    (3, 0.91, 105, 131, 47, 47),
    (3, 0.44, 18, 148, 40, 44),
    (4, 0.35, 83, 28, 28, 26),
    (4, 0.78, 28, 68, 42, 67),
    (4, 0.45, 87, 89, 25, 39),
    (4, 0.14, 10, 155, 60, 26),
    (5, 0.62, 50, 38, 28, 46),
    (5, 0.44, 95, 11, 53, 28),
    (5, 0.95, 29, 131, 72, 29),
    (5, 0.23, 29, 163, 72, 29),
    (6, 0.45, 43, 48, 74, 38),
    (6, 0.84, 17, 155, 29, 35),
    (6, 0.43, 95, 110, 25, 42),
    (7, 0.48, 16, 20, 101, 88),
    (7, 0.95, 33, 116, 37, 49),
)


def survey_data() -> tuple[GroundTruth, Detections]:
    """Return the 15 truths and 24 detections with their boxes, one class, seven images.

    Example:
        >>> truth, found = survey_data()
        >>> len(truth), len(found)
        (15, 24)

    References:
        R. Padilla, S. L. Netto, E. A. B. da Silva, "A Survey on Performance Metrics for
        Object-Detection Algorithms", IWSSIP 2020; the boxes are those of its companion tool.
    """
    truth = np.array(_SURVEY_TRUTH, np.float64)
    found = np.array(_SURVEY_FOUND, np.float64)
    return (
        GroundTruth.from_arrays(
            images=truth[:, 0],
            categories=np.ones(len(truth)),
            boxes=truth[:, 1:],
            category_names=("person",),
        ),
        Detections.from_arrays(
            images=found[:, 0],
            categories=np.ones(len(found)),
            scores=found[:, 1],
            boxes=found[:, 2:],
        ),
    )


def survey_style(name: str) -> Style:
    """Return a style with the survey's two settings: IoU .3, and boxes that hold their last pixel.

    Without that last pixel the true positive at rank 23 is lost.

    Example:
        >>> survey_style("voc2007").thresholds
        (0.3,)
    """
    return replace(STYLES[name], thresholds=(0.3,), inclusive=True)
