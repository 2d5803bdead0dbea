"""Coverage studies: how often nominal intervals hold a truth that is known.

The problems, their gains and the burn-in of n/4 steps were chosen by hand while looking at studies
of seed 0 and its neighbours, so rates at those seeds are no test of them; the benchmark runs seeds
that were never looked at. The burn-in matters: without it the large first steps are part of the
average, and what they add to the mean square fades like n^-1/2 only. At n = 20,000 the mean square
is then 1.2 times the theory's for logistic regression and its intervals hold the truth in .92 to
.93 of runs instead of .95; the other five stay above .93. Problems that are harder (farther starts,
more or correlated columns, rare labels, outer quantiles) cover less: these six promise nothing
about data unlike them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from drivetrain.approximation.gains import Gain
from drivetrain.approximation.inference.batches import BatchMeans
from drivetrain.approximation.inference.engine import AveragedSGD
from drivetrain.approximation.inference.estimate import Estimate
from drivetrain.approximation.inference.pivots import NormalPivot, critical
from drivetrain.approximation.inference.plug_in import PlugIn
from drivetrain.approximation.inference.recipe import Recipe
from drivetrain.approximation.inference.scaling import RandomScaling
from drivetrain.core.checks import check_choice, check_integer
from drivetrain.core.seeds import RandomState, numpy_generator

Array = NDArray[np.float64]
METHODS = ("rs", "plug_in", "batch_means")
Trial = dict[str, Estimate]


@dataclass(frozen=True)
class Coverage:
    """What a study found.

    Attributes:
        problem: Its name.
        n: Averaged steps of each run.
        repeats: Independent runs.
        level: The nominal coverage.
        rate: By method, the share of intervals that hold the truth, over runs and coordinates.
        half_width: By method, the mean half-width of each coordinate, (p,).
        ideal: The half-width that the asymptotic covariance would give, (p,).
        scaled_mse: Mean over coordinates of n·MSE / asymptotic variance: 1 in the limit.
    """

    problem: str
    n: int
    repeats: int
    level: float
    rate: dict[str, float]
    half_width: dict[str, Array]
    ideal: Array
    scaled_mse: float


@dataclass(frozen=True)
class Problem:
    """A problem with a known answer.

    Attributes:
        truth: θ*, (p,).
        variance: The diagonal of H⁻¹SH⁻ᵀ, (p,).
        trials: Yields the estimates of one run by each method: (rng, n, repeats) -> trials.
    """

    truth: Array
    variance: Array
    trials: Callable[[np.random.Generator, int, int], Iterator[Trial]]


def coverage(
    problem: str,
    *,
    n: int = 20_000,
    repeats: int = 2_000,
    level: float = 0.95,
    random_state: RandomState = 0,
) -> Coverage:
    """Repeat a run many times and count how often its intervals hold the truth.

    Args:
        problem: One of ``problem_names()``.
        n: Averaged steps of each run, >= 100; they follow a burn-in of n/4 steps.
        repeats: Runs, >= 2. The standard error of a rate near .95 is .0049 at 2,000.
        level: The nominal coverage.
        random_state: Seed.

    Raises:
        ValueError: An unknown problem or a number out of range.

    Example:
        >>> found = coverage("mean", n=400, repeats=20)
        >>> sorted(found.rate), 0.5 <= found.rate["plug_in"] <= 1.0
        (['batch_means', 'plug_in', 'rs'], True)
    """
    check_choice("problem", problem, _PROBLEMS)
    check_integer("n", n, low=100)
    check_integer("repeats", repeats, low=2)
    chosen = _PROBLEMS[problem]()
    hits = dict.fromkeys(METHODS, 0.0)
    widths = {method: np.zeros(len(chosen.truth)) for method in METHODS}
    squares = np.zeros(len(chosen.truth))
    for trial in chosen.trials(numpy_generator(random_state), n, repeats):
        for method, estimate in trial.items():
            interval = estimate.interval(level)
            hits[method] += float(np.mean(interval.contains(chosen.truth)))
            widths[method] += interval.width / 2.0
        squares += (trial["rs"].value - chosen.truth) ** 2
    return Coverage(
        problem,
        n,
        repeats,
        level,
        {method: hits[method] / repeats for method in METHODS},
        {method: widths[method] / repeats for method in METHODS},
        critical(NormalPivot(), level) * np.sqrt(chosen.variance / n),
        float(np.mean(n * squares / repeats / chosen.variance)),
    )


def problem_names() -> list[str]:
    """Return the names of the problems, in the order of the study."""
    return list(_PROBLEMS)


def _streams(
    draw: Callable[[np.random.Generator, int], tuple[Array, Array]], recipe: Recipe
) -> Callable[[np.random.Generator, int, int], Iterator[Trial]]:
    """Return the trials of an SGD on a stream of samples."""
    kinds = {kind: replace(recipe, inference=kind, fit_intercept=False) for kind in METHODS}

    def trials(rng: np.random.Generator, n: int, repeats: int) -> Iterator[Trial]:
        for _ in range(repeats):
            burn_in = _burn_in(n)
            X, y = draw(rng, n + burn_in)
            yield {
                kind: AveragedSGD(X.shape[1], replace(its, burn_in=burn_in)).update(X, y).estimate()
                for kind, its in kinds.items()
            }

    return trials


def _burn_in(n: int) -> int:
    # The way from the start and the large first steps are no part of the limit. What they add to
    # the mean square dies out like n^-1/2 only: at n = 20,000 it would still be seen.
    return n // 4


def _paths(
    simulate: Callable[[np.random.Generator, int, int], tuple[Array, list[PlugIn]]],
    start: Array,
    together: int = 250,
) -> Callable[[np.random.Generator, int, int], Iterator[Trial]]:
    """Return the trials of paths that are simulated side by side, (n, runs, p), and stored."""

    def trials(rng: np.random.Generator, n: int, repeats: int) -> Iterator[Trial]:
        for first in range(0, repeats, together):
            path, moments = simulate(rng, n, min(together, repeats - first))
            for run, sums in enumerate(moments):
                own = path[:, run]
                scaled = RandomScaling(start).update(own).estimate()
                batches = BatchMeans(start).update(own).estimate()
                plug_in = sums.estimate(scaled.value)
                yield {"rs": scaled, "plug_in": plug_in, "batch_means": batches}

    return trials


_P = 5
_GAIN = Gain(a=0.5, alpha=0.505)


def _mean() -> Problem:
    """The mean of N(1, 1): x = 1, so that the gradient is β - y."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        return np.ones((n, 1)), 1.0 + rng.standard_normal(n)

    recipe = Recipe(loss="squared", gain=Gain(a=1.0, alpha=0.505))
    return Problem(np.ones(1), np.ones(1), _streams(draw, recipe))


