"""Intervals of an average precision, or of the difference of two on the same images."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.core import backend as backends
from drivetrain.core.checks import check_choice, check_integer, check_real
from drivetrain.core.seeds import RandomState, numpy_generator
from drivetrain.detection.annotations import Floats
from drivetrain.detection.bootstrap import reference
from drivetrain.detection.bootstrap.paths import lay
from drivetrain.detection.summaries import mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivetrain.detection.result import Result

Weights = NDArray[np.int32]
# Replicates that are drawn from one seed: a constant, so that threads do not change the draws.
_BLOCK = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Interval:
    """An interval from resamples of the images.

    Attributes:
        what: What it is of: ``mAP``, ``AP``, or the difference of two.
        estimate: The number itself, on the images as they are.
        low: Lower end.
        high: Upper end.
        level: Share of data sets of this size whose number it is meant to hold.
        replicates: The number on each resample of the images, (n,); NaN where it is undefined.
        classes: Where asked for, the interval of each class, by its id.
    """

    what: str
    estimate: float
    low: float
    high: float
    level: float
    replicates: Floats = field(repr=False)
    classes: "dict[int, Interval]" = field(default_factory=dict, repr=False)

    @property
    def bias(self) -> float:
        """Mean of the replicates minus the estimate: repeated images raise an average precision.

        The estimate itself lies above what more images would give by about as much.
        """
        return mean(self.replicates) - self.estimate

    @property
    def standard_error(self) -> float:
        """Standard deviation of the replicates."""
        known = self.replicates[~np.isnan(self.replicates)]
        return float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")

    @property
    def share_above_zero(self) -> float:
        """Share of the replicates above 0: of a difference, how often the first is better."""
        known = self.replicates[~np.isnan(self.replicates)]
        return float(np.mean(known > 0)) if len(known) else float("nan")

    def __str__(self) -> str:
        return (
            f"{self.what} {self.estimate:.4f} [{self.low:.4f}, {self.high:.4f}] "
            f"({100 * self.level:g} %, {len(self.replicates)} resamples of the images)"
        )


def bootstrap(
    result: "Result",
    n: int = 1000,
    other: "Result | None" = None,
    *,
    level: float = 0.95,
    method: str = "centred",
    per_class: bool = False,
    random_state: RandomState = None,
) -> Interval:
    """Return an interval over resamples of the images.

    Each replicate draws as many images as there are, with replacement, and accumulates the
    events again as if a drawn image came as often as it was drawn; equal scores of one image
    follow each other with their copies. Matches lie within images, so none is made anew.

    An average precision takes best precisions, so noise raises it, and resampling adds noise: the
    replicates lie above the estimate, on small sets so far that their percentiles exclude it.
    ``centred`` moves the percentiles down by that much. Of the 95 % intervals of 60 sets of 500
    images, 97 % then held the mean over such sets, and 40 % of the plain percentiles did.
    A difference is hardly affected.

    Args:
        result: What the interval is of.
        n: Number of replicates, >= 1.
        other: Take the interval of ``result`` minus ``other``, both on the same draws.
        level: Share of data sets of this size whose number it is meant to hold, in (0, 1).
        method: ``centred``, or ``percentile``: the replicates' own percentiles.
        per_class: Intervals of every class too.
        random_state: Seed; the same one gives the same bits, whatever the number of threads.

    Raises:
        ValueError: ``other`` is on other images, or on other classes if classes are asked for.

    Example:
        >>> from drivetrain.detection import evaluate
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> result = evaluate(*survey_data(), style=survey_style("voc2010"))
        >>> found = bootstrap(result, 200, random_state=0)
        >>> found.low < found.estimate < found.high
        True

    References:
        B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    """
    check_integer("n", n, low=1)
    check_real("level", level, low=0, high=1, open_low=True, open_high=True)
    results = [result] if other is None else [result, other]
    centred = check_choice("method", method, ("centred", "percentile")) == "centred"
    _check_paired(results, per_class)
    which = backends.choose(None, ("numba", "reference"))
    compute = [(_by_kernel if which == "numba" else _by_definition)(one) for one in results]
    blocks = _run(compute, n, len(result.image_ids), numpy_generator(random_state), result.threads)
    values = [np.concatenate([block[i] for block in blocks]) for i in range(len(results))]
    return _interval(results, values, level, centred, per_class)


def _check_paired(results: "list[Result]", per_class: bool) -> None:
    first, last = results[0], results[-1]
    if not len(first.image_ids):
        raise ValueError("bootstrap needs at least one image. Got none.")
    if not np.array_equal(first.image_ids, last.image_ids):
        raise ValueError(
            "other must be on the same images, so that the same ones can be drawn. "
            f"Got {len(last.image_ids)} images, expected the {len(first.image_ids)} of the first."
        )
    if per_class and not np.array_equal(first.category_ids, last.category_ids):
        raise ValueError(
            "other must be on the same classes for intervals of each. "
            f"Got {len(last.category_ids)} classes, expected {len(first.category_ids)}."
        )


def _by_kernel(result: "Result") -> "Callable[[Weights], Floats]":
    from drivetrain.detection.bootstrap import _numba

    paths = lay(result.events, result.style)

    def compute(weights: Weights) -> Floats:
        if int(weights.max()) * len(paths.images) >= 2**31:
            raise ValueError(f"bootstrap takes 2^31 drawn detections. Got {len(paths.images)}.")
        out = np.empty((len(weights), *paths.shape))
        _numba.replicate(
            weights,
            paths.starts,
            paths.images,
            paths.offsets,
            paths.stops,
            paths.stop_images,
            paths.hits,
            paths.truth_starts,
            paths.truth_images,
            paths.area,
            paths.recalls,
            paths.spacing,
            out,
        )
        return out

    return compute


def _by_definition(result: "Result") -> "Callable[[Weights], Floats]":
    return lambda weights: np.array(
        [reference.replicate(result.events, row, result.style) for row in weights]
    )


def _run(
    compute: "list[Callable[[Weights], Floats]]",
    n: int,
    n_images: int,
    generator: np.random.Generator,
    threads: int | None,
) -> list[list[Floats]]:
    from drivetrain.detection.matching.threads import run_jobs, thread_count

    sizes = [min(_BLOCK, n - done) for done in range(0, n, _BLOCK)]
    seeds = generator.integers(2**63, size=len(sizes)).tolist()
    return run_jobs(
        partial(_block, compute, n_images), list(zip(seeds, sizes)), thread_count(threads)
    )


def _block(
    compute: "list[Callable[[Weights], Floats]]", n_images: int, seed: int, size: int
) -> list[Floats]:
    weights = np.array(list(_draws(np.random.default_rng(seed), n_images, size)), np.int32)
    return [one(weights) for one in compute]


def _draws(generator: np.random.Generator, n_images: int, size: int) -> Iterator[np.ndarray]:
    for _ in range(size):
        yield np.bincount(generator.integers(n_images, size=n_images), minlength=n_images)


def _interval(
    results: "list[Result]", values: list[Floats], level: float, centred: bool, per_class: bool
) -> Interval:
    means = [np.array([mean(row) for row in one]) for one in values]
    key = results[0].numbers[0].key
    scores = [[one.ap for one in result.per_class()] for result in results] if per_class else []
    return _percentiles(
        key if len(results) == 1 else f"{key} of A - B",
        [result.numbers[0].value for result in results],
        means,
        (level, centred),
        {
            int(category): _percentiles(
                results[0].name_of(category) or str(category),
                [one[k] for one in scores],
                [np.mean(one[:, :, k], axis=1) for one in values],
                (level, centred),
                {},
            )
            for k, category in enumerate(results[0].category_ids if per_class else ())
        },
    )


def _percentiles(
    what: str,
    estimates: list[float],
    replicates: list[Floats],
    rule: tuple[float, bool],
    classes: dict[int, Interval],
) -> Interval:
    estimate, drawn = estimates[0], replicates[0]
    if len(replicates) > 1:
        estimate, drawn = estimate - estimates[1], drawn - replicates[1]
    level, centred = rule
    known = drawn[~np.isnan(drawn)]
    ends = np.full(2, np.nan)
    if len(known):
        ends = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
        # A number that is an average precision, or a difference of two, is at most 1.
        ends = np.clip(ends - centred * (np.mean(known) - estimate), 1 - len(estimates), 1)
    return Interval(
        what=what,
        estimate=estimate,
        low=float(ends[0]),
        high=float(ends[1]),
        level=level,
        replicates=drawn,
        classes=classes,
    )
