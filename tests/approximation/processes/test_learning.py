"""TD(0), LSTD and Q-learning against the equations, the linear solve and value iteration."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation import Gain
from drivetrain.approximation.processes import (
    LSTD,
    TD0,
    DecisionProcess,
    QLearning,
    RewardChain,
    Transitions,
    gridworld,
    lstd,
    q_learning,
    random_walk,
    reference,
    td0,
)
from drivetrain.approximation.processes._numba import walk
from drivetrain.approximation.processes.chains import cumulative
from drivetrain.approximation.search import Average

WALK = random_walk(5)
FEATURES = np.column_stack((np.ones(7), np.arange(7) / 6))
FEATURES[[0, 6]] = 0.0


def through_json(state):
    return json.loads(json.dumps(state, default=np.ndarray.tolist))


# Against the equations.


@given(seed=st.integers(0, 10**6), by_visits=st.booleans(), alpha=st.sampled_from([1.0, 0.6]))
@settings(deadline=None, max_examples=25)
def test_td_equals_the_book(seed: int, by_visits: bool, alpha: float) -> None:
    t = WALK.sample(60, random_state=seed)
    gain, v = Gain(0.5, alpha), np.zeros(7)
    visits = np.zeros(7, dtype=int)
    learned = td0(t, gamma=0.9, gain=gain, by_visits=by_visits, start=np.zeros(7))
    for k, (s, r, after, done) in enumerate(zip(t.states, t.rewards, t.next_states, t.done)):
        visits[s] += 1
        a = gain.at(int(visits[s]) if by_visits else k + 1)
        v = reference.temporal_difference(v, a, 0.9, s, r, after, done)
        assert learned.path[k + 1].tolist() == v.tolist()


@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_linear_td_equals_the_book(seed: int) -> None:
    t = WALK.sample(60, random_state=seed)
    learned = td0(t, gamma=1.0, features=FEATURES, gain=Gain(0.3, 0.7), start=[0.1, -0.1])
    w = np.array([0.1, -0.1])
    for k, (s, r, after) in enumerate(zip(t.states, t.rewards, t.next_states), start=1):
        w = reference.linear_temporal_difference(
            w, Gain(0.3, 0.7).at(k), 1.0, FEATURES[s], r, FEATURES[after]
        )
        # A sum of two products may round otherwise, and steps contract: some ulp of 1.
        assert learned.path[k] == pytest.approx(w, rel=0, abs=1e-14)
    assert learned.values.tolist() == (FEATURES @ learned.weights).tolist()


@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_q_learning_equals_the_book(seed: int) -> None:
    world = gridworld("..\n#G", slip=0.3)
    rng = np.random.default_rng(seed)
    learner, q = QLearning((4, 5), gamma=0.9, gain=Gain(1.0, 0.8)), np.zeros((4, 5))
    visits = np.zeros((4, 5), dtype=int)
    for _ in range(50):
        s, a, after = int(rng.integers(4)), int(rng.integers(5)), int(rng.integers(4))
        r, done = float(rng.standard_normal()), bool(rng.random() < 0.1)
        visits[s, a] += 1
        gain = Gain(1.0, 0.8).at(int(visits[s, a]))
        q = reference.q_learning(q, gain, 0.9, (s, a, r, after, done))
        assert learner.update(s, a, r, after, done).q.tolist() == q.tolist()
    assert world.shape == (4, 5)


def test_walk_of_q_learning_equals_single_updates() -> None:
    """The compiled walk is the loop of choice, draw and update, on the same uniforms."""
    world = gridworld("..\n#G", slip=0.3)
    fast = QLearning((4, 5), epsilon=0.3, random_state=5).run(world, 2000)
    slow = QLearning((4, 5), epsilon=0.3, random_state=5)
    s = int(np.arange(4)[slow._rng.integers(4)])
    P, R = np.asarray(world.transitions), np.asarray(world.rewards)
    for u in slow._rng.random((2000, 4)):
        a = int(u[1] * 5) if u[0] < 0.3 else int(slow.q[s].argmax())
        after = int(np.searchsorted(np.cumsum(P[s, a]), u[2], side="right"))
        slow.update(s, a, R[s, a], min(after, 3))
        s = min(after, 3)
    assert np.array_equal(fast.q, slow.q)
    assert np.array_equal(fast.visits, slow.visits)
    assert fast.state == s


def test_kernels_compiled_and_plain_agree() -> None:
    uniforms = np.random.default_rng(0).random((200, 2))
    P, start = cumulative(np.asarray(WALK.transitions)), cumulative(np.asarray(WALK.start))
    for a, b in zip(
        walk(P, start, np.asarray(WALK.terminal), uniforms),
        walk.py_func(P, start, np.asarray(WALK.terminal), uniforms),
        strict=True,
    ):
        assert np.array_equal(a, b)


def test_rounding_never_draws_an_impossible_state() -> None:
    rows = cumulative(np.array([[0.1] * 10 + [0.0, 0.0], [0.0] * 11 + [1.0]]))
    assert rows[0, 9] == 2.0  # ten tenths sum to less than 1
    assert rows[0, 8] < 1.0
    assert rows[1, 11] == 2.0


# Against exact answers.


@pytest.mark.parametrize(
    ("by_visits", "gain"), [(False, Gain(10.0, 0.7, 50.0)), (True, Gain(2.0, 0.7, 2.0))]
)
def test_td_reaches_the_linear_solve(by_visits: bool, gain: Gain) -> None:
    learned = td0(
        WALK, steps=200_000, gain=gain, average="suffix", by_visits=by_visits, random_state=0
    )
    # Standard errors are up to .007 here; three of those.
    assert np.all(learned.estimate().standard_error < 0.01)
    assert learned.values == pytest.approx(WALK.values(), abs=0.021)


def test_td_converges_without_averaging() -> None:
    learned = td0(WALK, steps=200_000, gain=Gain(3.0, 1.0, 10.0), by_visits=True, random_state=0)
    assert learned.values == pytest.approx(WALK.values(), abs=0.03)


def test_td_and_lstd_reach_the_same_weights() -> None:
    """Linear values fit this walk exactly: v = s/6 inside."""
    t = WALK.sample(200_000, random_state=1)
    solved = lstd(t, FEATURES, gamma=1.0)
    assert solved == pytest.approx([0.0, 1.0], abs=0.03)
    learned = td0(t, gamma=1.0, features=FEATURES, average="suffix", gain=Gain(20.0, 0.7, 50.0))
    assert learned.weights == pytest.approx(solved, abs=0.05)


def test_lstd_equals_the_book() -> None:
    t = WALK.sample(500, random_state=2)
    after = np.where(t.done[:, None], 0.0, FEATURES[t.next_states])
    expected = reference.least_squares(FEATURES[t.states], after, t.rewards, 0.95)
    # Both sum 500 terms of size 1: 500·eps, times a condition of about 100.
    assert lstd(t, FEATURES, gamma=0.95) == pytest.approx(expected, rel=1e-10)


def test_lstd_merges_and_resumes() -> None:
    t = WALK.sample(400, random_state=3)
    halves = [
        Transitions(
            states=t.states[i], rewards=t.rewards[i], next_states=t.next_states[i], done=t.done[i]
        )
        for i in (slice(0, 150), slice(150, None))
    ]
    whole = LSTD(FEATURES, gamma=1.0).update(t)
    first, second = (LSTD(FEATURES, gamma=1.0).update(half) for half in halves)
    resumed = LSTD.from_state(through_json(first.state_dict())).update(halves[1])
    merged = first.merge(second)
    for sums in (merged, resumed):
        assert sums.n == 400
        assert sums.weights() == pytest.approx(whole.weights(), rel=1e-9)
    assert resumed.values().tolist() == (FEATURES @ resumed.weights()).tolist()
    with pytest.raises(ValueError, match="same features and gamma"):
        merged.merge(LSTD(FEATURES, gamma=0.5))
    with pytest.raises(ValueError, match="Not an LSTD state"):
        LSTD.from_state({"kind": "TD0"})


def test_q_learning_reaches_value_iteration() -> None:
    world = gridworld("...\n.#.\n..G", gamma=0.7, slip=0.1)
    best = world.value_iteration()
    learned = q_learning(world, steps=400_000, random_state=0)
    assert learned.q == pytest.approx(best, abs=0.15)
    chosen = best[np.arange(9), learned.policy]
    assert chosen == pytest.approx(best.max(axis=1), abs=0.05)
    assert learned.values.tolist() == learned.q.max(axis=1).tolist()
    assert learned.visits.sum() == 400_000


def test_q_learning_restarts_after_the_end() -> None:
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = P[1, 0, 0] = P[1, 1, 2] = P[2, :, 2] = 1.0
    R = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    world = DecisionProcess(P, R, 0.5, [False, False, True])
    learned = q_learning(world, steps=20_000, gain=0.5, random_state=0)
    # A world without chance and a constant gain: errors halve with every visit.
    assert learned.q == pytest.approx(world.value_iteration(), abs=1e-9)
    assert learned.q == pytest.approx(np.array([[0.25, 0.5], [0.25, 1.0], [0.0, 0.0]]), abs=1e-9)
    assert learned.visits[2].sum() == 0


# Faces.


def test_batch_equals_loop() -> None:
    t = WALK.sample(300, random_state=4)
    many = TD0(7, gamma=1.0).update_many(t)
    one = TD0(7, gamma=1.0)
    for s, r, after, done in zip(t.states, t.rewards, t.next_states, t.done):
        one.update(int(s), float(r), int(after), bool(done))
    assert np.array_equal(many.values, one.values)
    assert np.array_equal(many.visits, one.visits)
    assert many.k == one.k == 300


@pytest.mark.parametrize("by_visits", [False, True])
def test_td_resumes_bit_for_bit(by_visits: bool) -> None:
    t, u = WALK.sample(100, random_state=0), WALK.sample(80, random_state=1)
    whole = TD0(7, gamma=1.0, by_visits=by_visits).update_many(t)
    again = TD0.from_state(through_json(whole.state_dict()))
    assert np.array_equal(whole.update_many(u).values, again.update_many(u).values)
    with pytest.raises(ValueError, match="pass gain= again"):
        TD0.from_state(TD0(2, gain=lambda k: 1 / k).state_dict())
    function = TD0.from_state(TD0(2, gain=lambda k: 1 / k).state_dict(), gain=lambda k: 1 / k)
    assert function.update(0, 1.0, 1).values[0] == 1.0
    with pytest.raises(ValueError, match="Not a TD0 state"):
        TD0.from_state({"kind": "LSTD"})


def test_q_learning_resumes_bit_for_bit() -> None:
    world = gridworld(slip=0.2)
    whole = QLearning((25, 5), random_state=3).run(world, 70_000)
    part = QLearning((25, 5), random_state=3)
    for steps in (0, 1, 999, 30_000, 39_000):
        part.run(world, steps)
        part = QLearning.from_state(through_json(part.state_dict()))
    assert np.array_equal(whole.q, part.q)
    assert np.array_equal(whole.visits, part.visits)
    assert whole.state == part.state
    with pytest.raises(ValueError, match="Not a QLearning state"):
        QLearning.from_state({"kind": "TD0"})


def test_act_explores_by_epsilon() -> None:
    learner = QLearning(np.array([[0.0, 2.0, 1.0]]), epsilon=0.3, random_state=0)
    actions = np.bincount([learner.act(0) for _ in range(5000)], minlength=3) / 5000
    # Shares .1, .8, .1, known to .006.
    assert actions == pytest.approx([0.1, 0.8, 0.1], abs=0.025)
    assert QLearning(np.array([[0.0, 2.0]]), epsilon=0.0).act(0) == 1
    assert learner.policy.tolist() == [1]


STICKY = RewardChain([[0.9, 0.1], [0.1, 0.9]], [1.0, -1.0], 0.5)


@pytest.mark.parametrize(("chain", "inner"), [(STICKY, slice(None)), (WALK, slice(1, 6))])
def test_intervals_under_markov_noise_cover(chain: RewardChain, inner: slice) -> None:
    """Equal batches see that noise is correlated; independence assumed, they would not cover."""
    truth, hits = chain.values(), 0.0
    for seed in range(200):
        learned = td0(chain, steps=20_000, average=Average("tail", burn_in=2000), random_state=seed)
        hits = hits + learned.ci(0.95).contains(truth)[inner]
    # Binomial(200, .94) lies below 177 with probability 0.2 %, for each of up to five states.
    assert np.all(hits >= 177)
    assert np.mean(hits) / 200 == pytest.approx(0.95, abs=0.025)


def test_independence_assumed_would_not_cover() -> None:
    learned = td0(STICKY, steps=20_000, average="tail", random_state=0)
    noise_error = learned.estimate(n_batches=8).standard_error[0]
    t, w = learned.transitions, learned.weights
    here, there = learned.features[t.states], learned.features[t.next_states]
    noise = here * (t.rewards - (here - 0.5 * there) @ w)[:, None]
    inverse = np.linalg.inv(here.T @ (here - 0.5 * there) / len(t))
    naive = np.sqrt(np.diag(inverse @ (noise.T @ noise / len(t)) @ inverse.T / len(t)))
    # A stay of ten steps makes sums of noise far larger than independent draws would.
    assert noise_error > 1.3 * naive[0]


def test_intervals_by_random_scaling_and_of_values() -> None:
    learned = td0(
        WALK, steps=50_000, features=FEATURES, gain=Gain(20.0, 0.7, 50.0), average="suffix",
        random_state=0,
    )  # fmt: skip
    interval = learned.ci(0.99, "random_scaling")
    assert interval.contains([0.0, 1.0]).all()
    values = learned.estimate().contrast(FEATURES[1:6]).interval(0.99)
    assert values.contains(WALK.values()[1:6]).all()
    with pytest.raises(ValueError, match="method must be one of"):
        learned.ci(method="bootstrap")
    with pytest.raises(ValueError, match="average='tail'"):
        td0(WALK, steps=10).ci()


def test_gains_by_visits_are_looked_up_once() -> None:
    asked: list[int] = []

    def gain(k: int) -> float:
        asked.append(k)
        return 1.0 / k

    learner = TD0(2, gain=gain)
    for _ in range(50):
        learner.update(0, 1.0, 1)
    assert asked == list(range(1, 51))
    asked.clear()
    world = DecisionProcess([[[1.0]]], [[1.0]], 0.5)
    QLearning((1, 1), gain=gain).run(world, 30).run(world, 20)
    assert asked == list(range(1, 51))


def test_transitions_may_be_lists() -> None:
    learned = td0(steps_of([0, 1, 0]), gamma=0.5, gain=1.0)
    assert learned.values.tolist() == [1.5, 1.0]


def steps_of(states: list[float]) -> Transitions:
    n = len(states)
    ends = [False] * n
    return Transitions(states=states, rewards=[1.0] * n, next_states=[1] * n, done=ends)  # type: ignore[arg-type]


def td_state(**changes):
    return {**TD0(2, gamma=0.5).state_dict(), **changes}


def q_state(**changes):
    return {**QLearning((2, 2)).state_dict(), **changes}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: TD0(0), ValueError, "start must be >= 1"),
        (lambda: TD0(2, gamma=1.5), ValueError, "gamma must be"),
        (lambda: TD0(2).update(2, 0.0, 1), ValueError, r"states must be in 0\.\.1\. Got 2"),
        (lambda: TD0(2).update(-1, 0.0, 1), ValueError, "state must be >= 0"),
        (lambda: TD0(2).update(0.5, 0.0, 1), TypeError, "state must be an integer"),
        (lambda: TD0(2).update(0, np.nan, 1), ValueError, "reward"),
        (lambda: TD0(2).update(0, np.inf, 1), ValueError, "rewards must be finite"),
        (lambda: td0(WALK.sample(5)), ValueError, "gamma must be given"),
        (lambda: td0(WALK, average="weighted"), ValueError, "Got 'weighted'"),
        (lambda: td0(WALK, features=FEATURES, by_visits=True), ValueError, "by_visits"),
        (lambda: td0(WALK, features=FEATURES[:3], steps=9), ValueError, "must be in 0"),
        (lambda: td0(WALK, features=1e9 * FEATURES, steps=999), ValueError, "smaller gain"),
        (lambda: LSTD(np.eye(2)).weights(), ValueError, "A is singular after 0 transitions"),
        (lambda: LSTD(np.eye(2), ridge=-1.0), ValueError, "ridge must be >= 0"),
        (lambda: QLearning((0, 2)), ValueError, "S must be >= 1"),
        (lambda: QLearning((2, 2), epsilon=1.5), ValueError, "epsilon must be"),
        (lambda: QLearning((2, 2)).act(2), ValueError, "state must be"),
        (lambda: QLearning((2, 2)).update(0, 2, 0.0, 0), ValueError, "action must be"),
        (lambda: QLearning((2, 2)).update(0, 0, np.nan, 0), ValueError, "reward must be finite"),
        (lambda: QLearning((2, 2)).run(gridworld(), 3), ValueError, "process must be"),
        (lambda: QLearning((2, 2)).run("x", 3), TypeError, "process must be a DecisionProcess"),
        (lambda: td0(WALK, gian=0.1), ValueError, "Unknown option 'gian'. Did you mean 'gain'"),
        (lambda: td0("walk", gamma=0.5), TypeError, "source must be a RewardChain or"),
        (lambda: td0(steps_of([0.5]), gamma=0.5), ValueError, "states must hold whole numbers"),
        (lambda: td0(WALK, features=FEATURES, start=[1.0]), ValueError, "start must have shape"),
        (
            lambda: td0(WALK, gain=lambda k: "a" if k < 9 else 1 / k),
            TypeError,
            r"gain\(1\) must be",
        ),
        (lambda: LSTD(np.eye(2)).merge(3), TypeError, "other must be an LSTD"),
        (lambda: TD0.from_state(td_state(visits=[0])), ValueError, r"visits must be \(2,\)"),
        (lambda: TD0.from_state(td_state(visits=[-9, 0])), ValueError, "visits must be"),
        (lambda: QLearning.from_state(q_state(state=7)), ValueError, "state must be >= 0 and <= 1"),
    ],
)
def test_bad_input_is_named(call, error, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_warmup_compiles_everything() -> None:
    from drivetrain.approximation.processes.warmup import warmup

    assert warmup() == 4