def _linear() -> Problem:
    """Least squares, x ~ N(0, I_5), unit noise: H = S = I."""
    truth = np.arange(1, _P + 1) / _P

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, _P))
        return X, X @ truth + rng.standard_normal(n)

    return Problem(truth, np.ones(_P), _streams(draw, Recipe(loss="squared", gain=_GAIN)))


def _logistic() -> Problem:
    """Logistic regression, x ~ N(0, I_2): S = H = E[p(1-p)xxᵀ], by quadrature along θ*."""
    truth = np.array([0.5, -0.5])

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, 2))
        return X, np.where(rng.random(n) < expit(X @ truth), 1.0, -1.0)

    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    length = float(np.linalg.norm(truth))
    spread = expit(length * nodes) * expit(-length * nodes) * weights / weights.sum()
    along, across = float(spread @ nodes**2), float(spread.sum())
    direction = truth / length
    inverse = np.eye(2) / across
    inverse += np.outer(direction, direction) * (1.0 / along - 1.0 / across)
    recipe = Recipe(loss="logistic", gain=Gain(a=2.0, alpha=0.505))
    return Problem(truth, np.diagonal(inverse).copy(), _streams(draw, recipe))


def _quantile() -> Problem:
    """Median regression, x ~ N(0, I_5), unit normal noise: H = φ(0)·I, S = I/4."""
    truth = np.arange(1, _P + 1) / _P

    def draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        X = rng.standard_normal((n, _P))
        return X, X @ truth + rng.standard_normal(n)

    recipe = Recipe(loss="quantile", shape=0.5, gain=Gain(a=1.5, alpha=0.505))
    variance = np.full(_P, 0.25 * 2.0 * np.pi)
    return Problem(truth, variance, _streams(draw, recipe))


