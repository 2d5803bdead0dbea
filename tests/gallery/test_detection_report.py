"""The report page: what it shows stands where the result says it must, whatever the data."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from drivetrain.detection import Detections, GroundTruth, evaluate
from drivetrain.detection.examples import survey_data, survey_style
from drivetrain.detection.protocols import decompose
from drivetrain.gallery.detection_report import classes, confusions, curves, gaps, kinds, scenes
from drivetrain.gallery.detection_report.build import write_report

STYLES = ("coco", "voc2007", "voc2010", "ultralytics")


class Page(HTMLParser):
    """Collects ids, links into the page, and whatever would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.fetched, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name in ("href", "src", "srcset", "data"):
                (self.links if value.startswith("#") else self.fetched).append(value)


def written(tmp_path, results, **more):
    out = tmp_path / "report.html"
    write_report(results, out, **more)
    return out.read_text(encoding="utf8")


def noisy(n=400, images=30, n_classes=7, seed=0, names=None):
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 300, (n, 2)), rng.uniform(5, 200, (n, 2))], 1)
    truth = GroundTruth.from_arrays(
        images=rng.integers(1, images + 1, n),
        categories=rng.integers(0, n_classes, n),
        boxes=boxes,
        image_ids=np.arange(1, images + 1),
        category_ids=np.arange(n_classes),
        category_names=names or [f"kind {k}" for k in range(n_classes)],
        image_sizes=np.full((images, 2), 500),
    )
    moved = np.maximum(boxes + rng.normal(0, 6, (n, 4)), 1)
    found = Detections.from_arrays(
        images=truth.images,
        categories=np.where(rng.uniform(size=n) < 0.1, 0, truth.categories),
        boxes=moved,
        scores=np.round(rng.uniform(size=n), 2),
    )
    return truth, found


def test_page_is_whole_and_fetches_nothing(tmp_path):
    truth, found = noisy()
    results = evaluate(truth, found, style=STYLES)
    others = evaluate(truth, replace(found, scores=found.scores[::-1].copy()), style=STYLES)
    difference = {
        name: results[name].bootstrap(20, others[name], random_state=0) for name in STYLES
    }
    text = written(tmp_path, results, others=others, differences=difference)
    page = Page(text)
    assert page.fetched == [] and "script" not in page.tags and "default-src 'none'" in text
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    for part in ("Numbers", "Precision and recall", "Classes", "Confusion", "Kinds of errors"):
        assert f">{part}</h2>" in text
    for part in ("Gaps between protocols", "Worst images", "Data"):
        assert f">{part}</h2>" in text
    assert f"{results['coco'].ap:.6f}" in text and "20 resamples" in text


@pytest.mark.parametrize("n_classes", [1, 2, 10, 500])
def test_any_number_of_classes(tmp_path, n_classes):
    truth, found = noisy(n=900, n_classes=n_classes)
    text = written(tmp_path, evaluate(truth, found, style=STYLES))
    assert len(text) < 1_000_000
    assert ("<details>" in text) == (n_classes > 24)


def test_no_truths_no_detections_no_images(tmp_path):
    truth, found = noisy()
    none = Detections.from_arrays(images=[], categories=[], scores=[], boxes=[])
    text = written(tmp_path, evaluate(truth, none, style=STYLES))
    assert "Nothing was detected" in text and "AP 0.0000" in text
    empty = GroundTruth.from_arrays(
        images=[], categories=[], boxes=[], image_ids=truth.image_ids, category_ids=range(7)
    )
    text = written(tmp_path, evaluate(empty, found, style=STYLES))
    assert "AP undefined" in text and "no number has a value" in text
    assert not re.search(r"[>\s\"](nan|[-−]1(\.0*)?)[<\s\"]", text)
    bare = GroundTruth.from_arrays(images=[], categories=[], boxes=[])
    assert "AP undefined" in written(tmp_path, evaluate(bare, none, style=STYLES))


def test_names_cannot_break_out(tmp_path):
    evil = '</text><script>alert(1)</script>"&'
    truth, found = noisy(n_classes=2, names=[evil, "$x_1$ \\ é"])
    truth = replace(truth, image_names=[f"{evil}{n}" for n in range(30)])
    text = written(tmp_path, {"coco": evaluate(truth, found)}, pictures=tmp_path)
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "script" not in Page(text).tags


