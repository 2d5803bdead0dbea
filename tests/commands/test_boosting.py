"""Fit, predict, explain and convert from the shell, on real tables and on bad ones."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from drivetrain.boosting.files.linear import load_any
from drivetrain.boosting.files.model import load_model
from drivetrain.boosting.tables import read_table
from drivetrain.commands.boosted import fitting
from drivetrain.commands.boosted.flags import Loss, Rows, Trees
from drivetrain.commands.boosted.rows import load
from drivetrain.commands.shell.router import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Iris with its species as words and a text column with gaps; patients; and a fitted model."""
    where = tmp_path_factory.mktemp("boosting")
    iris = load_iris()
    sizes = [
        "" if k % 7 == 0 else ("wide" if row[1] > 3 else "narrow")
        for k, row in enumerate(iris.data)
    ]
    body = [
        [*row, size, iris.target_names[y]] for row, size, y in zip(iris.data, sizes, iris.target)
    ]
    write(where / "iris.csv", [*iris.feature_names, "size", "species"], body)
    ill = load_diabetes(scaled=False)
    body = [
        [*row, k // 10, f"2013-{1 + k % 12:02d}", 1 + k % 3, y, y + 20 if k % 2 else ""]
        for k, (row, y) in enumerate(zip(ill.data, ill.target))
    ]
    header = [*ill.feature_names, "clinic", "seen", "worth", "progress", "latest"]
    write(where / "ill.csv", header, body)
    words = ["fit", "iris.csv", "--target", "species", "--rounds", 30]
    assert call(where, *words) == 0
    return where


def write(path: Path, header: list, body: list) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *body])


