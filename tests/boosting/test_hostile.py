"""Wrong shapes, types and categories stop in words: the kernels read what they are given."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from drivetrain.boosting import Booster, Dataset, Settings, Watch, boost
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.trees.growing.settings import Growth
from drivetrain.trees.shap.explainer import Explainer

X = np.random.default_rng(0).random((50, 3)).astype(np.float32)
ONE = Settings(n_estimators=1)


def fitted() -> Booster:
    return boost(Dataset(x=X, label=X[:, 0]), SquaredError(), ONE)[0]


def explain(x: np.ndarray, base: int = 1) -> np.ndarray:
    return Explainer(fitted().forest).values(x, np.zeros(base, np.float32))


def grown(growth: Growth) -> object:
    return boost(Dataset(x=X, label=X[:, 0]), SquaredError(), Settings(growth=growth))


def categories(codes: list[float]) -> object:
    data = Dataset(x=np.array(codes)[:, None], label=codes, categorical=np.array([True]))
    return boost(data, SquaredError(), ONE)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fitted().predict(X[:, :2]), "model's 3 features. Got 2"),
        (lambda: fitted().predict(X[0]), "x must be 2-d"),
        (lambda: fitted().leaves(X[:, :1]), "model's 3 features. Got 1"),
        (lambda: fitted().margin(X, base_margin=np.zeros((3, 1), "f4")), "start must be of shape"),
        (lambda: fitted().first(2), "rounds must be >= 0 and <= 1. Got 2"),
        (lambda: explain(X[:, :2]), "model's 3 features. Got 2"),
        (lambda: explain(X, base=2), "base must hold 1 margins. Got 2"),
        (lambda: Dataset(x=X[0]), "x must be 2-d"),
        (lambda: Dataset(x=X, label=X[:4, 0]), "label must have 50 rows. Got 4"),
        (lambda: Dataset(x=X, weight=X), "weight must be 1-d"),
        (lambda: Dataset(x=X, feature_names=("a",)), "feature_names must have 3 entries"),
        (lambda: grown(Growth(monotone_constraints=(1,) * 4)), "at most 3 long. Got 4"),
        (lambda: grown(Growth(interaction_constraints=((3,),))), "interaction_constraints must be"),
        (lambda: categories([0, 1, -1]), "column 0 holds categories.*Got -1.0 in row 2"),
        (lambda: categories([0, 1.5]), "Got 1.5 in row 1"),
        (lambda: categories([0, 1e6]), "Got 1000000.0 in row 1"),
    ],
)
def test_it_is_said(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("x", [X.astype(np.float64), np.asfortranarray(X), X[::-1], X[:0]])
def test_any_layout_is_predicted_and_explained(x: np.ndarray) -> None:
    plain = np.ascontiguousarray(x, np.float32)
    assert np.array_equal(fitted().predict(x), fitted().predict(plain))
    assert np.array_equal(explain(x), explain(plain))


@dataclass(frozen=True)
class Broken(SquaredError):
    """Squared error whose derivatives are spoilt."""

    spoil: str = ""

    def gradients(self, margin: np.ndarray, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        g, h = margin - data.labels, np.ones_like(margin)
        return {"shape": (g[1:], h), "nan": (g * np.nan, h), "negative": (g, -h)}[self.spoil]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [("shape", r"round 0 must give g and h of shape"), ("nan", "finite g"), ("negative", "h >= 0")],
)
def test_an_objectives_wrong_derivatives_are_named(spoil: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boost(Dataset(x=X, label=X[:, 0]), Broken(spoil=spoil), ONE)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"label": X[:, 0] * np.nan}, "Evaluation set 'late': label must be finite"),
        ({"label": X[:, 0], "weight": -np.ones(len(X))}, "'late': weight must be >= 0"),
        ({"label": X[:, 0], "weight": np.zeros(len(X))}, "'late': weight must not be 0"),
    ],
    ids=["label", "negative", "nothing"],
)
def test_wrong_rows_to_evaluate_are_named(given: dict[str, np.ndarray], words: str) -> None:
    watch = Watch(sets={"late": Dataset(x=X, **given)})
    with pytest.raises(ValueError, match=words):
        boost(Dataset(x=X, label=X[:, 0]), SquaredError(), ONE, watch=watch)


def test_gains_of_huge_labels_are_finite() -> None:
    model, _ = boost(Dataset(x=X, label=X[:, 0] * np.float32(1e30)), SquaredError(), ONE)
    assert np.isfinite(model.forest.gain).all()
    assert model.forest.gain.max() > 0
