"""Mean squared errors against what theory says of them: constants and slopes."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from drivetrain.approximation import (
    Gain,
    averaged_limit,
    linear_mean_square,
    quadratic_spsa_mean_square,
    robbins_monro_limit,
    simulate,
    simulate_minimum,
)
from drivetrain.gallery.page.draw import end_labels, log_axis, panel, thin
from drivetrain.gallery.page.palette import BLUE, GOLD, INK, MUTED, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Number

Array = NDArray[np.float64]
STEPS, RUNS, DIFFERENCE_RUNS = 2000, 4000, 2000
SCALES = {1.0: BLUE, 2.0: TEAL, 0.6: GOLD}
DIFFERENCE_STEPS = (30, 60, 125, 250, 500, 1000, 2000)
WIDTH, AVERAGED = Gain(alpha=1 / 6), Gain(alpha=0.7)


def root_errors(seed: int) -> dict[str, Array]:
    """Return mean squares after each step of RM for g(w) = w, and of the averaged path."""
    errors = {}
    for number, scale in enumerate(SCALES):
        errors[f"a = {scale:g}"] = _mean_square(Gain(a=scale), (seed, number))
    study = simulate(
        lambda w: w,
        0.0,
        steps=STEPS,
        replicas=RUNS,
        gain=AVERAGED,
        random_state=np.random.default_rng((seed, 9)),
        keep_path=True,
    )
    assert study.path is not None
    running = np.cumsum(study.path[1:], axis=0) / np.arange(1, STEPS + 1)[:, None]
    return errors | {"averaged": np.mean(running**2, axis=1)}


def _mean_square(gain: Gain, seed: tuple[int, int]) -> Array:
    study = simulate(
        lambda w: w,
        0.0,
        steps=STEPS,
        replicas=RUNS,
        gain=gain,
        keep_path=True,
        random_state=np.random.default_rng(seed),
    )
    assert study.path is not None
    return np.asarray(np.mean(study.path[1:] ** 2, axis=1))


def minimum_errors(seed: int) -> dict[str, Array]:
    """Return mean squares of KW and of SPSA's first coordinate at ``DIFFERENCE_STEPS``."""
    errors: dict[str, list[float]] = {"KW": [], "SPSA": []}
    for number, steps in enumerate(DIFFERENCE_STEPS):
        kw = simulate_minimum(
            lambda w: w**2 / 2,
            0.0,
            steps=steps,
            width=WIDTH,
            replicas=DIFFERENCE_RUNS,
            noise_and_seed=(1.0, np.random.default_rng((seed, 20, number))),
        )
        spsa = simulate_minimum(
            lambda w: (w**2).sum(-1) / 2,
            np.zeros(2),
            steps=steps,
            width=WIDTH,
            replicas=DIFFERENCE_RUNS,
            method="spsa",
            noise_and_seed=(1.0, np.random.default_rng((seed, 30, number))),
        )
        errors["KW"].append(float(np.mean(kw.x**2)))
        errors["SPSA"].append(float(np.mean(spsa.x[:, 0] ** 2)))
    return {name: np.array(values) for name, values in errors.items()}


def averaged_mean_square(gain: Gain, steps: int) -> Array:
    """Return E[(mean of w_2 ... w_{n+1})²] for n = 1 ... steps, exactly, where g(w) = w.

    With S the sum of the iterates: E[S²] needs E[w·S], and that E[w²].
    """
    square, cross, total, result = 0.0, 0.0, 0.0, np.empty(steps)
    for n, a in enumerate(gain.array(steps)):
        cross, square = (1 - a) * cross, (1 - a) ** 2 * square + a**2
        total += 2 * cross + square
        cross += square
        result[n] = total / (n + 1) ** 2
    return result


def figure(seed: int) -> Figure:
    """Return the figure: n·MSE against its limits, and log-log errors with their slopes."""
    roots, minima = root_errors(seed), minimum_errors(seed)
    return Figure(
        title="Errors fall as theory says, constants included",
        panels=(_constants_panel(roots), _slopes_panel(roots, minima)),
        caption=f"{RUNS:,} runs of each method ({DIFFERENCE_RUNS:,} of KW and SPSA), unit noise "
        "and slope. First: n·MSE of Robbins-Monro with gain a/k settles at a²/(2a − 1), slowly for "
        "a near ½; averaging the iterates of a gain k^−0.7 reaches the best constant, 1, whatever "
        "the scale. Second: methods that see values instead of gradients pay with a slower rate.",
        numbers=_numbers(roots, minima),
    )


