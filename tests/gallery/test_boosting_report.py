"""The report page: what it says is what the model does, whatever the table."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.engines import boost_any
from drivetrain.boosting.objectives.named import objective_named
from drivetrain.boosting.tables import Encoded
from drivetrain.boosting.training import Settings, Watch, boost
from drivetrain.gallery.boosting_report import (
    calibration,
    dependence,
    importances,
    learning,
    residuals,
    scores,
    shapley,
    tree,
)
from drivetrain.gallery.boosting_report.build import write_report
from drivetrain.gallery.boosting_report.explained import write_explained
from drivetrain.gallery.boosting_report.subject import Subject, brief
from drivetrain.trees.growing.settings import Growth


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


def table(kind, n=300, seed=0, names=None):
    """A column that matters, one of words with gaps, and noise; labels of some kind."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    x[:, 1] = rng.integers(0, 4, n)
    x[rng.random(n) < 0.1, 1] = np.nan
    strength = x[:, 0] + 0.5 * (np.nan_to_num(x[:, 1]) == 2)
    label = {
        "number": strength,
        "positive": np.exp(strength / 2),
        "two": strength > 0,
        "three": np.digitize(strength, [-0.5, 0.5]),
    }[kind]
    return Dataset(
        x=x,
        label=label.astype(np.float32),
        feature_names=names or ("first", "words", "noise"),
        categorical=np.array([False, True, False]),
        categories=((), ("ash", "birch", "cedar", "elm"), ()),
    )


def subject(kind, objective, classes=(), booster="gbtree", rounds=12, **given):
    data = table(kind, **given)
    if booster == "gblinear":
        data = replace(data, categorical=None, categories=())
    n = len(data) * 2 // 3
    train, held = data.take(np.arange(n)), data.take(np.arange(n, len(data)))
    loss = objective_named(objective, {"num_class": 3, "quantile_alpha": (0.1, 0.5, 0.9)})
    how = Settings(n_estimators=rounds, growth=Growth(max_depth=4), booster=booster)
    watch = Watch(sets={"fitted": train, "held out": held})
    model, history = boost_any(train, loss, how, watch=watch)
    return Subject(
        model=model, train=train, held=held, history=history, classes=classes, target="y",
        settings={"rounds": rounds, "ignore": (), "valid": None}, seconds=1.0,
    )  # fmt: skip


CASES = {
    "two": ("two", "binary:logistic", ("no", "yes")),
    "three": ("three", "multi:softprob", ("low", "middle", "high")),
    "number": ("number", "reg:squarederror", ()),
    "counts": ("positive", "count:poisson", ()),
    "levels": ("number", "reg:quantileerror", ()),
    "unnamed": ("three", "multi:softmax", ()),
    "other": ("two", "reg:logistic", ()),
    "line": ("number", "reg:squarederror", (), "gblinear"),
}


@pytest.fixture(scope="module")
def subjects():
    return {name: subject(*case) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_page_is_whole_and_fetches_nothing(subjects, name, tmp_path):
    write_report(subjects[name], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf8")
    page = Page(text)
    assert page.fetched == [] and "script" not in page.tags and "default-src 'none'" in text
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(text) < 1_000_000
    parts = ["Numbers", "Learning curve", "Shapley values", "Partial dependence"]
    parts += ["Columns", "Settings"] + (["Importances", "A tree"] if name != "line" else [])
    if name in ("two", "three", "unnamed"):
        parts.append("Calibration")
    if name in ("number", "counts", "levels", "other", "line"):
        parts.append("Residuals")
    for part in parts:
        assert f">{part}</h2>" in text, part
    assert not re.search(r"[>\s\"](nan|inf)[<\s\"]", text)


def test_scores_are_scikit_learns(subjects):
    two = subjects["two"]
    y, p = two.held.target, two.model.predict(two.held.x).reshape(-1).astype(float)
    rows = {row[0].split(" ↑")[0].split(" ↓")[0]: row[1] for row in scores.figure(two).table.rows}
    wanted = {
        "log loss": metrics.log_loss(y, p),
        "area under ROC": metrics.roc_auc_score(y, p),
        "accuracy": metrics.accuracy_score(y, p > 0.5),
        "Brier score": metrics.brier_score_loss(y, p),
        "balanced accuracy": metrics.balanced_accuracy_score(y, p > 0.5),
    }
    for name, value in wanted.items():
        # Five digits are printed.
        assert float(rows[name]) == pytest.approx(value, rel=1e-4), name
    number = subjects["number"]
    off = number.model.predict(number.held.x).reshape(-1) - number.held.target
    rows = {row[0][:4]: row for row in scores.figure(number).table.rows}
    assert float(rows["root"][1]) == pytest.approx(
        np.sqrt(np.mean(off.astype(float) ** 2)), rel=1e-4
    )
    mean = number.held.target - number.train.target.mean()
    assert float(rows["root"][3]) == pytest.approx(
        np.sqrt(np.mean(mean.astype(float) ** 2)), rel=1e-4
    )
    assert str(len(number.held)) in scores.figure(number).table.header[1]


def test_importances_are_sums_over_splits(subjects):
    forest = subjects["number"].model.forest
    found = importances.measured(forest)
    inner = ~forest.is_leaf
    for f in range(3):
        own = inner & (forest.feature == f)
        assert found["splits"][f] == own.sum()
        assert found["total gain"][f] == pytest.approx(forest.gain[own].sum(dtype=float))
        assert found["cover"][f] == pytest.approx(forest.cover[own].mean(dtype=float))


def test_dependence_is_the_mean_prediction_with_the_column_set(subjects):
    one = subjects["number"]
    x = one.held.x[:20]
    made = dependence.swept(one, 0, x, np.array([-1.0, 1.0]))
    moved = x.copy()
    moved[:, 0] = 1.0
    assert np.array_equal(made[1, :, 0], one.model.predict(moved).reshape(-1).astype(float))
    assert made[1].mean() > made[0].mean()


def test_tree_names_thresholds_words_and_missing_side(subjects):
    one = subjects["number"]
    forest = one.model.forest
    spots = tree.laid_out(forest, 0)
    assert spots[0].node == 0 and max(spot.depth for spot in spots) <= tree.DEPTH
    for spot in spots[1:]:
        above = spots[spot.parent]
        child = forest.left if spot.left else forest.right
        assert child[above.node] == spot.node and spot.depth == above.depth + 1
    told = {
        tree.test_of(one, forest, k) for k in np.flatnonzero(~forest.is_leaf[: forest.offsets[1]])
    }
    assert any(name == "first" and test.startswith("< ") for name, test in told)
    words = [test for name, test in told if name == "words"]
    assert words and all(test.startswith(("in ", "not in ")) for test in words)


def test_words_in_a_node_say_which_rows_go_left():
    data = table("number", n=400, seed=3)
    label = np.where(data.x[:, 1] == 2, 1.0, -1.0)
    settings_ = Settings(n_estimators=1, growth=Growth(max_depth=1))
    loss = objective_named("reg:squarederror", {})
    both = Dataset(
        x=data.x, label=label, feature_names=data.feature_names, categorical=data.categorical,
        categories=data.categories,
    )  # fmt: skip
    model, _ = boost(both, loss, settings_)
    one = Subject(model=model, train=both, held=both)
    left = int(model.forest.left[0])
    rows = model.leaves(data.x)[:, 0] == left
    seen = set(data.x[rows, 1][~np.isnan(data.x[rows, 1])].astype(int))
    _, test = tree.test_of(one, model.forest, 0)
    named = set(test.removeprefix("not ").removeprefix("in ").split(", "))
    told = {k for k, word in enumerate(data.categories[1]) if word in named}
    assert seen == (set(range(4)) - told if test.startswith("not") else told)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=300))
