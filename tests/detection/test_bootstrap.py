"""The bootstrap: replicates are evaluations of repeated images, draws do not depend on threads."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core import backend as backends
from drivetrain.detection import STYLES, Detections, GroundTruth, Result, Style, evaluate
from drivetrain.detection.bootstrap import _numba, bootstrap, reference
from drivetrain.detection.bootstrap.paths import lay
from drivetrain.detection.examples import survey_data, survey_style

# Means of at most 101 numbers <= 1, or sums of at most some hundred steps that add to <= 1: each
# addition rounds by at most half of 2.2e-16, so that two orders differ by less than 200 of those.
SUMS = 200 * 2.2e-16
NAMES = ["coco", "voc2007", "voc2010", "ultralytics", "lvis"]


def problem(seed: int, *, ties: bool, n_images: int = 5) -> tuple[GroundTruth, Detections]:
    """Jittered truths and strays of three classes; crowds; scores distinct unless ``ties``."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 25)), int(rng.integers(0, 60))
    boxes = np.concatenate((rng.uniform(0, 60, (n, 2)), rng.uniform(4, 120, (n, 2))), axis=1)
    near = rng.integers(0, n, m)
    scores = rng.integers(0, 6, m) / 5 if ties else rng.permutation(m) / max(m, 1)
    images, categories = rng.integers(1, n_images + 1, n), rng.integers(1, 4, n)
    return (
        GroundTruth.from_arrays(
            images=images,
            categories=categories,
            boxes=boxes,
            crowd=rng.random(n) < 0.15,
            image_ids=np.arange(1, n_images + 1),
            category_ids=[1, 2, 3],
        ),
        Detections.from_arrays(
            images=np.where(rng.random(m) < 0.8, images[near], rng.integers(1, n_images + 1, m)),
            categories=np.where(rng.random(m) < 0.8, categories[near], rng.integers(1, 4, m)),
            boxes=np.maximum(0, boxes[near] + rng.normal(0, 5, (m, 4))),
            scores=scores,
        ),
    )


def repeated(
    truth: GroundTruth, found: Detections, weights: np.ndarray
) -> tuple[GroundTruth, Detections]:
    """The data set in which image i, of rank i, is there ``weights[i]`` times, one by one."""
    first = np.concatenate(([0], np.cumsum(weights)))
    ranks = {int(image): rank for rank, image in enumerate(np.unique(truth.image_ids))}

    def rows(columns: GroundTruth | Detections) -> tuple[np.ndarray, np.ndarray]:
        of = np.array([ranks[int(image)] for image in columns.images], np.int64)
        at = np.repeat(np.arange(len(of)), weights[of])
        copy = np.concatenate([np.arange(weights[i]) for i in of] or [np.empty(0, np.int64)])
        return at, first[of[at]] + copy.astype(np.int64)

    g, g_images = rows(truth)
    d, d_images = rows(found)
    return (
        GroundTruth.from_arrays(
            images=g_images,
            categories=truth.categories[g],
            boxes=truth.boxes[g],
            areas=truth.areas[g],
            crowd=truth.crowd[g],
            image_ids=np.arange(first[-1]),
            category_ids=truth.category_ids,
        ),
        Detections.from_arrays(
            images=d_images,
            categories=found.categories[d],
            boxes=found.boxes[d],
            scores=found.scores[d],
        ),
    )


def by_kernel(result: Result, weights: np.ndarray) -> np.ndarray:
    paths = lay(result.events, result.style)
    out = np.full((len(weights), *paths.shape), -7.0)
    _numba.replicate(
        np.asarray(weights, np.int32),
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


def over_all_sizes(result: Result) -> np.ndarray:
    return result.average_precision[:, :, 0, -1]


# Goldens.


@pytest.mark.parametrize("name", ["voc2007", "voc2010", "coco"])
def test_every_image_once_gives_the_survey(name: str) -> None:
    result = evaluate(*survey_data(), style=survey_style(name))
    got = by_kernel(result, np.ones((1, 7)))[0, 0, 0]
    assert got == pytest.approx(result.ap, abs=SUMS)


def test_an_image_alone() -> None:
    # Image 3 of the survey: of five detections the first and the last find two of three truths.
    result = evaluate(*survey_data(), style=survey_style("voc2010"))
    got = by_kernel(result, np.array([[0, 0, 1, 0, 0, 0, 0]]))[0, 0, 0]
    assert got == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 5, abs=SUMS)


