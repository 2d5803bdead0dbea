"""Which class is taken for which: the confusion matrix with a row and a column of background."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.core.checks import check_real
from drivetrain.detection.annotations import Floats, Ids
from drivetrain.detection.protocols.crossing import Crossing, cross
from drivetrain.detection.protocols.gap import Judged

BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """How many truths of a class were taken for which class.

    Attributes:
        matrix: Rows are the truths' classes, columns the detections'; the last of each is
            background: what was missed, and what was not there, (K + 1, K + 1).
        category_ids: Class ids, rising, (K,).
        names: Of the rows and columns, (K + 1,).
        score: Detections below this score were left out.
        iou: Overlap from which a detection and a truth are a pair.
    """

    matrix: Ids
    category_ids: Ids
    names: tuple[str, ...]
    score: float
    iou: float

    def normalised(self) -> Floats:
        """Return the shares of each row; a row without anything stays 0, (K + 1, K + 1)."""
        return self.matrix / np.maximum(self.matrix.sum(axis=1, keepdims=True), 1)

    def worst(self, n: int = 10) -> list[tuple[str, str, int]]:
        """Return the most frequent confusions of two classes: truth, taken for, how often."""
        off = self.matrix[:-1, :-1].copy()
        np.fill_diagonal(off, 0)
        order = np.argsort(-off, axis=None, kind="stable")[:n]
        pairs = (np.unravel_index(at, off.shape) for at in order)
        return [(self.names[i], self.names[j], int(off[i, j])) for i, j in pairs if off[i, j]]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "matrix": self.matrix.tolist(),
            "category_ids": self.category_ids.tolist(),
            "names": list(self.names),
            "score": self.score,
            "iou": self.iou,
        }

    def to_markdown(self) -> str:
        """Return the matrix as a table."""
        lines = ["| truth \\ found | " + " | ".join(self.names) + " |"]
        lines.append("|---|" + "---:|" * len(self.names))
        for name, row in zip(self.names, self.matrix.tolist()):
            lines.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
        return "\n".join(lines)


def confusion(result: Judged, *, score: float = 0.25, iou: float = 0.5) -> Confusion:
    """Return which class was taken for which.

    In each image, pairs of a detection and a truth that overlap by ``iou`` are taken by falling
    overlap (of equal ones those of one class first, then the surer detection), each side once.
    What the style ignores is left out, on both sides.

    Args:
        result: A result: has ``truth``, ``found``, ``style`` and ``task``.
        score: Least score of a detection; Ultralytics' .25 by default.
        iou: In (0, 1].

    Raises:
        ValueError: ``iou`` out of range, or a score that is NaN.

    Example:
        >>> from types import SimpleNamespace
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> truth, found = survey_data()
        >>> result = SimpleNamespace(
        ...     truth=truth, found=found, task="bbox", style=survey_style("voc2010")
        ... )
        >>> confusion(result, iou=0.3).matrix.tolist()
        [[6, 9], [15, 0]]
    """
    check_real("iou", iou, low=0, high=1, open_low=True)
    check_real("score", score)
    crossing = cross(result, threshold=iou, least=iou)
    sure = crossing.pool.index.scores >= score
    d, g = _paired(crossing, sure)
    n = len(crossing.pool.categories) if result.style.per_class else 1
    matrix = np.zeros((n + 1, n + 1), np.int64)
    np.add.at(matrix, (crossing.truth_labels[g], crossing.labels[d]), 1)
    alone = crossing.wanted.copy()
    alone[g] = False
    matrix[:n, n] += np.bincount(crossing.truth_labels[alone], minlength=n)
    loose = sure & ~crossing.void
    loose[d] = False
    matrix[n, :n] += np.bincount(crossing.labels[loose], minlength=n)
    ids = crossing.pool.classes
    return Confusion(
        matrix=matrix,
        category_ids=ids,
        names=(*_names(result, ids), BACKGROUND),
        score=score,
        iou=iou,
    )


def _paired(crossing: Crossing, sure: np.ndarray) -> tuple[Ids, Ids]:
    """Return the detections and the truths of the pairs that are taken."""
    kept = sure[crossing.detections] & ~crossing.void[crossing.detections]
    kept &= crossing.wanted[crossing.truths]
    d, g, overlap = crossing.detections[kept], crossing.truths[kept], crossing.overlaps[kept]
    other = crossing.labels[d] != crossing.truth_labels[g]
    order = np.lexsort((g, d, -crossing.pool.index.scores[d], other, -overlap))
    taken_d, taken_g = np.zeros(len(sure), np.bool_), np.zeros(len(crossing.wanted), np.bool_)
    pairs = []
    for i, j in zip(d[order].tolist(), g[order].tolist()):
        if not taken_d[i] and not taken_g[j]:
            taken_d[i] = taken_g[j] = True
            pairs.append((i, j))
    out = np.array(pairs, np.int64).reshape(-1, 2)
    return out[:, 0], out[:, 1]


def _names(result: Judged, ids: Ids) -> list[str]:
    known = dict(zip(result.truth.category_ids.tolist(), result.truth.category_names))
    return [known.get(one, "all" if one == -1 else str(one)) for one in ids.tolist()]
