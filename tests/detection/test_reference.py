"""The definitions hold what the articles say, and the tables keep their properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from drivetrain.detection import reference as ref
from drivetrain.detection.annotations import Detections, Federation, GroundTruth
from drivetrain.detection.problem import average_precisions, pose, tables
from drivetrain.detection.styles import STYLES, Style

EPS = np.finfo(float).eps

boxes = arrays.arrays(
    np.float64,
    st.tuples(st.integers(0, 6), st.just(4)),
    elements=st.floats(0, 64, width=32).map(lambda v: round(v * 4) / 4),
)
flags = st.lists(st.booleans(), min_size=1, max_size=40)


# Counting and the curve.


@given(flags, st.integers(0, 20))
def test_the_curve_counts(found: list[bool], missed: int) -> None:
    n = max(sum(found) + missed, 1)
    R, P = ref.curve(found, n)
    for at in range(len(found)):
        tp = sum(found[: at + 1])
        assert P[at] == tp / (at + 1)
        assert R[at] == tp / n


def test_precision_of_nothing_said_is_nothing() -> None:
    assert ref.precision(0, 0) == 0.0
    assert ref.recall(0, 4) == 0.0


# Overlap.


@given(boxes, boxes)
def test_iou_is_what_pixels_count(p: np.ndarray, g: np.ndarray) -> None:
    # Quarter-pixel boxes: on a grid of quarters the overlap is a count, exactly.
    def painted(box: np.ndarray) -> np.ndarray:
        canvas = np.zeros((520, 520), bool)
        x, y, w, h = (box * 4).astype(int)
        canvas[y : y + h, x : x + w] = True
        return canvas

    got = ref.iou(p, g)
    assert got.shape == (len(p), len(g))
    for i, j in np.ndindex(got.shape):
        a, b = painted(p[i]), painted(g[j])
        both, either = np.count_nonzero(a & b), np.count_nonzero(a | b)
        assert got[i, j] == (both / either if both else 0.0)


@given(boxes)
def test_a_box_is_all_of_itself(p: np.ndarray) -> None:
    real = p[(p[:, 2] > 0) & (p[:, 3] > 0)]
    assert np.all(np.diag(ref.iou(real, real)) == 1.0)


@given(boxes, boxes)
def test_iou_is_symmetric(p: np.ndarray, g: np.ndarray) -> None:
    # The areas are added in the other order, which in float64 is the same sum.
    assert np.array_equal(ref.iou(p, g), ref.iou(g, p).T)


def test_inclusive_boxes_hold_their_last_pixel() -> None:
    # Corners 0..9 and 5..14 are 10 pixels each way, whose overlap is 5 of 15 columns.
    corners = [[0, 0, 9, 9]], [[5, 0, 9, 9]]
    assert ref.iou(*corners, inclusive=True).item() == 50 / 150
    assert ref.iou(*corners).item() == 36 / 126


def test_a_crowd_divides_by_the_detection() -> None:
    assert ref.iou([[0, 0, 10, 10]], [[0, 0, 5, 100]], crowd=[True]).item() == 0.5


@pytest.mark.parametrize("box", [[0, 0, 0, 10], [0, 0, 10, 0], [5, 5, 0, 0]])
def test_a_box_without_area_overlaps_nothing(box: list[float]) -> None:
    assert ref.iou([box], [[0, 0, 20, 20], box]).tolist() == [[0.0, 0.0]]


def test_mask_iou_counts_pixels() -> None:
    a, b = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert ref.mask_iou([a], [b, ~a, a[:2]]).tolist() == [[1 / 3, 0.0, 0.0]]
    assert ref.mask_iou([a], [b], crowd=[True]).item() == 1 / 2


def test_oks_of_itself_is_one() -> None:
    points = np.array([[[1.0, 2.0, 2.0], [5.0, 5.0, 1.0], [9.0, 9.0, 0.0]]])
    box, area = np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([100.0])
    assert ref.oks(points, points, box, area, [0.05, 0.05, 0.05]).item() == 1.0


def test_oks_of_one_point_is_its_formula() -> None:
    g = np.array([[[10.0, 10.0, 2.0], [0.0, 0.0, 0.0]]])
    p = np.array([[[13.0, 14.0, 1.0], [99.0, 99.0, 1.0]]])
    got = ref.oks(p, g, np.array([[0.0, 0.0, 20.0, 20.0]]), np.array([400.0]), [0.1, 0.1])
    e = 25 / (2 * 0.1) ** 2 / 400 / 2
    # Four roundings in e, each worth |e| ulps in exp(-e).
    assert abs(got.item() - np.exp(-e)) <= 8 * EPS


def test_oks_without_labels_measures_to_the_doubled_box() -> None:
    g = np.zeros((1, 2, 3))
    p = np.array([[[-10.0, 0.0, 0.0], [25.0, 30.0, 0.0]], [[-13.0, 0.0, 0.0], [20.0, 34.0, 0.0]]])
    got = ref.oks(p, g, np.array([[0.0, 0.0, 10.0, 15.0]]), np.array([100.0]), [0.1, 0.1])
    assert got[0, 0] == pytest.approx((1 + np.exp(-25 / 0.04 / 100 / 2)) / 2, abs=4 * EPS)
    assert got[1, 0] == pytest.approx(
        (np.exp(-9 / 0.04 / 200) + np.exp(-16 / 0.04 / 200)) / 2, abs=4 * EPS
    )


# Matching.

NONE = np.zeros(3, bool)


def test_coco_takes_the_best_truth_still_free() -> None:
    overlap = np.array([[0.9, 0.6], [0.8, 0.7]])
    free = NONE[:2]
    assert ref.match_coco(overlap, free, free, 0.5).tolist() == [0, 1]
    assert ref.match_voc(overlap, free, 0.5).tolist() == [0, -1]


def test_equal_overlaps_take_the_later_truth() -> None:
    overlap = np.array([[0.7, 0.7, 0.7]])
    assert ref.match_coco(overlap, NONE, NONE, 0.5).tolist() == [2]
    assert ref.match_voc(overlap, NONE, 0.5).tolist() == [0]


def test_the_threshold_itself_matches_unless_strict() -> None:
    overlap = np.array([[0.5]])
    one = NONE[:1]
    assert ref.match_coco(overlap, one, one, 0.5).tolist() == [0]
    assert ref.match_coco(overlap, one, one, 0.5, strict=True).tolist() == [-1]
    assert ref.match_voc(overlap, one, 0.5).tolist() == [0]
    assert ref.match_voc(overlap, one, 0.5, strict=True).tolist() == [-1]


def test_a_truth_that_counts_comes_before_an_ignored_one() -> None:
    aside = np.array([True, False])
    assert ref.match_coco(np.array([[0.9, 0.6]]), aside, NONE[:2], 0.5).tolist() == [1]
    assert ref.match_voc(np.array([[0.9, 0.6]]), aside, 0.5).tolist() == [0]


def test_a_crowd_is_never_used_up() -> None:
    crowd = np.array([True])
    overlap = np.full((3, 1), 0.6)
    assert ref.match_coco(overlap, crowd, crowd, 0.5).tolist() == [0, 0, 0]
    assert ref.match_coco(overlap, crowd, NONE[:1], 0.5).tolist() == [0, -1, -1]


def test_a_difficult_truth_swallows_all_that_mean_it() -> None:
    assert ref.match_voc(np.full((2, 1), 0.6), np.array([True]), 0.5).tolist() == [0, 0]


# Areas under the curve.


@given(flags, st.integers(0, 10))
def test_areas_are_between_none_and_all(found: list[bool], missed: int) -> None:
    R, P = ref.curve(found, max(sum(found) + missed, 1))
    # Sums of at most 101 terms in [0, 1], each rounding by at most ε of the sum.
    for area in (ref.ap_11_point(R, P), ref.ap_all_point(R, P), ref.ap_101_point(R, P)):
        assert 0.0 <= area <= 1.0 + 101 * EPS
    assert ref.ap_all_point(R, P) <= max(P) + 101 * EPS


@given(flags)
def test_a_detection_more_at_the_end_that_is_false_changes_no_area(found: list[bool]) -> None:
    n = max(sum(found), 1)
    one, two = ref.curve(found, n), ref.curve([*found, False], n)
    assert ref.ap_11_point(*one) == ref.ap_11_point(*two)
    assert ref.ap_101_point(*one) == ref.ap_101_point(*two)


def test_all_found_at_once_is_one() -> None:
    R, P = ref.curve([True] * 10, 10)
    assert ref.ap_11_point(R, P) == ref.ap_101_point(R, P) == 1.0
    assert ref.ap_all_point(R, P) == pytest.approx(1.0, abs=10 * EPS)
    # The sentinel (1, 0) lies over the last point: half of the last of 100 trapezoids is lost.
    assert ref.ap_trapezoid(R, P) == pytest.approx(0.995, abs=101 * EPS)


def test_nothing_said_is_nothing_found() -> None:
    R, P = ref.curve([], 4)
    for style in STYLES.values():
        # Ultralytics' sentinels draw a line from (0, 1) to (1, 0).
        nothing = 0.5 if style.interpolation == "trapezoid" else 0.0
        assert ref.average_precision(R, P, style) == pytest.approx(nothing, abs=1e-15)


# VOC's devkit, as its evaluation reads, kept as small as it can be.


def devkit(truth: GroundTruth, found: Detections, style: Style) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision of class 1 as VOCevaldet computes them."""
    gt: dict[int, dict[str, np.ndarray]] = {}
    n_pos = 0
    for image in truth.image_ids:
        at = np.flatnonzero((truth.images == image) & (truth.categories == 1))
        corner = truth.boxes[at, :2]
        bb = np.hstack([corner, corner + truth.boxes[at, 2:]])
        gt[int(image)] = {"bb": bb, "diff": truth.ignore[at], "det": np.zeros(len(at), bool)}
        n_pos += int(np.sum(~truth.ignore[at]))
    mine = np.flatnonzero(found.categories == 1)
    order = mine[np.argsort(-found.scores[mine], kind="stable")]
    tp, fp = np.zeros(len(order)), np.zeros(len(order))
    for d, at in enumerate(order):
        x, y, w, h = found.boxes[at]
        here = gt[int(found.images[at])]
        ov_max, j_max = -np.inf, -1
        for j, (x1, y1, x2, y2) in enumerate(here["bb"]):
            iw = min(x + w, x2) - max(x, x1) + 1
            ih = min(y + h, y2) - max(y, y1) + 1
            if iw > 0 and ih > 0:
                union = (w + 1) * (h + 1) + (x2 - x1 + 1) * (y2 - y1 + 1) - iw * ih
                if iw * ih / union > ov_max:
                    ov_max, j_max = iw * ih / union, j
        if ov_max >= style.thresholds[0]:
            if not here["diff"][j_max]:
                if not here["det"][j_max]:
                    tp[d] = 1
                    here["det"][j_max] = True
                else:
                    fp[d] = 1
        else:
            fp[d] = 1
    fp, tp = np.cumsum(fp), np.cumsum(tp)
    return tp / n_pos, tp / np.maximum(fp + tp, EPS)


