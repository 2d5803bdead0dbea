"""Temporal differences on a random walk and Q-learning on a grid, against exact solutions."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.approximation import (
    LSTD,
    DecisionProcess,
    Gain,
    Interval,
    Prediction,
    QLearning,
    gridworld,
    random_walk,
    td0,
)
from drivetrain.gallery.page.draw import end_labels, heat, log_axis, panel, thin
from drivetrain.gallery.page.palette import BLUE, INK, ORANGE, TEAL
from drivetrain.gallery.page.section import Figure, Number

Array = NDArray[np.float64]
STATES, STEPS, REPEATS = 5, 20_000, 100
Q_STEPS, Q_PIECES = 500_000, 25
ARROWS = "↑→↓←•"
LAYOUT = ".....\n.##..\n..#..\n.#G#.\n.#..."


def learn(seed: int) -> Prediction:
    """Learn the values of the random walk, averaging the second half."""
    return td0(
        random_walk(STATES),
        steps=STEPS,
        gain=Gain(3.0, 0.7, A=20.0),
        average="tail",
        random_state=seed,
    )


def coverage(seed: int) -> float:
    """Return the share of 95 % intervals that hold the true value, over repeats and states."""
    truth, inside = random_walk(STATES).values(), 0
    for repeat in range(REPEATS):
        inside += int(learn(seed + 1 + repeat).ci(0.95).contains(truth)[1:-1].sum())
    return inside / (REPEATS * STATES)


def explore(world: DecisionProcess, seed: int) -> tuple[QLearning, Array]:
    """Learn the grid; return the learner and max |q − q*| after each piece of the walk."""
    exact, gain = world.value_iteration(), Gain(alpha=0.6)
    learner = QLearning(world.shape, gamma=world.gamma, gain=gain, epsilon=1.0, random_state=seed)
    errors = [np.abs(exact).max()]
    for _ in range(Q_PIECES):
        learner.run(world, Q_STEPS // Q_PIECES)
        errors.append(np.abs(learner.q - exact).max())
    return learner, np.array(errors)


def figure(seed: int) -> Figure:
    """Return the figure: values with intervals, errors, the grid's policy, Q-learning's error."""
    chain, world = random_walk(STATES), gridworld(LAYOUT)
    truth, learned = chain.values(), learn(seed)
    interval = learned.ci(0.95)
    walk = chain.sample(STEPS, random_state=seed)
    solved = LSTD(np.eye(STATES + 2)[:, 1:-1], gamma=1.0).update(walk).weights()
    learner, errors = explore(world, seed)
    return Figure(
        title="TD and Q-learning are Robbins-Monro, and reach the exact values",
        panels=(
            _values_panel(truth, learned.values, interval),
            _errors_panel(truth, learned, solved),
            _grid_panel(learner),
            _q_panel(errors),
        ),
        caption=f"Above: TD(0) on a random walk over {STATES} states, 1 for leaving on the right; "
        "intervals by batch means allow for the walk's own correlation; LSTD solves the equations "
        "that the walk fulfils. Below: Q-learning from random actions on Zhao's grid "
        "(−1 for the border and the six forbidden cells, +1 for the goal): values and decisions "
        "learned, and the distance to value iteration.",
        numbers=(
            Number(
                what="TD(0): largest error of a value",
                ours=f"{np.abs(learned.values - truth).max():.4f}",
                reference="0",
                source=f"linear solve; the widest interval is ±{interval.width.max() / 2:.4f}",
            ),
            Number(
                what="TD(0): coverage of 95 % intervals",
                ours=f"{100 * coverage(seed):.1f} %",
                reference="95 %",
                source=f"nominal; {REPEATS} walks, {STATES} states each",
            ),
            *_control_numbers(world, learner),
        ),
    )


def _control_numbers(world: DecisionProcess, learner: QLearning) -> tuple[Number, ...]:
    exact = world.value_iteration()
    lost = np.abs(world.under(learner.policy).values() - exact.max(axis=1)).max()
    return (
        Number(
            what="Q-learning: max |q − q*|",
            ours=f"{np.abs(learner.q - exact).max():.2e}",
            reference="0",
            source="value iteration",
        ),
        Number(
            what="Q-learning: value its policy loses",
            ours=f"{lost:.1e}",
            reference="0",
            source="value iteration; policy evaluated exactly",
        ),
    )


def _values_panel(truth: Array, values: Array, interval: Interval) -> str:
    inner = slice(1, STATES + 1)
    states, exact = np.arange(1, STATES + 1), truth[inner]
    low, high = interval.low[inner] - exact, interval.high[inner] - exact

    def paint(ax: Axes) -> None:
        ax.axhline(0, color=INK, lw=1, ls=(0, (4, 3)))
        ax.vlines(states, low, high, color=BLUE, lw=2)
        ax.plot(states, values[inner] - exact, "o", color=BLUE, ms=6)
        names = [f"{state}\n{value:.3f}" for state, value in zip(states, exact, strict=True)]
        ax.set_xticks(states, names)
        reach = 1.3 * float(np.abs([low, high]).max())
        ax.set(xlim=(0.5, STATES + 0.5), ylim=(-reach, reach))
        ax.set_title("TD(0) less the exact value, 95 % intervals")
        ax.set_xlabel("state, exact value")

    off = float(np.abs(values[inner] - exact).max())
    return panel(paint, alt=f"Errors of the five learned values, at most {off:.3f}.")


def _errors_panel(truth: Array, learned: Prediction, solved: Array) -> str:
    first, inner = learned.left_out, slice(1, STATES + 1)
    steps = np.arange(1, STEPS + 1)
    last = _rms(learned.path[1:, inner] - truth[inner])
    total = np.cumsum(learned.path[first + 1 :, inner], axis=0)
    averaged = _rms(total / np.arange(1, STEPS - first + 1)[:, None] - truth[inner])
    level = float(_rms((solved - truth[inner])[None])[0])

    def paint(ax: Axes) -> None:
        kept = thin(STEPS, 180, logarithmic=True)
        ax.plot(steps[kept], last[kept], color=ORANGE)
        tail = thin(STEPS - first, 80)[1:]
        ax.plot(steps[first + tail], averaged[tail], color=BLUE)
        ax.axhline(level, color=TEAL, lw=1, ls=(0, (4, 3)))
        log_axis(ax, "xy")
        ax.set_xlim(10, STEPS)
        ax.set_title("Root mean square error of the values")
        ax.set_xlabel("steps")
        ends = ((last[-1], "last", ORANGE), (averaged[-1], "average", BLUE), (level, "LSTD", TEAL))
        end_labels(ax, [(float(value), name, colour) for value, name, colour in ends])

    return panel(
        paint,
        alt=f"The error falls to {last[-1]:.3f}, that of the average to "
        f"{averaged[-1]:.3f}, near LSTD's {level:.3f}.",
    )


def _rms(errors: Array) -> Array:
    return np.asarray(np.sqrt(np.mean(errors**2, axis=1)))


def _grid_panel(learner: QLearning) -> str:
    rows = LAYOUT.splitlines()
    values, policy = learner.q.max(axis=1), learner.policy

    def write(i: int, j: int, value: float) -> str:
        mark = " #" if rows[i][j] == "#" else ""
        return f"{value:.1f} {ARROWS[policy[5 * i + j]]}{mark}"

    def paint(ax: Axes) -> None:
        low, high = float(values.min()), float(values.max())
        blank = [""] * 5
        heat(ax, values.reshape(5, 5), columns=blank, rows=blank, low=low, high=high, write=write)
        ax.set_title("Values and decisions; # forbidden, • stay")

    return panel(
        paint,
        alt="A five by five grid: values rise towards the goal in the fourth row, arrows lead to "
        "it around the forbidden cells.",
    )


def _q_panel(errors: Array) -> str:
    def paint(ax: Axes) -> None:
        ax.plot(np.arange(len(errors)) * (Q_STEPS // Q_PIECES) / 1000, errors, color=BLUE)
        log_axis(ax, "y")
        ax.set_xlim(0, Q_STEPS / 1000)
        ax.set_title("Q-learning: max |q − q*|")
        ax.set_xlabel("thousand steps")

    return panel(paint, alt=f"The distance to the optimal q falls to {errors[-1]:.1e}.")
