"""The order of truths and detections: against numpy's stable sorts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.matching import Index
from drivetrain.detection.matching import _numba as kernels
from drivetrain.detection.matching.index import scratch
from drivetrain.detection.matching.threads import run_jobs, split, thread_count


def sorted_by_kernel(scores: np.ndarray) -> np.ndarray:
    """The permutation that the kernel makes of the scores, which it sorts along."""
    moved, order = scores.copy(), np.arange(len(scores))
    kernels.sort_falling(moved, order, scratch(len(scores)))
    np.testing.assert_array_equal(moved.view(np.int64), scores[order].view(np.int64))
    return order


def spread(name: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Scores whose leading bits tell much, little or nothing."""
    return {
        "uniform": rng.random(n),
        "three decimals": rng.random(n).round(3),
        "float32": rng.random(n).astype(np.float32).astype(np.float64),
        "all equal": np.full(n, 0.25),
        "falling": np.linspace(1, 0, n),
        "rising": np.linspace(0, 1, n),
        # Differ in their last bits only, but for one: two passes cannot tell them apart.
        "crowded": np.concatenate([[1e-300], 1 - rng.integers(1, 2**20, n - 1) * 2.0**-53]),
        "both signs": rng.normal(0, 1, n) * 10.0 ** rng.integers(-300, 300, n),
        "odd": rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, -5e-324, 1.0], n),
    }[name]


@pytest.mark.parametrize("n", [1, 2, 64, 65, 3000])
@pytest.mark.parametrize(
    "name",
    [
        "uniform",
        "three decimals",
        "float32",
        "all equal",
        "falling",
        "rising",
        "crowded",
        "both signs",
        "odd",
    ],
)
def test_sort_equals_numpys_mergesort(name: str, n: int) -> None:
    scores = spread(name, n, np.random.default_rng(n))
    np.testing.assert_array_equal(sorted_by_kernel(scores), np.argsort(-scores, kind="mergesort"))


@given(st.lists(st.floats(allow_nan=True, width=32), max_size=200))
@settings(deadline=None, max_examples=60)
def test_sort_equals_numpys_on_any_floats(values: list[float]) -> None:
    scores = np.array(values, np.float64)
    np.testing.assert_array_equal(sorted_by_kernel(scores), np.argsort(-scores, kind="mergesort"))


def problem(seed: int, *, apart: int = 1) -> tuple[GroundTruth, Detections]:
    """Truths and detections in no order, some of them on images and of classes nobody knows."""
    rng = np.random.default_rng(seed)
    images = rng.permutation(np.arange(0, 9) * apart - 3)
    kinds = rng.permutation(np.array([2, 5, 11]))
    n, m = int(rng.integers(0, 30)), int(rng.integers(0, 80))
    somewhere = np.append(images, [10**12, -(10**12)])
    truth = GroundTruth.from_arrays(
        images=rng.choice(images, n),
        categories=rng.choice(kinds, n),
        boxes=rng.random((n, 4)),
        image_ids=images,
        category_ids=kinds,
    )
    found = Detections.from_arrays(
        images=rng.choice(somewhere, m),
        categories=rng.choice(np.append(kinds, 3), m),
        scores=rng.random(m).round(1),
        boxes=rng.random((m, 4)),
    )
    return truth, found


@pytest.mark.parametrize("per_class", [True, False])
@pytest.mark.parametrize("apart", [1, 1 << 40])
@pytest.mark.parametrize("seed", range(12))
def test_order_is_that_of_a_stable_sort(seed: int, apart: int, per_class: bool) -> None:
    truth, found = problem(seed, apart=apart)
    index = Index.build(truth, found, per_class=per_class)
    known = np.isin(found.images, truth.image_ids) & np.isin(found.categories, truth.category_ids)
    at = np.flatnonzero(known)
    place, kind, score = found.images[at], found.categories[at], found.scores[at]
    # The last key counts first. Pooled, classes only order what has one score.
    keys = (at, -score, place, kind) if per_class else (at, kind, -score, place)
    np.testing.assert_array_equal(index.detections, at[np.lexsort(keys)])
    at = np.arange(len(truth))
    place, kind = truth.images, truth.categories
    keys = (at, place, kind) if per_class else (at, kind, place)
    np.testing.assert_array_equal(index.truths, np.lexsort(keys))


@pytest.mark.parametrize("seed", range(8))
def test_groups_hold_one_image_and_class_each(seed: int) -> None:
    truth, found = problem(seed)
    index = Index.build(truth, found)
    pairs = list(zip(index.classes.tolist(), index.images.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    for g, (kind, place) in enumerate(pairs):
        mine = index.detections[index.first_detection[g] : index.first_detection[g + 1]]
        truths = index.truths[index.first_truth[g] : index.first_truth[g + 1]]
        assert len(mine) + len(truths) > 0
        assert set(found.images[mine]) | set(truth.images[truths]) == {index.image_ids[place]}
        assert set(found.categories[mine]) | set(truth.categories[truths]) == {
            index.category_ids[kind]
        }
    of_class = np.repeat(np.arange(len(index.category_ids)), np.diff(index.first_group))
    np.testing.assert_array_equal(of_class, index.classes)


def test_only_the_given_images_and_classes_count() -> None:
    truth, found = problem(1)
    index = Index.build(truth, found, images=[6, -3, 6, 77], categories=[5])
    assert index.image_ids.tolist() == [-3, 6, 77]
    assert set(found.images[index.detections]) <= {-3, 6}
    assert set(truth.categories[index.truths]) <= {5}


def test_the_order_does_not_depend_on_threads() -> None:
    truth, found = problem(5)
    one, four = (Index.build(truth, found, threads=threads) for threads in (1, 4))
    for name in ("detections", "truths", "scores", "groups"):
        np.testing.assert_array_equal(getattr(one, name), getattr(four, name))


@pytest.mark.parametrize(("truths", "found"), [(0, 0), (0, 3), (3, 0)])
def test_empty_sides_have_empty_groups(truths: int, found: int) -> None:
    truth = GroundTruth.from_arrays(
        images=[1] * truths,
        categories=[1] * truths,
        boxes=[[0, 0, 1, 1]] * truths,
        image_ids=[1],
        category_ids=[1],
    )
    said = Detections.from_arrays(
        images=[1] * found,
        categories=[1] * found,
        scores=[0.5] * found,
        boxes=[[0, 0, 1, 1]] * found,
    )
    index = Index.build(truth, said)
    assert len(index.detections) == found
    assert len(index.truths) == truths
    assert len(index.classes) == (truths + found > 0)


def test_no_images_at_all() -> None:
    none = np.empty(0, np.int64)
    truth = GroundTruth.from_arrays(images=none, categories=none, boxes=[])
    found = Detections.from_arrays(images=[1], categories=[1], scores=[1.0], boxes=[[0, 0, 1, 1]])
    index = Index.build(truth, found)
    assert len(index.detections) == len(index.classes) == 0


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_parts_cover_everything_once(work: list[int], parts: int) -> None:
    bounds = split(np.array(work, np.int64), parts)
    assert bounds[0] == 0
    assert bounds[-1] == len(work)
    assert len(work) == 0 or np.all(np.diff(bounds) > 0)
    assert len(bounds) <= max(parts, 1) + 1


def test_jobs_keep_their_order_and_threads_are_counted() -> None:
    jobs = [(i, 2) for i in range(20)]
    assert run_jobs(pow, jobs, 4) == run_jobs(pow, jobs, 1) == [i * i for i in range(20)]
    assert 1 <= thread_count(None) <= 16
    with pytest.raises(ValueError, match="threads must be >= 1"):
        thread_count(0)
