"""Small worlds: their exact answers, and walks that follow their probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation.processes import (
    DecisionProcess,
    RewardChain,
    gridworld,
    random_walk,
    reference,
)


@pytest.mark.parametrize("n", [1, 2, 5, 19])
def test_random_walk_values(n: int) -> None:
    expected = np.arange(n + 2) / (n + 1)
    expected[-1] = 0.0
    # The system's condition is about n²: n²·eps.
    assert random_walk(n).values() == pytest.approx(expected, abs=n * n * 1e-15 + 1e-15)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 6), gamma=st.floats(0.0, 0.95))
@settings(deadline=None, max_examples=25)
def test_values_solve_the_bellman_equation(seed: int, n: int, gamma: float) -> None:
    rng = np.random.default_rng(seed)
    chain = RewardChain(rng.dirichlet(np.ones(n), n), rng.standard_normal((n, n)), gamma)
    P, R = np.asarray(chain.transitions), np.asarray(chain.rewards)
    v = chain.values()
    assert v == pytest.approx(np.sum(P * R, axis=1) + gamma * P @ v, rel=1e-11, abs=1e-11)
    assert chain.weights() == pytest.approx(chain.weights() @ P, abs=1e-12)


@given(seed=st.integers(0, 10**6), gamma=st.floats(0.0, 0.95))
@settings(deadline=None, max_examples=20)
def test_value_iteration_equals_the_book(seed: int, gamma: float) -> None:
    rng = np.random.default_rng(seed)
    P, R = rng.dirichlet(np.ones(4), (4, 3)), rng.standard_normal((4, 3))
    q = DecisionProcess(P, R, gamma).value_iteration()
    # 800 sweeps leave .95^800 = 1e-18.
    expected = reference.value_iteration(P, R, gamma, 800)
    assert q.max(axis=1) == pytest.approx(expected, rel=1e-9, abs=1e-10)
    policy = np.argmax(q, axis=1)
    own = DecisionProcess(P, R, gamma).under(policy).values()
    assert own == pytest.approx(expected, rel=1e-9, abs=1e-10)


def test_gridworld_best_policy_stays_at_the_goal() -> None:
    world = gridworld()
    q = world.value_iteration()
    goal = 3 * 5 + 2
    assert q[goal].argmax() == 4
    assert q[goal].max() == pytest.approx(10.0, rel=1e-9)  # 1/(1 - .9)
    assert world.shape == (25, 5)
    assert gridworld(slip=1.0).value_iteration().std(axis=1).max() < 1e-9


def test_walks_follow_the_probabilities() -> None:
    chain = RewardChain([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.2, 0.2, 0.6]], [1.0, 2.0, 3.0])
    t = chain.sample(60_000, random_state=0)
    counts = np.zeros((3, 3))
    np.add.at(counts, (t.states, t.next_states), 1)
    rows = counts.sum(axis=1, keepdims=True)
    # A share of n >= 10^4 draws has a deviation of at most .5/sqrt(n) = .005; four of those.
    assert counts / rows == pytest.approx(np.asarray(chain.transitions), abs=0.02)
    assert counts[1, 1] == 0
    assert rows[:, 0] / 60_000 == pytest.approx(chain.weights(), abs=0.02)
    assert np.array_equal(t.states[1:], t.next_states[:-1])
    assert t.rewards.tolist() == (t.states + 1.0).tolist()
    assert not t.done.any()


def test_episodes_follow_one_another() -> None:
    t = random_walk(3).sample(5000, random_state=1)
    assert np.array_equal(t.done, np.isin(t.next_states, [0, 4]))
    assert np.all(t.states[1:][t.done[:-1]] == 2)
    assert np.all(t.states[1:][~t.done[:-1]] == t.next_states[:-1][~t.done[:-1]])
    assert np.all(t.rewards == (t.next_states == 4))
    share = np.bincount(t.states, minlength=5) / 5000
    # Batches of episodes are independent; 5000 steps know a share to about .02.
    assert random_walk(3).weights() == pytest.approx(share, abs=0.05)
    assert len(random_walk(3).sample(0)) == 0


def test_same_seed_same_walk() -> None:
    a, b = (random_walk(5).sample(100, random_state=3) for _ in range(2))
    assert np.array_equal(a.states, b.states)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RewardChain([[0.5, 0.6], [0.0, 1.0]], [0, 0]), "Row 0 sums to 1.1"),
        (lambda: RewardChain([[1.5, -0.5], [0.0, 1.0]], [0, 0]), "probabilities >= 0"),
        (lambda: RewardChain([[1.0, 0.0]], [0]), r"shape \(1, 1\)"),
        (lambda: RewardChain([[1.0]], [0, 1]), "rewards must be"),
        (lambda: RewardChain([[1.0]], [0], 1.0), "gamma must be < 1 without terminal"),
        (lambda: RewardChain([[1.0]], [0], 1.5), "gamma must be >= 0 and <= 1"),
        (lambda: RewardChain([[1.0]], [0], 0.9, [True]), "not all set"),
        (lambda: RewardChain(np.eye(2), [0, 0], 0.9, [1, 0], [1.0, 0.0]), "terminal state"),
        (lambda: RewardChain(np.eye(3), [0] * 3, 1.0, [1, 0, 0]).values(), "never end"),
        (lambda: RewardChain([[np.nan]], [0]), "transitions must be finite"),
        (lambda: DecisionProcess([[[1.0]]], [[0.0, 1.0]]), "rewards must be"),
        (lambda: DecisionProcess([[[0.9]]], [[0.0]]), "Row 0 sums to 0.9"),
        (lambda: DecisionProcess([[[1.0]]], [[0.0]], 1.0), "gamma must be >= 0 and < 1"),
        (lambda: gridworld("..\n."), "equal rows"),
        (lambda: gridworld(""), "equal rows"),
        (lambda: gridworld().under(np.full(25, 9)), "policy must hold probabilities"),
        (lambda: gridworld().under(np.full(25, -1)), "policy must hold probabilities"),
        (lambda: gridworld().under(np.full((25, 5), np.nan)), "policy must hold probabilities"),
        (lambda: gridworld().backup([1.0, 2.0]), r"v must have shape \(25,\)"),
        (lambda: RewardChain(np.eye(2), [0, 0], 0.9, None, [np.nan, 1.0]), "start must hold"),
        (lambda: gridworld(slip=2.0), "slip must be"),
        (lambda: random_walk(0), "n must be >= 1"),
        (lambda: random_walk(2).sample(-1), "steps must be >= 0"),
    ],
)
def test_bad_worlds_are_named(make, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
