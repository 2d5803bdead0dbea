"""What a result says: numbers and labels, classes, curves, plain values, and NaN with a warning."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core import errors
from drivetrain.detection import (
    STYLES,
    Detections,
    GroundTruth,
    Result,
    Style,
    UndefinedScoreWarning,
    evaluate,
)
from drivetrain.detection.examples import (
    SURVEY_FLAGS,
    SURVEY_TRUTHS,
    survey_data,
    survey_style,
)
from drivetrain.detection.reference import curve

TWELVE = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def spread(seed: int, n: int = 60, m: int = 150) -> tuple[GroundTruth, Detections]:
    """Boxes of all three sizes in four images and three classes, one class never there."""
    rng = np.random.default_rng(seed)
    sides = rng.choice([12.0, 50.0, 150.0], (n, 1)) * rng.uniform(0.8, 1.2, (n, 2))
    boxes = np.concatenate((rng.uniform(0, 300, (n, 2)), sides), axis=1)
    near = rng.integers(0, n, m)
    images, categories = rng.integers(1, 5, n), rng.integers(1, 4, n)
    return (
        GroundTruth.from_arrays(
            images=images,
            categories=categories,
            boxes=boxes,
            crowd=rng.random(n) < 0.05,
            image_ids=[1, 2, 3, 4],
            category_ids=[1, 2, 3, 8],
            category_names=("cat", "dog", "owl", "elk"),
        ),
        Detections.from_arrays(
            images=images[near],
            categories=np.where(rng.random(m) < 0.9, categories[near], 8),
            boxes=boxes[near] + rng.normal(0, 2, (m, 4)) * (boxes[near, 2:3] / 40),
            scores=np.round(rng.random(m), 1),
        ),
    )


@pytest.fixture(scope="module")
def coco() -> Result:
    return evaluate(*spread(1))


@pytest.fixture(scope="module")
def voc() -> Result:
    return evaluate(*survey_data(), style=survey_style("voc2010"))


# Goldens.


def test_the_numbers_in_cocos_order_with_their_labels(coco: Result) -> None:
    assert [number.key for number in coco.numbers] == TWELVE
    assert [number.cap for number in coco.numbers] == [100] * 6 + [1, 10, 100] + [100] * 3
    areas = ["all"] * 3 + ["small", "medium", "large"] + ["all"] * 3 + ["small", "medium", "large"]
    assert [number.area for number in coco.numbers] == areas
    assert [number.over for number in coco.numbers[:3]] == ["0.50:0.95", "0.50", "0.75"]
    assert coco.summary["AP50"] > coco.summary["AP"]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("voc2007", ["mAP"]),
        ("voc2010", ["mAP"]),
        ("openimages", ["mAP"]),
        ("ultralytics", ["AP", "AP50", "AP75"]),
        ("lvis", ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR300", "ARs", "ARm", "ARl"]),
    ],
)
def test_what_each_style_quotes(name: str, keys: list[str]) -> None:
    result = evaluate(*spread(1), style=name)
    assert list(result.summary) == keys
    assert result.ap == next(iter(result.summary.values()))


def test_the_markdown_of_the_survey(voc: Result) -> None:
    assert voc.to_markdown().splitlines() == [
        "|     | value | IoU  | area | detections |",
        "|-----|-------|------|------|------------|",
        "| mAP | .2457 | 0.30 | all  | all        |",
        "",
        "| class  | AP    | AP50 | AR    | truths | detections |",
        "|--------|-------|------|-------|--------|------------|",
        "| person | .2457 | –    | .4667 | 15     | 24         |",
    ]


def test_the_curve_of_the_survey(voc: Result) -> None:
    found = voc.pr_curve("person")
    R, P = curve(SURVEY_FLAGS, SURVEY_TRUTHS)
    np.testing.assert_array_equal(found.recall, R)
    np.testing.assert_array_equal(found.precision, P)
    assert found.n_truths == SURVEY_TRUTHS
    assert found.ap == {
        "11-point": 0.26839826839826836,
        "all-point": 0.24568668046928915,
        "101-point": 0.24816021974868288,
    }
    recalls, heights = found.interpolated["all-point"]
    steps = np.diff(recalls) * heights[:-1]
    assert steps.sum() == pytest.approx(found.ap["all-point"])
    assert (np.diff(recalls) >= 0).all() and (np.diff(heights) <= 0).all()
    for name in ("11-point", "101-point"):
        assert found.interpolated[name][1].mean() == pytest.approx(found.ap[name])


# Other caps than COCO's give numbers too (torchmetrics #1153, where AP is -1).


def test_the_largest_cap_is_used_whatever_it_is() -> None:
    style = replace(STYLES["coco"], max_detections=(1, 5, 300))
    result = evaluate(*spread(1), style=style)
    assert list(result.summary)[6:9] == ["AR1", "AR5", "AR300"]
    assert result.ap == pytest.approx(evaluate(*spread(1)).ap, abs=0.05)
    assert result.ap > 0
    assert [number.cap for number in result.numbers[:6]] == [300] * 6
    assert "300" in result.to_markdown().splitlines()[2]


def test_an_area_named_all_is_the_headline_wherever_it_stands() -> None:
    areas = (*STYLES["coco"].areas[1:], STYLES["coco"].areas[0])
    result = evaluate(*spread(1), style=replace(STYLES["coco"], areas=areas))
    plain = evaluate(*spread(1))
    assert result.summary == plain.summary
    assert repr(result.per_class()) == repr(plain.per_class())
    np.testing.assert_array_equal(
        result.bootstrap(8, random_state=0).replicates,
        plain.bootstrap(8, random_state=0).replicates,
    )


# Parity.


@pytest.mark.peer
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_twelve_numbers_are_pycocotools_bits(seed: int) -> None:
    pytest.importorskip("pycocotools.cocoeval")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = spread(seed, n=30, m=80)
    names = zip(truth.category_ids.tolist(), truth.category_names)
    data = COCO()
    data.dataset = {
        "info": {},
        "images": [{"id": i} for i in truth.image_ids.tolist()],
        "categories": [{"id": i, "name": name} for i, name in names],
        "annotations": [
            {
                "id": int(truth.ids[i]),
                "image_id": int(truth.images[i]),
                "category_id": int(truth.categories[i]),
                "bbox": truth.boxes[i].tolist(),
                "area": float(truth.areas[i]),
                "iscrowd": int(truth.crowd[i]),
            }
            for i in range(len(truth))
        ],
    }
    data.createIndex()
    results = data.loadRes(
        [
            {
                "image_id": int(found.images[i]),
                "category_id": int(found.categories[i]),
                "bbox": found.boxes[i].tolist(),
                "score": float(found.scores[i]),
            }
            for i in range(len(found))
        ]
    )
    peer = COCOeval(data, results, "bbox")
    peer.evaluate()
    peer.accumulate()
    peer.summarize()
    # Parsed from decimal text or taken from memory, the numbers are the same doubles.
    ours = np.array([*evaluate(truth, found).summary.values()])
    np.testing.assert_array_equal(np.where(np.isnan(ours), -1.0, ours), peer.stats)
    for k, score in enumerate(evaluate(truth, found).per_class()):
        block = peer.eval["precision"][:, :, k, 0, -1]
        known = block[block > -1]
        np.testing.assert_equal(score.ap, float(np.mean(known)) if known.size else np.nan)


# The face.


def test_classes_without_truths_have_no_ap_and_are_in_no_mean(coco: Result) -> None:
    elk = coco.per_class()[-1]
    assert (elk.id, elk.name, elk.n_truths) == (8, "elk", 0)
    assert elk.n_detections > 0
    assert np.isnan([elk.ap, elk.ap50, elk.ar]).all()
    known = [one.ap for one in coco.per_class()[:-1]]
    assert coco.ap == pytest.approx(np.mean(known))
    assert "| elk   | –" in coco.to_markdown()


def test_counts_of_classes(coco: Result) -> None:
    wanted = coco.truth.categories[~coco.truth.crowd]
    for one in coco.per_class():
        assert one.n_truths == np.count_nonzero(wanted == one.id)
    assert sum(one.n_detections for one in coco.per_class()) == len(coco.found)


def test_at_any_threshold_and_size(coco: Result) -> None:
    assert coco.at(0.5) == coco.ap50 == coco.summary["AP50"]
    assert coco.ap75 == coco.summary["AP75"]
    by_hand = coco.precision[5, :, :, 1, -1]
    assert coco.at(0.75, area="small") == np.mean(by_hand[~np.isnan(by_hand)])
    assert coco.at(0.9) == coco.at(np.linspace(0.5, 0.95, 10)[8])  # one bit below .9
    assert np.mean([coco.at(t) for t in coco.style.thresholds]) == pytest.approx(coco.ap)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc2007", "voc2010", "coco"]))
def test_curves_have_the_area_that_is_quoted(seed: int, name: str) -> None:
    style = replace(STYLES[name], thresholds=(0.5, 0.75)) if name == "coco" else name
    result = evaluate(*spread(seed, n=20, m=60), style=style)
    kind = result.style.interpolation
    for k, one in enumerate(result.per_class()):
        drawn = result.pr_curve(one.id)
        assert len(drawn.recall) == len(drawn.precision) == len(drawn.scores)
        assert (np.diff(drawn.scores) <= 0).all()
        if one.n_truths:
            # COCO adds 2.2e-16 to a number of detections: one rounding of each precision.
            got, wanted = drawn.ap[kind], result.average_precision[0, k, 0, -1]
            assert got == pytest.approx(wanted, abs=100 * 2.2e-16)


def test_a_curve_of_a_class_that_is_nowhere(coco: Result) -> None:
    elk = coco.pr_curve("elk")
    assert elk.n_truths == 0
    assert np.isnan(elk.recall).all()
    assert elk.ap == {}
    truth, _ = survey_data()
    none = Detections.from_arrays(images=[], categories=[], boxes=[], scores=[])
    empty = evaluate(truth, none).pr_curve(1)
    assert empty.ap == {"11-point": 0, "all-point": 0, "101-point": 0}
    assert np.isnan(empty.best_f1()).all()


def test_the_best_f1_is_one_that_a_threshold_gives() -> None:
    truth = GroundTruth.from_arrays(images=[1] * 2, categories=[1] * 2, boxes=[[0, 0, 9, 9]] * 2)
    boxes = [[0, 0, 9, 9], [0, 0, 9, 9], [50, 50, 9, 9]]
    found = Detections.from_arrays(
        images=[1] * 3, categories=[1] * 3, boxes=boxes, scores=[0.9, 0.5, 0.5]
    )
    # Before the tie's second one F1 would be 1, but no threshold keeps only the first.
    f1, score = evaluate(truth, found).pr_curve(1).best_f1()
    assert (f1, score) == (pytest.approx(0.8), 0.5)


def test_plain_values_are_json(coco: Result) -> None:
    said = json.loads(json.dumps(coco.to_dict(), allow_nan=False))
    assert said["summary"]["AP"] == coco.ap
    assert said["classes"][-1]["ap"] is None
    assert said["style"]["name"] == "coco"
    assert said["task"] == "bbox"
    assert (said["images"], said["truths"], said["detections"]) == (4, 60, 150)
    assert said["numbers"][0]["thresholds"] == [0.5, 0.95]


def test_issues_are_told() -> None:
    truth, found = spread(2)
    scores = found.scores.copy()
    scores[3] = np.nan
    result = evaluate(truth, replace(found, scores=scores), lenient=True)
    said = result.to_dict()["issues"]
    assert said["counts"] == {"nan-score": 1}
    assert said["found"][0]["entry"] == 3


def test_a_frame_of_classes(coco: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    frame = coco.to_pandas()
    assert frame.index.tolist() == [1, 2, 3, 8]
    assert frame.loc[1, "ap"] == coco.per_class()[0].ap
    monkeypatch.setattr(errors, "import_module", _missing)
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(errors.MissingDependency, match="pandas is not installed: pip install"):
        coco.to_pandas()


def _missing(name: str) -> Any:
    raise ModuleNotFoundError(name, name=name)


def test_a_result_says_what_it_is(coco: Result) -> None:
    assert repr(coco).startswith("<Result coco bbox: AP .")
    assert "150 detections, 60 truths, 4 images, 4 classes>" in repr(coco)
    empty = evaluate(
        GroundTruth.from_arrays(images=[], categories=[], boxes=[], image_ids=[1]),
        Detections.from_arrays(images=[], categories=[], boxes=[], scores=[]),
    )
    assert repr(empty).startswith("<Result coco bbox: AP nan")


def test_why_it_differs_sums_exactly(coco: Result) -> None:
    for other in ("voc2007", "voc2010", "ultralytics", "lvis", STYLES["openimages"]):
        gap = coco.compare(other)
        assert sum(term.change for term in gap.terms) == gap.difference
        alone = evaluate(coco.truth, coco.found, style=other)
        assert (float(gap.first), float(gap.last)) == (coco.ap, alone.ap)
    rounded = replace(coco.found, boxes=np.round(coco.found.boxes))
    gap = coco.compare(evaluate(coco.truth, rounded))
    assert {term.rule for term in gap.terms} == {"shapes"}


def test_errors_confusion_and_worst_images(coco: Result) -> None:
    kinds = coco.errors()
    assert kinds.ap == pytest.approx(coco.ap50)
    assert sum(kinds.counts.values()) > 0
    matrix = coco.confusion(score=0.0).matrix
    assert matrix.sum() >= np.count_nonzero(~coco.truth.crowd)
    worst = coco.worst_images(2)
    assert len(worst) == 2
    assert worst[0].total >= worst[1].total


# Edges.


def test_undefined_is_nan_with_a_warning() -> None:
    truth = GroundTruth.from_arrays(images=[1], categories=[1], boxes=[[0, 0, 9, 9]], crowd=[True])
    result = evaluate(truth, Detections.from_arrays(images=[], categories=[], boxes=[], scores=[]))
    for ask in (lambda: result.ap, lambda: result.ap50, lambda: result.at(0.9, area="large")):
        with pytest.warns(UndefinedScoreWarning, match="NaN: no class of ground_truth has truths"):
            assert np.isnan(ask())
    assert np.isnan(result.summary["AP"])  # A table may have gaps: no warning.


@pytest.mark.parametrize(
    ("ask", "kind", "words"),
    [
        (
            lambda r: r.at(0.42),
            ValueError,
            "threshold must be one that style 'coco' has: 0.5, .*Got 0",
        ),
        (lambda r: r.at("high"), TypeError, "threshold must be a real number"),
        (lambda r: r.at(float("nan")), ValueError, "threshold must be not NaN"),
        (lambda r: r.at(0.5, area="tiny"), ValueError, "area must be one of 'all', 'small'"),
        (lambda r: r.pr_curve("cta"), ValueError, "No class of name 'cta'.*Did you mean 'cat'"),
        (lambda r: r.pr_curve(""), ValueError, "No class of name ''"),
        (lambda r: r.pr_curve(4), ValueError, "No class of id 4 was counted. 4 classes were"),
        (lambda r: r.pr_curve(1.0), TypeError, "category must be an integer"),
        (lambda r: r.pr_curve(None), TypeError, "category must be an integer"),
        (lambda r: r.pr_curve(1, threshold=0.51), ValueError, "threshold must be one that"),
        (lambda r: r.pr_curve(1, area="tiny"), ValueError, "area must be one of"),
        (lambda r: r.compare("vok2007"), ValueError, "Did you mean 'voc2007'"),
        (lambda r: r.compare(3), TypeError, "other must be a Result. Got int"),
        (lambda r: r.compare(evaluate(*survey_data())), ValueError, "detections must be the same"),
        (lambda r: r.bootstrap(10, 3), TypeError, "other must be a Result. Got int"),
        (lambda r: r.worst_images(-1), ValueError, "n must be >= 0"),
        (lambda r: r.confusion(iou=0), ValueError, "iou must be"),
        (lambda r: r.errors(foreground=2), ValueError, "foreground must be"),
    ],
)
def test_hostile_questions(coco: Result, ask: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        ask(coco)


def test_names_with_bars_do_not_break_tables() -> None:
    truth, found = survey_data()
    text = evaluate(replace(truth, category_names=("a|b",)), found).to_markdown()
    assert "a\\|b" in text


def test_a_style_without_half() -> None:
    result = evaluate(*spread(1), style=Style(name="high", thresholds=(0.8, 0.9)))
    assert np.isnan(result.per_class()[0].ap50)
    with pytest.raises(ValueError, match=r"threshold must be one that style 'high' has: 0.8, 0.9"):
        result.ap50  # noqa: B018