def _numbers(roots: dict[str, Array], minima: dict[str, Array]) -> tuple[Number, ...]:
    rows = []
    for scale in SCALES:
        exact = linear_mean_square(Gain(a=scale), STEPS, slope=1.0, noise=1.0)[-1]
        limit = robbins_monro_limit(scale, slope=1.0, noise=1.0).mean_square
        rows.append(
            Number(
                what=f"n·MSE, RM, a = {scale:g}",
                ours=f"{STEPS * roots[f'a = {scale:g}'][-1]:.3f}",
                reference=f"{STEPS * exact:.3f}",
                source=f"exact at n = {STEPS:,}; limit {limit:.3f} (Sacks 1958)",
            )
        )
    exact = averaged_mean_square(AVERAGED, STEPS)[-1]
    limit = averaged_limit(slope=1.0, noise=1.0).mean_square
    rows.append(
        Number(
            what="n·MSE, averaged",
            ours=f"{STEPS * roots['averaged'][-1]:.3f}",
            reference=f"{STEPS * exact:.3f}",
            source=f"exact at n = {STEPS:,}; limit {limit:.3f} (Polyak and Juditsky 1992)",
        )
    )
    for name, errors in minima.items():
        tail = slice(2, None)
        slope = np.polyfit(np.log(DIFFERENCE_STEPS[tail]), np.log(errors[tail]), 1)[0]
        rows.append(
            Number(
                what=f"slope of log MSE, {name}",
                ours=f"{slope:.3f}",
                reference="-0.667",
                source="Fabian 1968" if name == "KW" else "Spall 1992",
            )
        )
    return tuple(rows)


def _constants_panel(roots: dict[str, Array]) -> str:
    colours = {f"a = {scale:g}": colour for scale, colour in SCALES.items()}
    colours["averaged"] = PURPLE
    n = np.arange(1, STEPS + 1)
    kept = thin(STEPS, 150, logarithmic=True)

    def paint(ax: Axes) -> None:
        for scale, colour in SCALES.items():
            limit = robbins_monro_limit(scale, slope=1.0, noise=1.0).mean_square
            ax.axhline(limit, color=colour, lw=1, ls=(0, (1, 2)))
            exact = linear_mean_square(Gain(a=scale), STEPS, slope=1.0, noise=1.0)[1:]
            ax.plot(n[kept], (n * exact)[kept], color=colour, lw=1, ls=(0, (4, 3)))
        exact = averaged_mean_square(AVERAGED, STEPS)
        ax.plot(n[kept], (n * exact)[kept], color=PURPLE, lw=1, ls=(0, (4, 3)))
        for name, errors in roots.items():
            ax.plot(n[kept], (n * errors)[kept], color=colours[name])
        log_axis(ax, "x")
        ax.set(xlim=(10, STEPS), ylim=(0.8, 2))
        ax.set_title("n·MSE; dashed: exact; dotted: limits")
        ax.set_xlabel("steps n")
        ends = [(float(STEPS * e[-1]), name, colours[name]) for name, e in roots.items()]
        end_labels(ax, ends)

    return panel(
        paint,
        alt="n times the mean squared error approaches 1, 1.33 and 1.8 for RM "
        "and 1 for the average.",
        height=300,
    )


def _slopes_panel(roots: dict[str, Array], minima: dict[str, Array]) -> str:
    n = np.arange(1, STEPS + 1)
    marks = np.unique(np.geomspace(10, STEPS, 9).astype(int)) - 1
    exact = {
        "RM": linear_mean_square(Gain(), STEPS, slope=1.0, noise=1.0)[1:],
        "KW": linear_mean_square(Gain(), STEPS, slope=1.0, noise=1.0, width=WIDTH)[1:],
        "SPSA": quadratic_spsa_mean_square(
            Gain(), WIDTH, STEPS, curvatures=[1.0, 1.0], noise=1.0, start=[0.0, 0.0]
        )[1:, 0],
    }
    colours = {"RM": BLUE, "KW": ORANGE, "SPSA": INK}

    def paint(ax: Axes) -> None:
        for name, errors in exact.items():
            kept = thin(STEPS, 60, logarithmic=True)
            ax.plot(n[kept], errors[kept], color=colours[name], lw=1.2)
        ax.plot(n[marks], roots["a = 1"][marks], "o", color=colours["RM"], ms=5)
        for name, errors in minima.items():
            ax.plot(DIFFERENCE_STEPS, errors, "o", color=colours[name], ms=5)
        log_axis(ax, "xy")
        ax.set(xlim=(10, STEPS))
        ax.set_title("MSE; slopes −1 and −2/3")
        ax.set_xlabel("steps n")
        end_labels(ax, [(float(errors[-1]), name, colours[name]) for name, errors in exact.items()])
        ax.text(0.04, 0.06, "lines exact, dots run", color=MUTED, transform=ax.transAxes)

    return panel(
        paint,
        alt="Mean squared errors fall with slope −1 for RM and −2/3 for KW and "
        "SPSA, dots on the exact lines.",
        height=300,
    )
