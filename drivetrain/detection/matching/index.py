"""The order of everything: truths and detections by class, image and falling score."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivetrain.core.checks import check_array
from drivetrain.detection.annotations import Detections, GroundTruth, Ids
from drivetrain.detection.matching import _numba as kernels
from drivetrain.detection.matching.threads import PARTS, run_jobs, split, thread_count

Positions = NDArray[np.int32]
#: Ids spread over no more than this many numbers are looked up in a table.
WIDEST = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Index:
    """Groups of truths and detections: one a pair (class, image) that holds any.

    Shapes: D counted detections, G counted truths, N groups, I images, K classes.

    Attributes:
        image_ids: The images counted, rising, (I,).
        category_ids: The classes counted, rising, (K,); a single -1 where all are pooled.
        detections: Positions in the file, by class, image, falling score and place, (D,).
        truths: Positions in the file, by class, image and place, (G,).
        scores: Scores of ``detections``, (D,).
        groups: Class, image (ranks), first detection and first truth of each group, (N + 1, 4); the
            last row holds only the ends.
        first_group: Where each class begins among the groups, (K + 1,).
    """

    image_ids: Ids
    category_ids: Ids
    detections: Positions
    truths: Positions
    scores: NDArray[np.float64]
    groups: Positions
    first_group: Ids

    @classmethod
    def build(
        cls,
        truth: GroundTruth,
        found: Detections,
        *,
        images: ArrayLike | None = None,
        categories: ArrayLike | None = None,
        per_class: bool = True,
        threads: int | None = None,
    ) -> "Index":
        """Return the order; entries of other images or classes are left out.

        Args:
            truth: What is there.
            found: What was detected.
            images: Ids of the images to count; all of ``truth`` where None.
            categories: Ids of the classes to count; all of ``truth`` where None.
            per_class: Groups are pairs of image and class; else one group is one image.
            threads: All usable cores where None; the result does not depend on it.

        Example:
            >>> truth = GroundTruth.from_arrays(
            ...     images=[5, 4], categories=[1, 1], boxes=[[0, 0, 2, 2], [0, 0, 3, 3]]
            ... )
            >>> found = Detections.from_arrays(
            ...     images=[5, 5], categories=[1, 1], scores=[0.1, 0.9], boxes=[[0, 0, 2, 2]] * 2
            ... )
            >>> index = Index.build(truth, found)
            >>> index.truths.tolist(), index.detections.tolist()
            ([1, 0], [1, 0])
        """
        image_ids = _counted("images", images, truth.image_ids)
        category_ids = _counted("categories", categories, truth.category_ids)
        d_image, d_rising = _ranks(found.images, image_ids)
        t_image, t_rising = _ranks(truth.images, image_ids)
        d_class, d_by_class = _ranks(found.categories, category_ids)
        t_class, t_by_class = _ranks(truth.categories, category_ids)
        sizes = len(image_ids), len(category_ids)
        detections = _order(d_image, d_class, sizes, (d_rising, d_by_class), per_class)
        truths = _order(t_image, t_class, sizes, (t_rising, t_by_class), per_class)
        if not per_class:
            category_ids = np.array([-1])
            d_class, t_class = np.minimum(d_class, 0), np.minimum(t_class, 0)
        groups = np.empty((len(detections) + len(truths) + 1, 4), np.int32)
        n = kernels.join_groups(detections, truths, d_class, d_image, t_class, t_image, groups)
        groups = groups[: n + 1].copy()
        scores = np.empty(len(detections))
        _sort_groups(groups, found.scores, detections, scores, thread_count(threads))
        return cls(
            image_ids=image_ids,
            category_ids=category_ids,
            detections=detections,
            truths=truths,
            scores=scores,
            groups=groups,
            first_group=np.searchsorted(groups[:n, 0], np.arange(len(category_ids) + 1)),
        )

    @property
    def classes(self) -> Positions:
        """Rank of each group's class, (N,), rising."""
        return self.groups[:-1, 0]

    @property
    def images(self) -> Positions:
        """Rank of each group's image, (N,)."""
        return self.groups[:-1, 1]

    @property
    def first_detection(self) -> Positions:
        """Where each group begins in ``detections``, (N + 1,)."""
        return self.groups[:, 2]

    @property
    def first_truth(self) -> Positions:
        """Where each group begins in ``truths``, (N + 1,)."""
        return self.groups[:, 3]


def _counted(name: str, chosen: ArrayLike | None, known: Ids) -> Ids:
    ids = known if chosen is None else check_array(name, chosen, ndim=1, dtype=np.int64)
    if len(ids) > 1 and not np.all(ids[1:] > ids[:-1]):
        ids = np.unique(ids)
    return np.asarray(ids, np.int64)


def _ranks(values: Ids, ids: Ids) -> tuple[Positions, bool]:
    """Return the place of each value among the sorted ids, or -1, and whether they never fall."""
    out = np.empty(len(values), np.int32)
    if len(ids) == 0:
        out[:] = -1
        return out, True
    low, high = int(ids[0]), int(ids[-1])
    if high - low < WIDEST:
        table = np.full(high - low + 1, -1, np.int32)
        table[ids - low] = np.arange(len(ids), dtype=np.int32)
        return out, kernels.rank_ids(values, low, table, out)
    at = np.minimum(np.searchsorted(ids, values), len(ids) - 1)
    table = np.arange(len(ids), dtype=np.int32)
    known = np.where(ids[at] == values, at, -1)
    return out, kernels.rank_ids(known, 0, table, out)


def _order(
    image: Positions,
    kind: Positions,
    sizes: tuple[int, int],
    rising: tuple[bool, bool],
    per_class: bool,
) -> Positions:
    """Return positions by (class, image), or by (image, class), each in the order of the file."""
    keys = [(image, sizes[0], rising[0]), (kind, sizes[1], rising[1])]
    order = np.arange(len(image), dtype=np.int32)
    # Least significant first; the order of the file is the last resort, since sorts are stable.
    for number, (key, n, sorted_already) in enumerate(keys if per_class else keys[::-1]):
        if number == 0 and sorted_already and len(key) and key[0] >= 0:
            continue
        out, first = np.empty_like(order), np.zeros(n + 1, np.int64)
        kernels.sort_by(key, order, first, out)
        order = out[: first[-1]]
    return order


def _sort_groups(
    groups: Positions,
    found_scores: NDArray[np.float64],
    detections: Positions,
    scores: NDArray[np.float64],
    threads: int,
) -> None:
    """Put the detections of each group in falling order, and write their scores."""
    sizes = np.diff(groups[:, 2])
    bounds = split(sizes, threads * PARTS)
    shared = (groups, found_scores, detections, scores)
    parts = list(pairwise(bounds.tolist()))
    most = [int(sizes[low:high].max(initial=0)) for low, high in parts]
    jobs = [
        (*part, *shared, np.empty(n, np.int64), scratch(n))
        for part, n in zip(parts, most, strict=True)
    ]
    run_jobs(kernels.gather_scores, jobs, threads)


def scratch(n: int) -> tuple[NDArray[Any], ...]:
    """Return the memory that ``sort_falling`` needs for n scores."""
    turned = np.empty(n)
    return (
        np.empty(n),
        np.empty(n, np.int64),
        turned,
        turned.view(np.int64),
        np.empty(2048, np.int32),
    )