def devkit_ap(rec: np.ndarray, prec: np.ndarray, *, year: int) -> float:
    """Return the area as VOC of that year computes it."""
    if year == 2007:
        return sum(max(prec[rec >= i / 10], default=0.0) for i in range(11)) / 11
    mrec, mpre = np.r_[0, rec, 1], np.r_[0, prec, 0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = max(mpre[i], mpre[i + 1])
    i = np.flatnonzero(mrec[1:] != mrec[:-1]) + 1
    return float(np.sum((mrec[i] - mrec[i - 1]) * mpre[i]))


def voc_problem(seed: int) -> tuple[GroundTruth, Detections]:
    """Integer boxes, difficult truths, no score twice (the devkit breaks ties by the file)."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 30)), int(rng.integers(1, 80))
    known = np.hstack([rng.integers(0, 60, (n, 2)), rng.integers(4, 40, (n, 2))])
    near = known[rng.integers(0, n, m)] + rng.integers(-4, 5, (m, 4))
    truth = GroundTruth.from_arrays(
        images=rng.integers(1, 5, n),
        categories=rng.integers(1, 3, n),
        boxes=known,
        image_ids=[1, 2, 3, 4],
        category_ids=[1, 2],
        ignore=rng.random(n) < 0.2,
    )
    found = Detections.from_arrays(
        images=rng.integers(1, 5, m),
        categories=rng.integers(1, 3, m),
        scores=rng.permutation(m) / m,
        boxes=np.maximum(near, 1),
    )
    return truth, found


@pytest.mark.parametrize("year", [2007, 2010])
def test_voc_equals_its_devkit(year: int) -> None:
    rated = 0
    for seed in range(150):
        truth, found = voc_problem(seed)
        style = replace(STYLES[f"voc{year}"], inclusive=True)
        got = average_precisions(truth, found, style)[0, 0, 0, 0]
        if not np.any((truth.categories == 1) & ~truth.ignore):
            assert np.isnan(got)
            continue
        rated += 1
        expected = devkit_ap(*devkit(truth, found, style), year=year)
        # The ignored rows that the devkit keeps add nothing but, for 2010, no term either.
        assert got == expected, seed
    assert rated > 100


# A whole data set.


def shuffled(found: Detections, rng: np.random.Generator) -> Detections:
    at = rng.permutation(len(found))
    return replace(
        found,
        images=found.images[at],
        categories=found.categories[at],
        scores=found.scores[at],
        boxes=found.boxes[at],
    )


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_the_order_of_a_file_without_ties_is_no_matter(seed: int) -> None:
    truth, found = voc_problem(seed)
    other = shuffled(found, np.random.default_rng(seed + 1))
    for style in ("coco", "voc2007", "lvis"):
        one, two = tables(truth, found, style), tables(truth, other, style)
        assert np.array_equal(one.precision, two.precision, equal_nan=True)
        assert np.array_equal(one.recall, two.recall, equal_nan=True)
        assert np.array_equal(one.scores, two.scores, equal_nan=True)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(["coco", "voc2010", "lvis", "openimages"]))
def test_precision_falls_with_recall(seed: int, name: str) -> None:
    got = tables(*voc_problem(seed), name)
    known = np.moveaxis(got.precision, 1, -1)[~np.isnan(got.recall)]
    assert np.all(np.diff(known) <= 0)
    assert np.all((known >= 0) & (known <= 1))
    assert np.array_equal(known[:, 0] > 0, got.recall[~np.isnan(got.recall)] > 0)


def test_only_the_given_images_and_classes_count() -> None:
    truth, found = voc_problem(5)
    got = tables(truth, found, "coco", images=[2, 9], categories=[2])
    assert got.image_ids.tolist() == [2, 9]
    assert got.category_ids.tolist() == [2]
    kept = (truth.images == 2) & (truth.categories == 2)
    alone = GroundTruth.from_arrays(
        images=truth.images[kept], categories=truth.categories[kept], boxes=truth.boxes[kept]
    )
    assert np.array_equal(got.precision, tables(alone, found, "coco").precision, equal_nan=True)


def one_class(n_truths: int, scores: list[float]) -> tuple[GroundTruth, Detections]:
    """Truths in a row, and detections of the first of them."""
    placed = [[20.0 * i, 0.0, 10.0, 10.0] for i in range(max(n_truths, len(scores)))]
    truth = GroundTruth.from_arrays(
        images=[1] * n_truths,
        categories=[1] * n_truths,
        boxes=placed[:n_truths],
        image_ids=[1],
        category_ids=[1],
    )
    found = Detections.from_arrays(
        images=[1] * len(scores),
        categories=[1] * len(scores),
        scores=scores,
        boxes=placed[: len(scores)],
    )
    return truth, found


@pytest.mark.parametrize("style", ["coco", "voc2007", "voc2010", "lvis", "openimages"])
def test_no_truths_is_nan(style: str) -> None:
    truth, found = one_class(0, [0.5])
    got = tables(truth, found, replace(STYLES[style], federated=False))
    assert np.all(np.isnan(got.precision))
    assert np.all(np.isnan(average_precisions(truth, found, style)))


@pytest.mark.parametrize("style", ["coco", "voc2007", "voc2010", "lvis", "openimages"])
def test_no_detections_is_zero(style: str) -> None:
    truth, found = one_class(2, [])
    assert tables(truth, found, style).recall[0, 0, 0, 0] == 0.0
    assert np.nanmax(tables(truth, found, style).precision) == 0.0
    assert average_precisions(truth, found, style)[0, 0, 0, 0] == 0.0


def test_a_nan_score_comes_last() -> None:
    truth, found = one_class(2, [float("nan"), 0.5])
    got = tables(truth, found, "coco")
    assert got.scores[0, 0, 0, 0, -1] == 0.5
    assert np.isnan(got.scores[0, 100, 0, 0, -1])
    assert got.recall[0, 0, 0, -1] == 1.0
    assert got.recall[0, 0, 0, 0] == 0.5


def test_truth_id_0_counts_as_unmatched_only_where_asked() -> None:
    truth, found = one_class(2, [0.9, 0.8])
    truth = replace(truth, ids=np.array([0, 1]))
    style = STYLES["coco"]
    assert tables(truth, found, style).recall[0, 0, 0, -1] == 1.0
    fault = replace(style, zero_id_unmatched=True)
    assert tables(truth, found, fault).recall[0, 0, 0, -1] == 0.5


def test_an_area_on_the_border_is_in_both_ranges() -> None:
    truth, found = one_class(1, [0.9])
    truth = replace(truth, areas=np.array([1024.0]))
    got = tables(truth, found, "coco")
    assert got.recall[0, 0, 1, -1] == got.recall[0, 0, 2, -1] == 1.0
    assert np.isnan(got.recall[0, 0, 3, -1])


def test_pooled_classes_match_each_other() -> None:
    truth, found = one_class(1, [0.9])
    found = replace(found, categories=np.array([2]))
    truth = replace(truth, category_ids=np.array([1, 2]))
    style = replace(STYLES["coco"], per_class=False)
    got = tables(truth, found, style)
    assert got.category_ids.tolist() == [-1]
    assert got.recall[0, 0, 0, -1] == 1.0
    assert tables(truth, found, "coco").recall[0, 0, 0, -1] == 0.0


def test_lvis_leaves_out_what_was_not_verified() -> None:
    truth, found = one_class(1, [0.9, 0.8])
    other = np.array([1, 2])
    found = replace(found, categories=other)
    truth = replace(truth, category_ids=other)
    every = {(1, 1): [0], (1, 2): [1]}
    assert pose(truth, found, "lvis").detections == every
    known = replace(truth, federation=Federation())
    assert pose(known, found, "lvis").detections == {(1, 1): [0]}
    known = replace(truth, federation=Federation(negative=np.array([[1, 2]])))
    assert pose(known, found, "lvis").detections == every


def test_lvis_ignores_what_is_not_exhaustive() -> None:
    truth, found = one_class(1, [0.9, 0.8])
    got = pose(truth, found, "lvis").judge(1, 1)
    assert got is not None
    assert got.ignored[0].tolist() == [False, False]
    some = replace(truth, federation=Federation(not_exhaustive=np.array([[1, 1]])))
    got = pose(some, found, "lvis").judge(1, 1)
    assert got is not None
    assert got.ignored[0].tolist() == [False, True]


def test_lvis_keeps_the_best_of_an_image() -> None:
    truth, found = one_class(4, [0.1, 0.9, 0.5, 0.9])
    style = replace(STYLES["lvis"], max_per_image=2)
    assert pose(truth, found, style).detections == {(1, 1): [1, 3]}


def test_what_it_cannot_judge_it_refuses() -> None:
    truth, found = one_class(1, [0.9])
    with pytest.raises(ValueError, match="assigns by pairs"):
        tables(truth, found, "ultralytics")
    with pytest.raises(ValueError, match="Did you mean 'bbox'"):
        tables(truth, found, "coco", "box")
    with pytest.raises(ValueError, match="detections has no masks"):
        tables(truth, found, "coco", "segm")
    with pytest.raises(ValueError, match="no keypoints"):
        tables(truth, found, "coco", "keypoints")
