"""Kernels: walks of a chain, TD(0) along them, Q-learning. Randomness comes in as uniforms."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def draw(cumulative: Array, u: float) -> int:
    """Return the first index whose cumulative probability exceeds u."""
    i = 0
    while u >= cumulative[i]:
        i += 1
    return i


@njit(cache=True, nogil=True)
def walk(rows: Array, start: Array, terminal: Flags, uniforms: Array) -> tuple[Ints, Ints]:
    """Return s and s' of each step; after a terminal state the next s is drawn anew."""
    n = len(uniforms) - 1
    states, after = np.empty(n, np.int64), np.empty(n, np.int64)
    s = draw(start, uniforms[0, 0])
    for k in range(n):
        states[k] = s
        s = draw(rows[s], uniforms[k + 1, 0])
        after[k] = s
        if terminal[s]:
            s = draw(start, uniforms[k + 1, 1])
    return states, after


@njit(cache=True, nogil=True)
def temporal_differences(
    v: Array,
    visits: Ints,
    gains: Array,
    by_visits: bool,
    gamma: float,
    states: Ints,
    rewards: Array,
    next_states: Ints,
    done: Flags,
    path: Array,
) -> None:
    """Update v and visits in place along n transitions; fill path with v where it has room.

    ``gains[i]`` is that of the i-th step of this call, or a_{i+1} by visits.
    """
    keep = len(path) > 0
    for k in range(len(states)):
        s = states[k]
        gain = gains[visits[s]] if by_visits else gains[k]
        visits[s] += 1
        target = rewards[k]
        if not done[k]:
            target += gamma * v[next_states[k]]
        v[s] = v[s] - gain * (v[s] - target)
        if keep:
            path[k] = v


@njit(cache=True, nogil=True)
def linear_temporal_differences(
    w: Array,
    features: Array,
    gains: Array,
    gamma: float,
    states: Ints,
    rewards: Array,
    next_states: Ints,
    done: Flags,
    path: Array,
) -> None:
    """Update w in place along n transitions; write it after each step where path has room."""
    keep = len(path) > 0
    p = len(w)
    for k in range(len(states)):
        here, there = features[states[k]], features[next_states[k]]
        now = after = 0.0
        for j in range(p):
            now += here[j] * w[j]
            after += there[j] * w[j]
        error = rewards[k] - now
        if not done[k]:
            error = rewards[k] + gamma * after - now
        for j in range(p):
            w[j] += gains[k] * error * here[j]
        if keep:
            path[k] = w


@njit(cache=True, nogil=True)
def q_learn(
    q: Array,
    visits: Ints,
    gains: Array,
    gamma: float,
    epsilon: float,
    rows: Array,
    rewards: Array,
    terminal: Flags,
    state: int,
    uniforms: Array,
) -> int:
    """Update q and visits in place, exploring; return the state it stopped in."""
    s = state
    for k in range(len(uniforms)):
        a = choose(q[s], epsilon, uniforms[k, 0], uniforms[k, 1])
        after = draw(rows[s, a], uniforms[k, 2])
        target = rewards[s, a]
        if not terminal[after]:
            target += gamma * np.max(q[after])
        gain = gains[visits[s, a]]
        visits[s, a] += 1
        q[s, a] = q[s, a] - gain * (q[s, a] - target)
        s = after
        if terminal[s]:
            s = restart(terminal, uniforms[k, 3])
    return s


@njit(cache=True, nogil=True)
def choose(values: Array, epsilon: float, u: float, v: float) -> int:
    """Return the first best action, or with probability epsilon any."""
    if u < epsilon:
        return min(int(v * len(values)), len(values) - 1)
    return int(np.argmax(values))


@njit(cache=True, nogil=True)
def restart(terminal: Flags, u: float) -> int:
    """Return a state that is not terminal, each equally likely."""
    live = 0
    for ends in terminal:
        live += not ends
    wanted = min(int(u * live), live - 1)
    for s in range(len(terminal)):
        if not terminal[s]:
            if wanted == 0:
                return s
            wanted -= 1
    return 0