# Properties.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(NAMES), st.booleans())
def test_the_kernel_equals_the_definition(seed: int, name: str, ties: bool) -> None:
    result = evaluate(*problem(seed, ties=ties), style=name)
    weights = np.random.default_rng(seed).integers(0, 4, (3, 5))
    wanted = np.array([reference.replicate(result.events, row, result.style) for row in weights])
    np.testing.assert_allclose(by_kernel(result, weights), wanted, rtol=0, atol=SUMS)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(NAMES))
def test_a_replicate_is_an_evaluation_of_repeated_images(seed: int, name: str) -> None:
    # Where no image has equal scores; equal scores of copies are many.
    truth, found = problem(seed, ties=False)
    weights = np.random.default_rng(seed).integers(0, 4, 5)
    whole = evaluate(truth, found, style=name)
    copies = evaluate(*repeated(truth, found, weights), style=name)
    got = by_kernel(whole, weights[None])[0]
    np.testing.assert_allclose(got, over_all_sizes(copies), rtol=0, atol=SUMS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(NAMES), st.booleans())
def test_every_image_once_is_the_result(seed: int, name: str, ties: bool) -> None:
    result = evaluate(*problem(seed, ties=ties), style=name)
    got = by_kernel(result, np.ones((1, 5)))[0]
    np.testing.assert_allclose(got, over_all_sizes(result), rtol=0, atol=SUMS)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_threads_change_nothing(seed: int, n: int) -> None:
    data = problem(seed, ties=True)
    drawn = [
        bootstrap(evaluate(*data, threads=threads), n, random_state=seed).replicates
        for threads in (1, 3)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])


# The face.


def test_both_backends_draw_the_same() -> None:
    result = evaluate(*survey_data(), style=survey_style("coco"))
    fast = bootstrap(result, 20, random_state=3)
    with backends.use("reference"):
        slow = bootstrap(result, 20, random_state=3)
    np.testing.assert_allclose(fast.replicates, slow.replicates, rtol=0, atol=SUMS)