def call(folder: Path, *words: object) -> int:
    """Run the shell's own main in a folder; return its exit code."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        main(["boosting", *map(str, words)])
    except SystemExit as leaving:
        return int(leaving.code or 0)
    finally:
        os.chdir(before)
    return 0


def rows(path: Path) -> tuple[list[str], np.ndarray]:
    with open(path, newline="") as file:
        header, *body = list(csv.reader(file))
    return header, np.array(body)


def test_fit_writes_a_model_and_its_page(folder: Path) -> None:
    page = (folder / "model.html").read_text(encoding="utf8")
    for part in ("Numbers", "Learning curve", "Importances", "Shapley values", "Calibration"):
        assert f">{part}</h2>" in page
    assert "iris.csv" in page and len(page) < 3_000_000
    model = load_model(folder / "model.ubj")
    assert model.objective.name == "multi:softprob"
    assert json.loads(model.attributes["drivetrain.run"])["target"] == "species"
    curves = json.loads(model.attributes["drivetrain.history"])
    assert len(curves["held out"]["mlogloss"]) == len(model)


def test_predictions_name_the_classes(folder: Path) -> None:
    assert call(folder, "predict", "model.ubj", "iris.csv") == 0
    header, values = rows(folder / "predictions.csv")
    assert header == ["class", "p(setosa)", "p(versicolor)", "p(virginica)"]
    iris = load_iris()
    assert (values[:, 0] == iris.target_names[iris.target]).mean() > 0.95
    assert (values[:, 1:].astype(float).argmax(axis=1) == iris.target).mean() > 0.95


def test_margins_and_leaves_are_the_models(folder: Path) -> None:
    model = load_model(folder / "model.ubj").used
    assert call(folder, "predict", "model.ubj", "iris.csv", "--margin", "--out", "m.csv") == 0
    header, margins = rows(folder / "m.csv")
    assert header == ["margin(setosa)", "margin(versicolor)", "margin(virginica)"]
    assert call(folder, "predict", "model.ubj", "iris.csv", "--leaves", "--out", "l.csv") == 0
    header, leaves = rows(folder / "l.csv")
    assert len(header) == len(model.forest) and leaves.astype(int).min() >= 0
    forest = model.forest
    value = forest.value[forest.offsets[:-1] + leaves.astype(np.int64), 0]
    start = model.objective.to_margin(model.base_score)
    for k in range(3):
        total = value[:, forest.group == k].sum(axis=1, dtype=np.float64) + start[k]
        # Float32 sums of at most 30 leaves of size 1.
        assert total == pytest.approx(margins[:, k].astype(float), abs=30 * 8 * 2**-24)


def test_explanations_sum_to_the_margins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--page", "why.html", "--interactions", "pairs.csv"]
    assert call(folder, "explain", "model.ubj", "iris.csv", *words) == 0
    assert "petal" in capsys.readouterr().out
    header, values = rows(folder / "shap.csv")
    assert len(header) == 3 * 6 and header[5] == "base [setosa]"
    margin = values.astype(float).reshape(len(values), 3, 6).sum(axis=2)
    assert call(folder, "predict", "model.ubj", "iris.csv", "--margin", "--out", "m.csv") == 0
    assert margin == pytest.approx(rows(folder / "m.csv")[1].astype(float), abs=1e-5)
    header, pairs = rows(folder / "pairs.csv")
    assert header == ["feature", "other", "mean"] and len(pairs) == 5 * 4 / 2
    sizes = pairs[:, 2].astype(float)
    assert (np.diff(sizes) <= 0).all() and sizes[0] > 0
    assert ">Strength</h2>" in (folder / "why.html").read_text(encoding="utf8")


def test_a_model_is_converted_and_says_the_same(folder: Path) -> None:
    assert call(folder, "convert", "model.ubj", "model.json") == 0
    x = np.full((1, 5), 2.0, np.float32)
    both = [load_model(folder / name).predict(x) for name in ("model.ubj", "model.json")]
    assert np.array_equal(*both)


@pytest.mark.peer
def test_lightgbms_text_is_converted(folder: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    ill = load_diabetes()
    params = {"objective": "regression", "verbosity": -1, "num_leaves": 7}
    theirs = lightgbm.train(params, lightgbm.Dataset(ill.data, ill.target), 5)
    theirs.save_model(folder / "light.txt")
    assert call(folder, "convert", "light.txt", "light.ubj") == 0
    x = ill.data.astype(np.float32)
    ours = load_model(folder / "light.ubj").predict(x).reshape(-1)
    # Rows next to a threshold may change sides as float32; means of leaves of a few hundred do.
    assert np.median(np.abs(ours - theirs.predict(x))) < 1e-3


def test_numbers_are_predicted_by_squared_error(folder: Path) -> None:
    words = ["--target", "petal width (cm)", "--out", "width.json", "--rounds", 20]
    assert call(folder, "fit", "iris.csv", *words, "--report", "page.html") == 0
    assert (folder / "page.html").exists() and not (folder / "width.html").exists()
    assert call(folder, "predict", "width.json", "iris.csv", "--out", "width.csv") == 0
    header, values = rows(folder / "width.csv")
    assert header == ["prediction"]
    assert np.corrcoef(values[:, 0].astype(float), load_iris().data[:, 3])[0, 1] > 0.9


def read(folder: Path, target: str = "progress", *, trees: Trees | None = None, **given: object):
    loss = {name: given.pop(name) for name in ("objective", "class_weight") if name in given}
    table = given.pop("table", "ill.csv")
    return load(
        folder / str(table),
        target,
        rows=Rows(**given),
        loss=Loss(**loss),
        trees=trees or Trees(),
        seed=0,
    )


def test_the_latest_rows_are_held_out_and_times_stay_together(folder: Path) -> None:
    found = read(folder, time="seen", ignore=("latest",))
    seen = read_table(folder / "ill.csv")["seen"]
    assert "seen" not in found.encoded.names and "latest by seen" in found.how
    # A quarter to a fifth of the months: the last three of twelve.
    assert len(found.held) == np.isin(seen, ["2013-10", "2013-11", "2013-12"]).sum()
    assert 0.15 < len(found.held) / 442 < 0.3


def test_whole_groups_are_held_out(folder: Path) -> None:
    found = read(folder, group="clinic")
    table = read_table(folder / "ill.csv")
    assert "clinic" not in found.encoded.names and "groups of clinic" in found.how
    # Patients are told apart by their blood pressure, serum and progress.
    keys = zip(table["bp"].astype(np.float32), table["s1"], table["progress"])
    clinic = dict(zip(keys, table["clinic"]))
    at = [found.encoded.names.index(name) for name in ("bp", "s1")]
    train, held = (
        {clinic[row[at[0]], row[at[1]], y] for row, y in zip(data.x, data.target)}
        for data in (found.train, found.held)
    )
    assert held and not train & held and 0.1 < len(found.held) / 442 < 0.3


def test_another_table_is_watched_with_words_of_both(folder: Path) -> None:
    write(folder / "a.csv", ["kind", "y"], [["oak", 1], ["elm", 2], ["oak", 3]])
    write(folder / "b.csv", ["y", "kind"], [[4, "ash"], [5, "elm"]])
    found = read(folder, "y", table="a.csv", valid=folder / "b.csv")
    assert found.train.target.tolist() == [1, 2, 3] and found.held.target.tolist() == [4, 5]
    assert found.encoded.categories == (("ash", "elm", "oak"),)


def test_weights_classes_and_ignored_columns(folder: Path) -> None:
    found = read(folder, weight="worth", ignore=("latest", "clinic"))
    assert set(found.train.weight) == {1, 2, 3} and "worth" not in found.encoded.names
    assert "clinic" not in found.encoded.names
    found = read(folder, "species", table="iris.csv", class_weight=("setosa=3",))
    assert (found.train.weight == np.where(found.train.target == 0, 3, 1)).all()
    write(folder / "few.csv", ["x", "y"], [[k, "yes" if k < 5 else "no"] for k in range(50)])
    found = read(folder, "y", table="few.csv", class_weight=("balanced",))
    for data in (found.train, found.held):
        whole = [data.weight[data.target == k].sum() for k in (0, 1)]
        # Held out class by class: both classes weigh the same on either side.
        assert whole[0] == pytest.approx(whole[1])


def test_flags_become_the_peers_parameters(folder: Path) -> None:
    trees = Trees(
        monotone=("bmi=1",), interactions=("age,sex",), set=("rate_drop=0.2", "max_cat_threshold=8")
    )
    given = read(folder, trees=trees, ignore=("latest",)).given
    assert given["rate_drop"] == 0.2 and given["max_cat_threshold"] == 8
    assert given["monotone_constraints"][2] == 1 and sum(given["monotone_constraints"]) == 1
    assert given["interaction_constraints"] == [[0, 1]] and given["grow_policy"] == "depthwise"
    assert read(folder, trees=Trees(max_leaves=8)).given["grow_policy"] == "lossguide"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--booster", "dart", "--set", "rate_drop=0.5"], "reg:squarederror"),
        (["--tree-method", "exact", "--max-depth", "3"], "reg:squarederror"),
        (["--objective", "reg:quantileerror", "--quantile", "0.1", "0.9"], "reg:quantileerror"),
        (["--objective", "count:poisson", "--num-parallel-tree", "2"], "count:poisson"),
        (["--objective", "survival:aft", "--upper", "latest"], "survival:aft"),
        (["--objective", "rank:ndcg", "--query", "clinic", "--metric", "ndcg@3"], "rank:ndcg"),
        (["--booster", "gblinear"], "reg:squarederror"),
        (["--grow-policy", "symmetric", "--max-depth", "3"], "reg:squarederror"),
    ],
)
def test_other_losses_and_ways_to_grow(folder: Path, words: list, name: str) -> None:
    target = ["--target", "worth" if "rank" in name else "progress"]
    ignored = ["--ignore", "seen", *([] if "survival:aft" in words else ["latest"])]
    line = [*target, *ignored, *words, "--rounds", 6, "--out", "other.ubj"]
    assert call(folder, "fit", "ill.csv", *line) == 0
    assert "Numbers</h2>" in (folder / "other.html").read_text(encoding="utf8")
    model = load_any(folder / "other.ubj")
    assert model.objective.name == name
    assert call(folder, "predict", "other.ubj", "ill.csv", "--out", "other.csv") == 0
    assert len(rows(folder / "other.csv")[1]) == 442
    assert call(folder, "explain", "other.ubj", "ill.csv", "--page", "o.html") == 0


def test_a_run_goes_on_to_the_same_bits(folder: Path) -> None:
    words = ["fit", "ill.csv", "--target", "progress", "--subsample", "0.7", "--no-report"]
    assert call(folder, *words, "--rounds", 9, "--out", "whole.ubj") == 0
    assert call(folder, *words, "--rounds", 4, "--out", "part.ubj") == 0
    assert call(folder, *words, "--rounds", 9, "--out", "part.ubj", "--resume") == 0
    assert (folder / "whole.ubj").read_bytes() == (folder / "part.ubj").read_bytes()
    # Once it is through, going on changes nothing.
    assert call(folder, *words, "--rounds", 9, "--out", "part.ubj", "--resume") == 0
    assert (folder / "whole.ubj").read_bytes() == (folder / "part.ubj").read_bytes()
    assert not (folder / "part.html").exists()


def test_a_model_is_grown_further(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "ill.csv", "--target", "progress", "--no-report", "--early-stopping", 0]
    assert call(folder, *words, "--rounds", 3, "--out", "one.ubj") == 0
    assert call(folder, *words, "--rounds", 2, "--start", "one.ubj", "--out", "two.ubj") == 0
    assert "goes on from 3 rounds" in capsys.readouterr().out
    one, two = (load_model(folder / name) for name in ("one.ubj", "two.ubj"))
    assert len(two) == 5 and np.array_equal(
        two.forest.value[: len(one.forest.value)], one.forest.value
    )


def test_ctrl_c_keeps_the_best_so_far(folder: Path) -> None:
    line = [
        sys.executable,
        "-m",
        "drivetrain",
        "boosting",
        "fit",
        "ill.csv",
        "--target",
        "progress",
    ]
    line += ["--rounds", "200000", "--early-stopping", "0", "--out", "cut.ubj", "--no-report"]
    with subprocess.Popen(
        line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None and run.stdout is not None
        for told in run.stderr:
            if told.startswith("fit 5/"):
                break
        run.send_signal(signal.SIGINT)
        begun = time.monotonic()
        out, err = run.communicate(timeout=100)
    assert run.returncode == 130 and time.monotonic() - begun < 90, err
    assert "interrupted after" in out and "Traceback" not in err
    model = load_model(folder / "cut.ubj")
    assert 5 <= len(model) < 200_000
    assert len(json.loads(model.attributes["drivetrain.history"])["held out"]["rmse"]) == len(model)


def test_the_best_round_is_the_first_of_the_best() -> None:
    assert fitting.best_round([2.0, 1.0, 1.0, float("nan")], "rmse") == 1
    assert fitting.best_round([0.2, 0.9, 0.9], "ndcg@5") == 1
    assert fitting.best_round([float("nan"), 5.0], "rmse") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fit", "none.csv", "--target", "y"], "none.csv"),
        (["fit", "iris.csv", "--target", "specis"], "Did you mean 'species'"),
        (["fit", "iris.csv", "--target", "size"], "missing in row 0 (22 in all)"),
        (["fit", "iris.csv", "--target", "species", "--holdout", "1"], "holdout must be"),
        (["fit", "iris.csv", "--target", "species", "--objective", "mult"], "Unknown objective"),
        (["fit", "iris.csv", "--target", "species", "--objective", "reg:gamma"], "wants numbers"),
        (["fit", "iris.csv", "--target", "species", "--objective", "binary:logistic"], "Got 3"),
        (["fit", "iris.csv", "--target", "species", "--out", "no/m.ubj"], "no"),
        (["fit", "iris.csv", "--target", "species", "--report", "no/m.html"], "no"),
        (["fit", "iris.csv", "--target", "species", "--report", "model.ubj"], "another path"),
        (["fit", "iris.csv", "--target", "species", "--metric", "rmsee"], "Unknown metric"),
        (["fit", "iris.csv", "--target", "species", "--max-depth", "-1"], "max_depth must be"),
        (["fit", "iris.csv", "--target", "species", "--gamma", "x"], "gamma"),
        (["fit", "iris.csv", "--target", "species", "--set", "eta"], "NAME=VALUE"),
        (["fit", "iris.csv", "--target", "species", "--set", "gamma=1"], "a flag of its own"),
        (["fit", "iris.csv", "--target", "species", "--set", "etta=1"], "Unknown parameter 'etta'"),
        (["fit", "iris.csv", "--target", "species", "--monotone", "size"], "NAME=1"),
        (["fit", "iris.csv", "--target", "species", "--monotone", "siz=1"], "Did you mean 'size'"),
        (["fit", "iris.csv", "--target", "species", "--interactions", "size,x"], "Unknown feature"),
        (["fit", "iris.csv", "--target", "species", "--class-weight", "seto=2"], "'setosa'"),
        (["fit", "iris.csv", "--target", "species", "--class-weight", "setosa=-2"], "> 0"),
        (["fit", "iris.csv", "--target", "species", "--weight", "size"], "Got words"),
        (["fit", "iris.csv", "--target", "species", "--weight", "w"], "Unknown column 'w'"),
        (["fit", "iris.csv", "--target", "species", "--ignore", "sise"], "Did you mean 'size'"),
        (["fit", "iris.csv", "--target", "species", "--time", "size"], "missing in row 0"),
        (["fit", "iris.csv", "--target", "species", "--valid", "one.csv"], "has no column"),
        (["fit", "iris.csv", "--target", "species", "--time", "a", "--group", "b"], "only one"),
        (["fit", "iris.csv", "--target", "species", "--resume", "--start", "m"], "exclude"),
        (["fit", "ill.csv", "--target", "age", "--resume", "--booster", "dart"], "gbtree only"),
        (["fit", "iris.csv", "--target", "species", "--start", "none.ubj"], "none.ubj"),
        (["fit", "ill.csv", "--target", "progress", "--start", "model.ubj"], "features. Got 5"),
        (["fit", "iris.csv", "--target", "species", "--resume", "--max-depth", "2"], "was 6 in"),
        (["fit", "iris.csv", "--target", "species", "--set", "rate_drop=1"], "dart"),
        (["fit", "ill.csv", "--target", "latest", "--upper", "progress"], "before the target"),
        (["fit", "ill.csv", "--target", "progress", "--objective", "rank:ndcg"], "quer"),
        (["fit", "ragged.csv", "--target", "b"], "ragged.csv line 3 must have 2 fields. Got 1"),
        (["fit", "empty.csv", "--target", "b"], "empty"),
        (["fit", "one.csv", "--target", "a"], "no column but the target"),
        (["fit", "row.csv", "--target", "b"], "at least 2 rows"),
        (["predict", "iris.csv", "iris.csv"], "iris.csv"),
        (["predict", "model.ubj", "one.csv"], "Unknown column 'sepal length (cm)'"),
        (["predict", "model.ubj", "strange.csv"], "'size' has a category never seen: 'tiny'"),
        (["predict", "model.ubj", "iris.csv", "--margin", "--leaves"], "exclude each other"),
        (["predict", "model.ubj", "iris.csv", "--out", "no/p.csv"], "no"),
        (["explain", "model.ubj", "one.csv"], "Unknown column"),
        (["explain", "model.ubj", "iris.csv", "--page", "no/p.html"], "no"),
        (["convert", "ragged.csv", "m.json"], "ragged.csv"),
        (["convert", "model.ubj", "no/m.json"], "no"),
        (["convert", "model.ubj"], "Missing"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(
    folder: Path, words: list, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (folder / "empty.csv").write_text("")
    (folder / "one.csv").write_text("a\n1\n2\n")
    (folder / "row.csv").write_text("a,b\n1,2\n")
    head, first = (folder / "iris.csv").read_text().splitlines()[:2]
    values = first.split(",")
    values[4] = "tiny"
    (folder / "strange.csv").write_text(f"{head}\n{','.join(values)}\n")
    assert call(folder, *words) == 2
    err = capsys.readouterr().err
    assert says in err and len(err.strip().splitlines()) == 1, err
