"""The paper's equations on numbers worked by hand."""

import numpy as np
import pytest

from drivetrain.trees import reference
from drivetrain.trees.growing.settings import Growth

VALUES = np.array([1, 1, 3, 4, 5, 12, 45, 50, 99.0])
HESSIANS = np.array([0.1] * 6 + [0.4, 0.2, 0.6])


def test_weighted_ranks_are_the_worked_ones() -> None:
    values, ranks = reference.weighted_ranks(VALUES, HESSIANS)
    assert values.tolist() == [1, 3, 4, 5, 12, 45, 50, 99]
    expected = [0, 1 / 9, 1 / 6, 2 / 9, 5 / 18, 1 / 3, 5 / 9, 2 / 3]
    assert ranks == pytest.approx(expected, abs=1e-15)


def test_tertile_candidates_are_45_and_99() -> None:
    assert reference.candidates(VALUES, HESSIANS, 1 / 3 - 1e-12).tolist() == [45, 99]


def test_xgboosts_gain_is_twice_the_textbooks_without_gamma() -> None:
    growth = Growth(gamma=0.7, reg_lambda=1.5)
    gl, hl, gr, hr = 3.0, 2.0, -5.0, 4.0
    ours = (
        reference.score(gl, hl, growth)
        + reference.score(gr, hr, growth)
        - reference.score(gl + gr, hl + hr, growth)
    )
    assert reference.textbook_gain(gl, hl, gr, hr, growth) == pytest.approx(ours / 2 - 0.7)


@pytest.mark.parametrize("growth", [Growth(), Growth(reg_alpha=2.0), Growth(max_delta_step=0.4)])
def test_the_weight_minimizes_the_regularized_loss(growth: Growth) -> None:
    g, h = 5.0, 3.0
    grid = np.linspace(-3, 3, 600_001)
    if growth.max_delta_step:
        grid = grid[np.abs(grid) <= growth.max_delta_step]
    loss = g * grid + (h + growth.reg_lambda) * grid**2 / 2 + growth.reg_alpha * np.abs(grid)
    assert reference.weight(g, h, growth) == pytest.approx(grid[np.argmin(loss)], abs=2e-5)


def test_the_objective_of_a_tree_is_what_its_leaves_save() -> None:
    growth = Growth(gamma=1.0)
    g, h = np.array([2.0, -4.0]), np.array([1.0, 3.0])
    saved = sum(
        g_ * w + (h_ + 1) * w * w / 2
        for g_, h_ in zip(g, h)
        for w in [reference.weight(g_, h_, growth)]
    )
    assert reference.tree_objective(g, h, growth) == pytest.approx(saved + 2)
