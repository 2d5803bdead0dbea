"""Fit, predict, explain and convert from the shell, on a real table and on bad ones."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

from drivetrain.boosting.files.model import load_model


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "drivetrain", "boosting", *map(str, words)]
    return subprocess.run(
        line, check=False, capture_output=True, text=True, cwd=folder, timeout=120
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Iris with its species as words, a text column with gaps, and a fitted model."""
    where = tmp_path_factory.mktemp("boosting")
    iris = load_iris()
    with open(where / "iris.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*iris.feature_names, "size", "species"])
        for k, (row, y) in enumerate(zip(iris.data, iris.target)):
            size = "" if k % 7 == 0 else ("wide" if row[1] > 3 else "narrow")
            writer.writerow([*row, size, iris.target_names[y]])
    done = run("fit", "iris.csv", "--target", "species", "--rounds", 30, folder=where)
    assert done.returncode == 0, done.stderr
    assert "multi:softprob" in done.stdout and "model.ubj" in done.stdout
    return where


def rows(path: Path) -> tuple[list[str], np.ndarray]:
    with open(path, newline="") as file:
        header, *body = list(csv.reader(file))
    return header, np.array(body, float)


def test_predictions_name_the_classes(folder: Path) -> None:
    done = run("predict", "model.ubj", "iris.csv", folder=folder)
    assert done.returncode == 0, done.stderr
    header, p = rows(folder / "predictions.csv")
    assert header == ["p(setosa)", "p(versicolor)", "p(virginica)"]
    assert (p.argmax(axis=1) == load_iris().target).mean() > 0.95


def test_explanations_sum_to_the_margins(folder: Path) -> None:
    done = run("explain", "model.ubj", "iris.csv", folder=folder)
    assert done.returncode == 0 and "petal" in done.stdout, done.stderr
    header, values = rows(folder / "shap.csv")
    assert len(header) == 3 * 6
    run("predict", "model.ubj", "iris.csv", folder=folder)
    _, p = rows(folder / "predictions.csv")
    margin = values.reshape(len(values), 3, 6).sum(axis=2)
    soft = np.exp(margin) / np.exp(margin).sum(axis=1, keepdims=True)
    assert soft == pytest.approx(p, abs=1e-5)


def test_a_model_is_converted_and_says_the_same(folder: Path) -> None:
    assert run("convert", "model.ubj", "model.json", folder=folder).returncode == 0
    x = np.full((1, 5), 2.0, np.float32)
    both = [load_model(folder / name).predict(x) for name in ("model.ubj", "model.json")]
    assert np.array_equal(*both)


def test_numbers_are_predicted_by_squared_error(folder: Path) -> None:
    words = ["--target", "petal width (cm)", "--out", "width.json", "--rounds", 20]
    done = run("fit", "iris.csv", *words, folder=folder)
    assert done.returncode == 0 and "reg:squarederror" in done.stdout, done.stderr
    done = run("predict", "width.json", "iris.csv", "--out", "width.csv", folder=folder)
    header, values = rows(folder / "width.csv")
    assert (
        header == ["prediction"] and np.corrcoef(values[:, 0], load_iris().data[:, 3])[0, 1] > 0.9
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fit", "none.csv", "--target", "y"], "none.csv"),
        (["fit", "iris.csv", "--target", "specis"], "Did you mean 'species'"),
        (["fit", "iris.csv", "--target", "size"], "missing in row 0 (22 in all)"),
        (["fit", "iris.csv", "--target", "species", "--holdout", "1"], "holdout must be"),
        (["fit", "iris.csv", "--target", "species", "--objective", "mult"], "Unknown objective"),
        (["fit", "iris.csv", "--target", "species", "--out", "no/m.ubj"], "no"),
        (["fit", "ragged.csv", "--target", "b"], "ragged.csv line 3 must have 2 fields. Got 1"),
        (["fit", "empty.csv", "--target", "b"], "empty"),
        (["fit", "one.csv", "--target", "a"], "no column but the target"),
        (["predict", "iris.csv", "iris.csv"], "iris.csv: A model must be an object"),
        (["predict", "model.ubj", "one.csv"], "Unknown column 'sepal length (cm)'"),
        (["predict", "model.ubj", "strange.csv"], "'size' has a category never seen: 'tiny'"),
        (["convert", "ragged.csv", "m.json"], "ragged.csv"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(folder: Path, words: list, says: str) -> None:
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (folder / "empty.csv").write_text("")
    (folder / "one.csv").write_text("a\n1\n2\n")
    head, first = (folder / "iris.csv").read_text().splitlines()[:2]
    values = first.split(",")
    values[4] = "tiny"
    (folder / "strange.csv").write_text(f"{head}\n{','.join(values)}\n")
    done = run(*words, folder=folder)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1