def test_a_seed_decides_and_a_generator_goes_on() -> None:
    result = evaluate(*survey_data(), style=survey_style("coco"))
    one, same, other = (bootstrap(result, 30, random_state=seed).replicates for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    stream = np.random.default_rng(1)
    first, second = (bootstrap(result, 30, random_state=stream).replicates for _ in range(2))
    np.testing.assert_array_equal(first, one)
    assert (first != second).any()


def test_fewer_replicates_are_the_first_of_more() -> None:
    result = evaluate(*survey_data(), style=survey_style("coco"))
    few, many = (bootstrap(result, n, random_state=1).replicates for n in (16, 40))
    np.testing.assert_array_equal(few, many[:16])


def test_a_result_does_not_differ_from_itself() -> None:
    result = evaluate(*survey_data(), style=survey_style("coco"))
    interval = bootstrap(result, 20, result, random_state=1, per_class=True)
    assert (interval.low, interval.estimate, interval.high) == (0, 0, 0)
    assert interval.classes[1].high == 0
    assert interval.share_above_zero == 0


def test_a_better_detector_is_told_apart() -> None:
    truth, found = problem(11, ties=False, n_images=30)
    perfect = Detections.from_arrays(
        images=truth.images,
        categories=truth.categories,
        boxes=truth.boxes,
        scores=np.ones(len(truth)),
    )
    better, worse = evaluate(truth, perfect), evaluate(truth, found)
    interval = bootstrap(better, 100, worse, random_state=0)
    assert interval.low > 0
    assert interval.share_above_zero == 1
    assert interval.estimate == pytest.approx(better.ap - worse.ap)
    alone = bootstrap(worse, 100, random_state=0)
    both = interval.replicates + alone.replicates
    np.testing.assert_allclose(both[~np.isnan(both)], 1.0, atol=1e-12)


def test_intervals_of_every_class() -> None:
    result = evaluate(*problem(5, ties=False, n_images=20))
    interval = bootstrap(result, 50, random_state=0, per_class=True, level=0.8)
    assert sorted(interval.classes) == [1, 2, 3]
    for score in result.per_class():
        one = interval.classes[score.id]
        assert one.estimate == pytest.approx(score.ap, nan_ok=True)
        assert len(one.replicates) == 50
    assert interval.low <= interval.high
    assert "80 %, 50 resamples" in str(interval)


def test_percentiles_hold_their_share() -> None:
    result = evaluate(*problem(5, ties=False, n_images=40))
    plain = bootstrap(result, 400, random_state=0, level=0.5, method="percentile")
    inside = (plain.replicates >= plain.low) & (plain.replicates <= plain.high)
    assert inside.mean() == pytest.approx(0.5, abs=0.01)
    centred = bootstrap(result, 400, random_state=0, level=0.5)
    np.testing.assert_array_equal(centred.replicates, plain.replicates)
    assert plain.bias > 0
    assert centred.low == pytest.approx(plain.low - plain.bias)
    assert centred.high == pytest.approx(plain.high - plain.bias)


def test_an_interval_stays_within_what_can_be() -> None:
    truth, _ = survey_data()
    perfect = Detections.from_arrays(
        images=truth.images, categories=truth.categories, boxes=truth.boxes, scores=np.ones(15)
    )
    interval = bootstrap(evaluate(truth, perfect), 30, random_state=0)
    assert (interval.low, interval.high) == (1, 1)


# Edges.


def test_nothing_to_find_is_undefined() -> None:
    truth = GroundTruth.from_arrays(images=[], categories=[], boxes=[], image_ids=[1, 2])
    found = Detections.from_arrays(images=[], categories=[], boxes=[], scores=[])
    interval = bootstrap(evaluate(truth, found), 5, random_state=0)
    assert np.isnan([interval.estimate, interval.low, interval.high]).all()
    assert np.isnan([interval.standard_error, interval.share_above_zero]).all()


def test_nothing_found_is_zero() -> None:
    truth, _ = survey_data()
    found = Detections.from_arrays(images=[], categories=[], boxes=[], scores=[])
    for name in NAMES:
        interval = bootstrap(evaluate(truth, found, style=name), 5, random_state=0)
        assert (interval.low, interval.high) == (0, 0)


def test_other_thresholds_and_pooled_classes() -> None:
    style = replace(STYLES["coco"], thresholds=(0.3, 0.5), per_class=False)
    result = evaluate(*problem(3, ties=True), style=style)
    got = by_kernel(result, np.ones((1, 5)))[0]
    np.testing.assert_allclose(got, over_all_sizes(result), rtol=0, atol=SUMS)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"n": 0}, ValueError, "n must be >= 1. Got 0."),
        ({"n": 2.5}, TypeError, "n must be an integer. Got float: 2.5."),
        ({"n": True}, TypeError, "n must be an integer"),
        ({"level": 1}, ValueError, "level must be > 0 and < 1. Got 1."),
        ({"level": float("nan")}, ValueError, "level must be"),
        ({"method": "bca"}, ValueError, "method must be one of 'centred', 'percentile'"),
        ({"random_state": -1}, ValueError, "random_state must be >= 0. Got -1."),
        ({"random_state": "a"}, TypeError, "random_state must be None"),
        ({"other": 3}, TypeError, "other must be a Result. Got int."),
    ],
)
def test_hostile_arguments(options: dict, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words.replace("(", r"\(")):
        evaluate(*survey_data()).bootstrap(**options)


def test_pairs_must_share_images_and_classes() -> None:
    result = evaluate(*survey_data())
    with pytest.raises(ValueError, match="other must be on the same images"):
        bootstrap(result, 5, evaluate(*problem(0, ties=True)))
    truth, found = survey_data()
    more = evaluate(replace(truth, category_ids=np.array([1, 2])), found)
    assert bootstrap(result, 5, more, random_state=0).estimate == 0
    with pytest.raises(ValueError, match="other must be on the same classes"):
        bootstrap(result, 5, more, per_class=True)


def test_no_images_at_all() -> None:
    truth = GroundTruth.from_arrays(images=[], categories=[], boxes=[])
    found = Detections.from_arrays(images=[], categories=[], boxes=[], scores=[])
    with pytest.raises(ValueError, match="at least one image"):
        bootstrap(evaluate(truth, found), 5)


def test_a_style_of_ones_own() -> None:
    style = Style(name="mine", thresholds=(0.5, 0.9), interpolation="11-point", grid="arange")
    result = evaluate(*problem(8, ties=True), style=style)
    got = by_kernel(result, np.ones((1, 5)))[0]
    np.testing.assert_allclose(got, over_all_sizes(result), rtol=0, atol=SUMS)
