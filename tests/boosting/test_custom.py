"""Losses of one's own: numpy, compiled and torch say the same; wrong answers name the round."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit
from scipy.special import softmax

from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.files.model import load_model, save_model
from drivetrain.boosting.objectives.custom import custom, scalar_loss, torch_loss
from drivetrain.boosting.objectives.logistic import Logistic, Softmax
from drivetrain.boosting.objectives.named import objective_of, stored
from drivetrain.boosting.objectives.objective import Objective
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, Watch, boost

X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.float32)
FEW = Settings(n_estimators=5)


def numpy_logistic(f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = 1 / (1 + np.exp(-f))
    return p - y, p * (1 - p)


@njit
def scalar_logistic(f: float, y: float) -> tuple[float, float]:
    p = 1 / (1 + np.exp(-f))
    return p - y, p * (1 - p)


def torch_logistic(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.softplus(f) - y * f


class Summed(torch.nn.Module):
    """The same, as a module of torch's that sums."""

    def forward(self, f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch_logistic(f, y).sum()


FORMS = {
    "numpy": custom(numpy_logistic),
    "scalar": custom(scalar_logistic),
    "torch": custom(torch_logistic),
    "module": custom(Summed()),
}


@pytest.mark.parametrize("weight", [None, np.linspace(0.1, 2, 300)])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_logistic_loss(form: str, weight: np.ndarray | None) -> None:
    data = Dataset(x=X, label=Y, weight=weight)
    margin = np.linspace(-4, 4, 300, dtype=np.float32)[:, None]
    got = FORMS[form].gradients(margin, data)
    for ours, theirs in zip(got, Logistic().gradients(margin, data), strict=True):
        # Each is rounded to float32 a few times.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_trains_the_same_model(form: str) -> None:
    data = Dataset(x=X, label=Y, base_margin=np.zeros(300))
    model, _ = boost(data, FORMS[form], FEW)
    usual, _ = boost(data, Logistic(), FEW)
    start = np.zeros((300, 1), np.float32)
    # Gradients differ in their last bits, which the leaves' weights carry on.
    assert model.margin(X, base_margin=start) == pytest.approx(
        usual.margin(X, base_margin=start), abs=1e-5
    )
    assert np.array_equal(model.predict(X), model.margin(X)[:, 0])


def test_a_function_may_take_the_weights_itself() -> None:
    def halved(f: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (f - y) * weight / 2, weight / 2

    weight = np.linspace(0.1, 2, 300, dtype=np.float32)
    data = Dataset(x=X, label=Y, weight=weight)
    g, h = custom(halved).gradients(np.zeros((300, 1), np.float32), data)
    assert np.array_equal(g[:, 0], -Y * weight / 2) and np.array_equal(h[:, 0], weight / 2)


def test_torch_losses_of_several_outputs_have_their_own_curvature() -> None:
    y = np.random.default_rng(1).integers(0, 3, 300).astype(np.float32)
    data = Dataset(x=X, label=y)
    margin = np.random.default_rng(2).normal(size=(300, 3)).astype(np.float32)

    def cross_entropy(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(f, y.long(), reduction="none")

    g, h = torch_loss(cross_entropy, outputs=3).gradients(margin, data)
    ours = Softmax(3).gradients(margin, data)
    p = softmax(margin.astype(float), axis=1)
    assert g == pytest.approx(ours[0], abs=3e-7)
    assert h == pytest.approx(p * (1 - p), abs=3e-7)
    model, _ = boost(data, torch_loss(cross_entropy, outputs=3), FEW)
    assert model.predict(X).shape == (300, 3)


def test_curvature_is_chosen() -> None:
    data = Dataset(x=X[:2], label=[1.0, 2.0])
    f = np.zeros((2, 1), np.float32)

    def quartic(f: Any, y: Any) -> Any:
        return (f - y) ** 4

    def bends(**given: Any) -> list[float]:
        return torch_loss(quartic, **given).gradients(f, data)[1][:, 0].tolist()

    assert bends() == [12, 48]
    assert bends(curvature="one") == [1]
    assert bends(curvature="gauss_newton") == [16, 1024]
    assert torch_loss(lambda f, y: f * y).gradients(f, data)[1][:, 0].tolist() == [0]
    sunk = torch_loss(lambda f, y: -((f - y) ** 2), least=0.5)
    assert sunk.gradients(f, data)[1][:, 0].tolist() == [0.5]


def test_several_labels_each_have_an_output() -> None:
    labels = np.stack([Y, 1 - Y], 1)
    data = Dataset(x=X, label=labels)
    margin = np.random.default_rng(3).normal(size=(300, 2)).astype(np.float32)
    expected = Logistic().gradients(margin, data)
    for form in FORMS.values():
        for ours, theirs in zip(form.gradients(margin, data), expected):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=3e-7)


def test_the_objective_is_what_is_given() -> None:
    assert objective_of("reg:squarederror", {}) == SquaredError()
    assert objective_of(SquaredError(), {}) == SquaredError()
    assert isinstance(objective_of(numpy_logistic, {}), Objective)
    with pytest.raises(TypeError, match=r"name, an objective, or a function.*Got int"):
        objective_of(3, {})  # type: ignore[arg-type]


def spoilt(kind: str) -> Any:
    def loss(f: np.ndarray, y: np.ndarray) -> Any:
        g, h = f - y, np.ones_like(f)
        late = f[0] != 0.5
        wrong = {
            "shape": (g[1:], h[1:]),
            "nan": (g * np.nan, h),
            "negative": (g, -h),
            "infinite": (g, h * np.inf),
        }
        return wrong[kind] if late else (g, h)

    return loss


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("shape", r"loss in round 1 must give g and h of shape \(300, 1\). Got \(299, 1\)"),
        ("nan", "loss in round 1 must give finite g"),
        ("negative", "loss in round 1 .* h >= 0"),
        ("infinite", "loss in round 1 must give finite g, and finite h"),
    ],
)
def test_wrong_answers_name_the_round(kind: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boost(Dataset(x=X, label=Y), custom(spoilt(kind)), FEW)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (custom(lambda f, y: f - y), "must return g and h. Got ndarray"),
        (torch_loss(lambda f, y: 1.0), "must return a tensor that depends on the margins. Got fl"),
        (torch_loss(lambda f, y: y), "depends on the margins"),
    ],
)
def test_what_is_no_pair_is_said(loss: Objective, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        boost(Dataset(x=X, label=Y), loss, FEW)


@pytest.mark.parametrize("given", [{"curvature": "newton"}, {"least": -1}, {"outputs": 0}])
def test_wrong_choices_are_named(given: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        torch_loss(lambda f, y: f, **given)


def test_a_saved_model_keeps_its_predictions(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model, _ = boost(Dataset(x=X, label=Y), FORMS["numpy"], FEW)
    assert stored(model.objective) == stored(SquaredError())
    save_model(model, tmp_path / "model.json")
    again = load_model(tmp_path / "model.json")
    assert np.array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("form", FORMS)
def test_losses_travel(form: str) -> None:
    """To the workers of a search: the loss arrives and says the same."""
    loss = FORMS[form]
    data = Dataset(x=X, label=Y)
    margin = np.zeros((300, 1), np.float32)
    before = loss.gradients(margin, data)
    after = pickle.loads(pickle.dumps(loss)).gradients(margin, data)
    assert all(np.array_equal(a, b) for a, b in zip(before, after))


def test_metrics_of_ones_own_see_predictions() -> None:
    data = Dataset(x=X, label=Y)
    seen: list[np.ndarray] = []

    def spread(prediction: np.ndarray, data: Dataset) -> float:
        seen.append(prediction)
        return float(np.ptp(prediction))

    watch = Watch(sets={"train": data}, custom={"spread": spread})
    model, history = boost(data, Logistic(), FEW, watch=watch)
    assert np.array_equal(seen[-1], model.predict(X))
    assert len(history["train"]["spread"]) == 5


@scalar_loss
@njit
def _squared(f: float, y: float) -> tuple[float, float]:
    return f - y, 1.0


@pytest.mark.peer
def test_xgboost_trains_the_same_model_with_the_same_function() -> None:
    xgboost = pytest.importorskip("xgboost")
    x = np.round(X, 1)
    theirs = xgboost.train(
        {"eta": 0.3},
        xgboost.DMatrix(x, Y),
        5,
        obj=lambda f, matrix: numpy_logistic(f, matrix.get_label()),
    )
    ours, _ = boost(Dataset(x=x, label=Y), FORMS["numpy"], FEW)
    squared, _ = boost(Dataset(x=x, label=Y), _squared, FEW)
    usual, _ = boost(Dataset(x=x, label=Y, base_margin=np.full(300, 0.5)), SquaredError(), FEW)
    start = np.full((300, 1), 0.5, np.float32)
    assert np.array_equal(squared.margin(x), usual.margin(x, base_margin=start))
    assert ours.base_score.tolist() == [0.5]
    # Cuts differ, so trees do.
    off = ours.predict(x) - theirs.predict(xgboost.DMatrix(x))
    assert np.sqrt(np.mean(off**2)) < 0.25 * np.std(ours.predict(x))