def _spsa() -> Problem:
    """SPSA on a noisy quadratic, ½(w - w*)ᵀQ(w - w*), constant width c, noise .5 a measurement.

    Two more measurements a step, at a second perturbation, estimate the Hessian for the plug-in
    (Spall 2000, eq. 2.2). S = σ²/(2c²)·I: the perturbations are ±1, so E[Δ⁻¹Δ⁻ᵀ] = I.
    """
    truth, Q = np.array([1.0, -0.5]), np.array([[2.0, 0.5], [0.5, 1.0]])
    sigma, c, gain = 0.5, 0.5, Gain(a=0.5, alpha=0.505)

    def loss(rng: np.random.Generator, w: Array) -> Array:
        gap = w - truth
        noise = sigma * rng.standard_normal(len(w))
        return np.asarray(0.5 * np.sum((gap @ Q) * gap, axis=1) + noise)

    def simulate(rng: np.random.Generator, n: int, runs: int) -> tuple[Array, list[PlugIn]]:
        steps = n + _burn_in(n)
        w, path = np.zeros((runs, 2)), np.empty((steps, runs, 2))
        gradients, hessians = np.empty((steps, runs, 2)), np.empty((steps, runs, 2, 2))
        rates = gain.array(steps)
        for k in range(steps):
            sign = rng.integers(0, 2, (2, runs, 2)) * 2.0 - 1.0
            up, down = loss(rng, w + c * sign[0]), loss(rng, w - c * sign[0])
            gradients[k] = ((up - down) / (2.0 * c))[:, None] / sign[0]
            over = loss(rng, w + c * sign[0] + c * sign[1])
            under = loss(rng, w - c * sign[0] + c * sign[1])
            second = ((over - up) - (under - down)) / (2.0 * c * c)
            outer = sign[0][:, :, None] * sign[1][:, None, :]  # 1/±1 is ±1
            hessians[k] = second[:, None, None] * (outer + np.swapaxes(outer, 1, 2)) / 2.0
            w = w - rates[k] * gradients[k]
            path[k] = w
        kept = slice(steps - n, None)
        moments = [PlugIn(2).update(hessians[kept, r], gradients[kept, r]) for r in range(runs)]
        return path[kept], moments

    inverse = np.linalg.inv(Q)
    variance = np.diagonal(inverse @ inverse) * sigma**2 / (2.0 * c**2)
    return Problem(truth, variance.copy(), _paths(simulate, np.zeros(2)))


def _td0() -> Problem:
    """TD(0) on a walk round three states with a jump home: Markov noise, tabular.

    At v* the temporal difference has mean 0 given the state, so noise is a martingale difference
    and the plug-in is right: A = D(I - γP), not symmetric, S = diag(d_s·Var(δ|s)).
    """
    size, discount = 3, 0.5
    P = 0.5 * np.roll(np.eye(size), 1, axis=1) + 0.3 * np.roll(np.eye(size), -1, axis=1)
    P[:, 0] += 0.2
    reward = np.linspace(-1.0, 1.0, size)  # of leaving a state; unit noise on top
    truth = np.asarray(np.linalg.solve(np.eye(size) - discount * P, reward))
    values, vectors = np.linalg.eig(P.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    slope = stationary[:, None] * (np.eye(size) - discount * P)
    later = P @ truth**2 - (P @ truth) ** 2
    noise = stationary * (1.0 + discount**2 * later)
    inverse = np.linalg.inv(slope)
    variance = np.asarray(np.diagonal(inverse @ np.diag(noise) @ inverse.T).copy())
    return Problem(truth, variance, _paths(_td0_paths(P, reward, discount), np.zeros(size)))


def _td0_paths(
    P: Array, reward: Array, discount: float
) -> Callable[[np.random.Generator, int, int], tuple[Array, list[PlugIn]]]:
    """Return the simulation of TD(0) on the chain P with these mean rewards."""
    size, gain = len(P), Gain(a=2.0, alpha=0.505, A=20.0)
    ladder = np.cumsum(P, axis=1)

    def simulate(rng: np.random.Generator, n: int, runs: int) -> tuple[Array, list[PlugIn]]:
        burn_in = _burn_in(n)
        every, state = np.arange(runs), np.zeros(runs, dtype=np.intp)
        v, mean = np.zeros((runs, size)), np.zeros((runs, size))
        path, rates = np.empty((n + burn_in, runs, size)), gain.array(n + burn_in)
        slopes, outer = np.zeros((runs, size, size)), np.zeros((runs, size, size))
        for k in range(n + burn_in):
            if k == burn_in:
                mean = v.copy()
            # The last rung may be an ulp short of 1.
            follow = np.minimum(np.sum(rng.random(runs)[:, None] > ladder[state], axis=1), size - 1)
            r = reward[state] + rng.standard_normal(runs)
            if k >= burn_in:
                miss = mean[every, state] - r - discount * mean[every, follow]
                outer[every, state, state] += miss**2
                slopes[every, state, state] += 1.0
                slopes[every, state, follow] -= discount
            v[every, state] -= rates[k] * (v[every, state] - r - discount * v[every, follow])
            path[k] = v
            if k >= burn_in:
                mean += (v - mean) / (k - burn_in + 1.0)
            state = follow
        moments = [PlugIn.from_sums(slopes[i], outer[i], n) for i in range(runs)]
        return path[burn_in:], moments

    return simulate


_PROBLEMS = {
    "mean": _mean,
    "linear": _linear,
    "logistic": _logistic,
    "quantile": _quantile,
    "spsa": _spsa,
    "td0": _td0,
}
