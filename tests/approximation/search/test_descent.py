"""BGD, MBGD and SGD: the closed forms, drawing with replacement, the relative error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation import Gain
from drivetrain.approximation.search import (
    gradient_descent,
    reference,
    relative_error_bound,
    relative_gradient_error,
)

SQUARE = np.random.default_rng(0).uniform(-10.0, 10.0, size=(100, 2))
FAR = np.array([50.0, 50.0])


def test_bgd_is_there_after_one_step() -> None:
    run = gradient_descent(SQUARE, FAR, mode="bgd", steps=3)
    # x̄ comes out as 50 - (50 - x̄): half an ulp of 50.
    assert run.path[1:] == pytest.approx(np.tile(SQUARE.mean(axis=0), (3, 1)), rel=0, abs=1.5e-14)
    assert run.indices.shape == (3, 0)


@given(m=st.integers(1, 120), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_mini_batches_give_the_mean_of_their_means(m: int, seed: int) -> None:
    run = gradient_descent(SQUARE, FAR, mode="mbgd", m=m, steps=12, random_state=seed)
    for k in range(1, 13):
        drawn = [SQUARE[row] for row in run.indices[:k]]
        # Numbers up to 60: half an ulp is 7e-15, for each of m terms of a mean, and 3 a step.
        tolerance = 7e-15 * (m + 3 * k)
        close = pytest.approx(reference.mini_batch_mean(drawn), rel=0, abs=tolerance)
        assert run.path[k] == close


def test_sgd_is_the_running_mean_of_the_draws() -> None:
    run = gradient_descent(SQUARE, FAR, mode="sgd", steps=30, random_state=1)
    for k in (1, 2, 17, 30):
        expected = SQUARE[run.indices[:k, 0]].mean(axis=0)
        assert run.path[k] == pytest.approx(expected, rel=0, abs=2e-14 * k)


def test_numbers_are_samples_too() -> None:
    run = gradient_descent([1.0, 3.0, 5.0], 9.0, mode="bgd", steps=1)
    assert run.w.tolist() == [3.0]


def test_mini_batches_of_all_are_not_bgd_because_draws_repeat() -> None:
    run = gradient_descent(SQUARE, FAR, mode="mbgd", m=100, steps=1, random_state=0)
    assert len(set(run.indices[0])) < 100
    assert np.linalg.norm(run.w - SQUARE.mean(axis=0)) > 1e-3


def test_draws_are_uniform_with_replacement() -> None:
    run = gradient_descent(SQUARE, FAR, mode="mbgd", m=500, steps=40, random_state=0)
    counts = np.bincount(run.indices.ravel(), minlength=100)
    # 20,000 draws, 200 a sample with deviation 14: chi-square of 99 degrees, 99.99 % below 161.
    assert float(np.sum((counts - 200.0) ** 2 / 200.0)) < 161.0


def test_relative_error_of_the_mean() -> None:
    """delta_k = |E[X] - x_k| / |w_k - w*|: small far away, large near; it meets its bound."""
    run = gradient_descent(SQUARE, 100 * FAR, mode="sgd", steps=30, random_state=2)
    mean = SQUARE.mean(axis=0)
    delta = relative_gradient_error(SQUARE, run)
    expected = [
        reference.relative_gradient_error(w, SQUARE[i[0]], mean)
        for w, i in zip(run.path[:-1], run.indices, strict=True)
    ]
    # Where w is at 7071 the gap of two gradients keeps 16 - 4 digits.
    assert delta == pytest.approx(expected, rel=1e-11)
    assert relative_error_bound(SQUARE, run, root=mean) == pytest.approx(expected, rel=1e-11)
    assert delta[0] < 0.01 < 0.5 < np.median(delta[5:])


def test_relative_error_bound_holds_for_least_squares() -> None:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((200, 3))
    data = np.column_stack((X, X @ [1.0, -2.0, 3.0] + rng.standard_normal(200)))

    def gradient(w, rows):
        return (rows[:, :3] @ w - rows[:, 3])[:, None] * rows[:, :3]

    run = gradient_descent(
        data, np.zeros(3), mode="mbgd", m=10, gradient=gradient, gain=Gain(0.5, 0.7), steps=300,
        random_state=0,
    )  # fmt: skip
    root = np.linalg.lstsq(X, data[:, 3], rcond=None)[0]
    curvature = np.linalg.eigvalsh(X.T @ X / 200)[0]
    delta = relative_gradient_error(data, run, gradient=gradient)
    bound = relative_error_bound(data, run, root=root, curvature=curvature, gradient=gradient)
    assert np.all(delta <= bound * (1 + 1e-12))
    assert run.w == pytest.approx(root, abs=0.2)
    assert np.all(
        relative_gradient_error(
            data,
            gradient_descent(data, np.zeros(3), mode="bgd", gradient=gradient, gain=0.5, steps=5),
            gradient=gradient,
        )
        == 0
    )


def test_same_seed_same_bits() -> None:
    runs = [gradient_descent(SQUARE, FAR, mode="sgd", random_state=5).path for _ in range(2)]
    assert np.array_equal(*runs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": np.zeros((0, 2))}, "at least one sample"),
        ({"samples": 1.0}, "at least one sample"),
        ({"samples": [[np.nan, 1.0]]}, "samples must be finite. Got nan at position"),
        ({"mode": "mbgd"}, "pass m="),
        ({"mode": "mbgd", "m": 0}, "m must be >= 1"),
        ({"mode": "bgd", "m": 3}, "m is for mode='mbgd'"),
        ({"mode": "adam"}, "mode must be one of"),
        ({"steps": -1}, "steps must be >= 0"),
        ({"w0": [1.0, np.inf]}, "x0 must be finite"),
        ({"w0": [1.0, 2.0, 3.0]}, "."),
    ],
)
def test_bad_input_is_named(options, words) -> None:
    arguments = {"samples": SQUARE, "w0": FAR, **options}
    with pytest.raises(ValueError, match=words):
        gradient_descent(arguments.pop("samples"), arguments.pop("w0"), **arguments)
