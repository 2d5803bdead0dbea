"""The images with the most mistakes."""

from dataclasses import dataclass

import numpy as np

from drivetrain.core.checks import check_integer, check_real
from drivetrain.detection.protocols.errors import KINDS, ErrorKinds, error_kinds
from drivetrain.detection.protocols.gap import Judged


@dataclass(frozen=True, kw_only=True)
class ImageErrors:
    """The mistakes of one image.

    Attributes:
        image_id: Its id.
        name: Its file name, or an empty string.
        errors: Number of errors of each kind.
        truths: Number of truths in it.
        detections: Number of detections in it of the score that was asked for.
    """

    image_id: int
    name: str
    errors: dict[str, int]
    truths: int
    detections: int

    @property
    def total(self) -> int:
        """All errors."""
        return sum(self.errors.values())


def worst_images(
    result: Judged, n: int = 20, *, score: float = 0.25, kinds: ErrorKinds | None = None
) -> list[ImageErrors]:
    """Return the images with the most errors, the worst first; equal ones by id.

    Args:
        result: A result: has ``truth``, ``found``, ``style`` and ``task``.
        n: How many, at most; images without errors are none of them.
        score: False detections below this score are not counted.
        kinds: The errors, where they are known; else found at overlap .5.

    Raises:
        TypeError: ``n`` is no integer.
        ValueError: ``n`` is negative.

    Example:
        >>> from types import SimpleNamespace
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> truth, found = survey_data()
        >>> result = SimpleNamespace(
        ...     truth=truth, found=found, task="bbox", style=survey_style("voc2010")
        ... )
        >>> [(one.image_id, one.total) for one in worst_images(result, 2)]
        [(1, 4), (2, 4)]
    """
    check_integer("n", n, low=0)
    check_real("score", score)
    known = error_kinds(result) if kinds is None else kinds
    ids = np.unique(result.truth.image_ids)
    sure = result.found.scores >= score
    counts = np.zeros((len(ids), len(KINDS)), np.int64)
    false = np.flatnonzero(sure & (known.kinds >= 0))
    np.add.at(counts, (np.searchsorted(ids, result.found.images[false]), known.kinds[false]), 1)
    missed = np.flatnonzero(known.missed)
    at = np.searchsorted(ids, result.truth.images[missed])
    counts[:, -1] += np.bincount(at, minlength=len(ids))
    total = counts.sum(axis=1)
    worst = np.argsort(-total, kind="stable")[:n]
    names = dict(zip(result.truth.image_ids.tolist(), result.truth.image_names))
    return [
        ImageErrors(
            image_id=int(ids[i]),
            name=names.get(int(ids[i]), ""),
            errors=dict(zip(KINDS, counts[i].tolist())),
            truths=int(np.count_nonzero(result.truth.images == ids[i])),
            detections=int(np.count_nonzero(sure & (result.found.images == ids[i]))),
        )
        for i in worst.tolist()
        if total[i]
    ]