def test_calibration_counts_every_row_once(rows):
    said = np.array([p for p, _ in rows])
    right = np.array([float(r) for _, r in rows])
    mean, true, count = calibration.binned(said, right)
    assert count.sum() == len(rows) and (count > 0).all()
    assert (np.diff(mean) > 0).all()
    # Sums of at most 300 numbers of at most 1, each addition rounded.
    assert abs((mean * count).sum() - said.sum()) <= 300 * 300 * 2**-52
    assert abs((true * count).sum() - right.sum()) <= 300 * 300 * 2**-52


def test_curve_marks_the_round_in_use(subjects):
    one = subjects["number"]
    figure = learning.figure(one)
    assert f"after {len(one.model)} rounds" in figure.title
    assert f"{one.history['held out']['rmse'][-1]:.5g}" in figure.title
    bare = Subject(model=one.model, train=one.train, held=one.held)
    assert learning.figure(bare) is None


def test_shapley_values_sum_to_margins(subjects):
    one = subjects["three"]
    figure = shapley.figure(one, 0)
    # Bars, and a swarm for each of three classes.
    assert len(figure.panels) == 4
    values = shapley.explained(one.model, one.held.x)
    assert values.sum(axis=2) == pytest.approx(one.model.margin(one.held.x), abs=1e-4)


def test_a_strong_feature_bends_the_axis():
    values = np.stack(
        [np.linspace(-900, 900, 99), *np.random.default_rng(0).normal(size=(4, 99))], 1
    )
    assert shapley._bend(values) is not None and shapley._bend(values[:, 1:]) is None
    places = shapley._round_places(values, shapley._bend(values))
    assert places == sorted(places) and 0.0 in places and max(places) <= 900
    assert "the axis bends" in shapley.swarm(
        "abcde", values, values.astype(np.float32), [False] * 5
    )


def test_extremes_of_tables(tmp_path):
    constant = subject("number", "reg:squarederror", rounds=1)
    still = Dataset(x=np.full((9, 3), np.nan), label=np.zeros(9), feature_names=("a", "b", "c"))
    loss = objective_named("reg:squarederror", {})
    model, history = boost(still, loss, Settings(n_estimators=2), watch=Watch(sets={"s": still}))
    one = Subject(model=model, train=still, held=still, history=history)
    write_report(one, tmp_path / "still.html")
    assert "a constant" in (tmp_path / "still.html").read_text(encoding="utf8")
    assert residuals.figure(constant, 0) is not None


def test_names_cannot_break_out(tmp_path):
    evil = '</text><script>alert(1)</script>"&'
    one = subject("three", "multi:softprob", (evil, "$x_1$", "\\é"), names=(evil, "b$", "c"))
    write_report(one, tmp_path / "evil.html")
    text = (tmp_path / "evil.html").read_text(encoding="utf8")
    assert "<script" not in text and "script" not in Page(text).tags


def test_explained_page(subjects, tmp_path):
    one = subjects["three"]
    encoded = Encoded(
        x=one.held.x, names=one.names, categorical=one.held.categorical,
        categories=one.held.categories,
    )  # fmt: skip
    values = shapley.explained(one.model, one.held.x)
    write_explained(one.model, encoded, values, tmp_path / "page.html", source="here.csv")
    text = (tmp_path / "page.html").read_text(encoding="utf8")
    assert "here.csv" in text and Page(text).fetched == [] and "the greatest margin" in text


def test_long_names_are_cut():
    assert brief("x" * 90, 10) == "x" * 9 + "…" and brief("short") == "short"