def test_pictures_are_shown_and_only_from_their_folder(tmp_path):
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "in"
    folder.mkdir()
    for place in (folder / "a.png", tmp_path / "b.png"):
        image.new("L", (50, 40), 99).save(place)
    (folder / "c.png").write_bytes(b"no picture")
    boxes = [[1, 1, 20, 20]] * 3
    truth = GroundTruth.from_arrays(
        images=[1, 2, 3],
        categories=[1, 1, 1],
        boxes=boxes,
        image_names=["a.png", "../b.png", "c.png"],
        image_sizes=[[40, 50]] * 3,
    )
    found = Detections.from_arrays(images=[1], categories=[1], scores=[0.5], boxes=[[25, 25, 9, 9]])
    text = written(tmp_path, {"coco": evaluate(truth, found)}, pictures=folder)
    assert text.count("data:image/jpeg") == 1


def test_worst_images_are_those_with_most_mistakes():
    truth = GroundTruth.from_arrays(
        images=[1, 2, 2, 3, 3, 3], categories=[1] * 6, boxes=[[10 * k, 0, 9, 9] for k in range(6)]
    )
    found = Detections.from_arrays(
        images=[1, 2, 3],
        categories=[1, 1, 1],
        scores=[0.9, 0.8, 0.7],
        boxes=[[0, 0, 9, 9], [10, 0, 9, 9], [90, 50, 9, 9]],
    )
    listed = scenes.worst(evaluate(truth, found, style="voc2010"))
    assert [scene.id for scene in listed] == [3, 2]
    assert [scene.mistakes for scene in listed] == [3, 1]
    assert listed[1].kinds == ["found", "missed"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12), st.integers(0, 3))
def test_best_score_is_the_best(flags, missed):
    hits = sum(flag for flag, _ in flags)
    n = hits + missed
    if not n:
        return
    truth = GroundTruth.from_arrays(
        images=np.arange(1, n + 1), categories=np.ones(n), boxes=[[0, 0, 9, 9]] * n
    )
    order = np.cumsum([flag for flag, _ in flags])
    found = Detections.from_arrays(
        images=[int(k) if flag else 1 for (flag, _), k in zip(flags, order, strict=True)],
        categories=[1] * len(flags),
        scores=[score / 8 for _, score in flags],
        boxes=[[0, 0, 9, 9] if flag else [50, 50, 9, 9] for flag, _ in flags],
    )
    best = scenes.best_score(evaluate(truth, found, style="voc2010"))

    def f1(least):
        kept = [flag for flag, score in flags if score / 8 >= least]
        return 2 * sum(kept) / (len(kept) + n)

    assert f1(best) == max([f1(score / 8) for _, score in flags], default=0.0)


def test_figures_say_what_the_result_says():
    truth, found = noisy()
    result = evaluate(truth, found)
    shown = classes.figure(result).table.rows
    assert [row[0] for row in shown[:1]] == [max(result.per_class(), key=lambda one: one.ap).name]
    table = curves.figure(result).table
    for row in table.rows:
        curve = result.pr_curve(row[0])
        assert row[1:4] == tuple(f"{ap:.4f}" for ap in curve.ap.values())
    counts = result.errors().counts
    for row in kinds.figure(result).table.rows[:6]:
        assert row[1] == f"{counts[row[0].partition(':')[0]]:,}"
    assert "taken for" in confusions.figure(result).title


def test_gap_table_sums_to_the_last_digit():
    results = evaluate(*noisy(), style=STYLES)
    figure = gaps.figure(decompose(results["coco"], results["voc2007"]))
    (number,) = figure.numbers
    assert number.ours == number.reference
    assert figure.table.rows[0][3] == repr(results["coco"].ap)
    assert figure.table.rows[-1][3] == repr(results["voc2007"].ap)


def test_three_interpolations_of_the_survey():
    result = evaluate(*survey_data(), style=survey_style("coco"))
    (row,) = curves.figure(result).table.rows
    assert row[:4] == ("person", "0.2684", "0.2457", "0.2482")
