"""Stochastic approximation: does the error of a search fall as theory says, and as fast?"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from drivetrain.approximation.gains import Gain
from drivetrain.approximation.processes import RewardChain, random_walk, td0
from drivetrain.approximation.search import (
    Box,
    Study,
    Truncation,
    averaged_limit,
    difference_limit,
    linear_mean_square,
    robbins_monro_limit,
    simulate,
    simulate_minimum,
    spsa,
)
from drivetrain.bench.harness.case import Case, Contender, Measure, Race

REPLICAS = 10_000
SIXTH = 1.0 / 6.0
SEED = 1


def cases() -> Iterator[Case]:
    """Yield the mean squares against theory, their slopes, divergence and its cures, coverage."""
    for rate in _rates():
        measured = cache(rate.mean_square)  # both rows want the same long run
        yield rate.against_theory(measured)
        yield rate.slope(measured)
    yield _slow_gain()
    yield from _cubic()
    yield _spsa_race("spsa-one", "one SPSA search of 2000 steps in 5-d", 1, 2000)
    yield _spsa_race("spsa-study", "200 SPSA searches of 200 steps in 5-d, side by side", 200, 200)
    for chain, name in ((random_walk(5), "walk"), (_sticky(), "sticky")):
        yield Measure(
            name=f"td-coverage-{name}",
            what=f"coverage of 95 % intervals of TD(0), Markov noise ({name} chain)",
            value=partial(_td_coverage, chain),
            low=0.93,
            high=0.965,
            detail=lambda: (
                "n = 20000, R = 2000, the state farthest from 0.95; standard error 0.005"
            ),
        )


@dataclass(frozen=True)
class _Rate:
    """A search, the exponent its mean square falls by, and the constant theory gives."""

    name: str
    what: str
    run: Callable[[int], Study]
    steps: int
    exponent: float
    constant: float

    def against_theory(self, measured: Callable[[int], float]) -> Measure:
        """n^exponent · MSE over its limit."""
        power = "n" if self.exponent == 1.0 else "n^(2/3)"
        return Measure(
            name=f"mse-{self.name}",
            what=f"{power}·MSE / theory of {self.what}",
            value=lambda: measured(self.steps) * self.steps**self.exponent / self.constant,
            low=0.95,
            high=1.05,
            aim=1.0,
            detail=lambda: (
                f"n = {self.steps}, R = {REPLICAS}, standard error "
                f"{100 * math.sqrt(2 / REPLICAS):.1f} %; limit {self.constant:.4g}"
            ),
        )

    def slope(self, measured: Callable[[int], float]) -> Measure:
        """The slope of log MSE over log n, from a tenth of the steps to all."""
        return Measure(
            name=f"slope-{self.name}",
            what=f"log-log slope of the MSE of {self.what}",
            value=lambda: math.log10(measured(self.steps) / measured(self.steps // 10)),
            low=-self.exponent - 0.03,
            high=-self.exponent + 0.03,
            aim=-self.exponent,
            detail=lambda: f"from n = {self.steps // 10} to {self.steps}, R = {REPLICAS}",
        )

    def mean_square(self, steps: int) -> float:
        """The mean over searches of the squared distance to the root, which is at 0."""
        x = self.run(steps).x.reshape(REPLICAS, -1)
        return float(np.mean(np.sum(x * x, axis=1)))


def _rates() -> Iterator[_Rate]:
    for a in (1.0, 2.0):
        limit = robbins_monro_limit(a, slope=1.0, noise=1.0).mean_square
        what = f"Robbins-Monro, a_k = {a:g}/k"
        yield _Rate(f"rm-{a:g}", what, partial(_line, gain=Gain(a)), 10_000, 1.0, limit)
    limit = averaged_limit(slope=1.0, noise=1.0).mean_square
    run = partial(_line, gain=Gain(1.0, 0.7), average="polyak")
    yield _Rate("averaged", "Polyak-Ruppert averages, a_k = k^-0.7", run, 20_000, 1.0, limit)
    width = Gain(1.0, SIXTH)
    limit = difference_limit(1.0, 1.0, slope=1.0, noise=1.0).mean_square
    run_kw = partial(_bowl, method="kw", width=width)
    what = "Kiefer-Wolfowitz, 1/k and k^-1/6"
    yield _Rate("kw", what, run_kw, 5_000, 2 / 3, limit)
    limit = sum(difference_limit(1.0, 1.0, slope=h, noise=1.0).mean_square for h in (1.0, 2.0))
    run_spsa = partial(_valley, method="spsa", width=width)
    yield _Rate("spsa", "SPSA in 2-d, 1/k and k^-1/6", run_spsa, 5_000, 2 / 3, limit)


def _line(steps: int, **options: Any) -> Study:
    return simulate(lambda w: w, 0.0, steps=steps, replicas=REPLICAS, random_state=SEED, **options)


def _bowl(steps: int, **options: Any) -> Study:
    return _minimum(lambda w: 0.5 * w * w, 0.0, steps, options)


def _valley(steps: int, **options: Any) -> Study:
    return _minimum(lambda w: 0.5 * w[..., 0] ** 2 + w[..., 1] ** 2, np.zeros(2), steps, options)


def _minimum(f: Callable[[Any], Any], x0: Any, steps: int, options: dict[str, Any]) -> Study:
    return simulate_minimum(
        f, x0, steps=steps, replicas=REPLICAS, gain=Gain(), noise_and_seed=(1.0, SEED), **options
    )


def _slow_gain() -> Measure:
    steps, gain = 10_000, Gain(0.6)

    def value() -> float:
        exact = linear_mean_square(gain, steps, slope=1.0, noise=1.0)[-1]
        return float(np.mean(_line(steps, gain=gain).x ** 2) / exact)

    return Measure(
        name="mse-rm-0.6",
        what="MSE / exact finite-n MSE of Robbins-Monro, a_k = 0.6/k (the limit comes like n^-0.2)",
        value=value,
        low=0.95,
        high=1.05,
        aim=1.0,
        detail=lambda: f"n = {steps}, R = {REPLICAS}",
    )


def _cubic() -> Iterator[Measure]:
    yield Measure(
        name="cubic-diverged",
        what="of 200 seeds, how many diverge on w^3 - 5 with a_k = 1/k",
        value=lambda: float(_cube(50, limit=1e6).diverged.sum()),
        low=199,
        high=199,
    )
    for name, cure in (
        ("projection", {"project": Box(-3, 3)}),
        ("chen", {"truncate": Truncation()}),
    ):
        yield Measure(
            name=f"cubic-{name}",
            what=f"of 200 seeds, how many come within 0.03 of the root with {name}",
            value=partial(_cured, cure),
            low=200,
            high=200,
        )


def _cube(steps: int, **options: Any) -> Study:
    return simulate(lambda w: w * w * w - 5.0, 0.0, steps=steps, replicas=range(200), **options)


def _cured(options: dict[str, Any]) -> float:
    return float(np.sum(np.abs(_cube(2000, **options).x - 5.0 ** (1.0 / 3.0)) < 0.03))


SCALES = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def _spsa_race(name: str, what: str, count: int, steps: int) -> Race:
    rng = np.random.default_rng(SEED)

    def noisy(w: Any) -> float:
        return float(SCALES @ ((w - 1.0) * (w - 1.0))) + 0.1 * rng.standard_normal()

    def noisyopt() -> Contender:
        from drivetrain.bench.peers.noisyopt import searches

        run = searches(noisy, 5, steps=steps, count=count, a=0.02, c=0.3)
        return Contender(name="noisyopt", run=run)

    return Race(
        name=name,
        what=what,
        ours=Contender(name="drivetrain", run=partial(_our_searches, noisy, count, steps)),
        peers=(noisyopt,),
        equal=_as_good,
        work=(float(count * steps), "step"),
        repeats=9,
    )


def _our_searches(f: Callable[[Any], float], count: int, steps: int) -> Any:
    gain, width = Gain(0.02, 0.602, 0.01 * steps), Gain(0.3, 0.101)
    if count == 1:
        one = spsa(f, np.zeros(5), steps=steps, gain=gain, width=width, random_state=SEED)
        return np.atleast_2d(one.x)
    return simulate_minimum(
        lambda w: ((w - 1.0) * (w - 1.0)) @ SCALES, np.zeros(5), steps=steps, replicas=count,
        method="spsa", gain=gain, width=width, noise_and_seed=(0.1, SEED),
    ).x  # fmt: skip


def _as_good(ours: Any, theirs: Any) -> str:
    # Directions and noise are drawn otherwise, so only the law of the error can agree.
    errors = [np.sqrt(np.mean((np.asarray(x) - 1.0) ** 2)) for x in (ours, theirs)]
    bound = 1.25 if len(ours) > 1 else 4.0
    assert 1.0 / bound < errors[0] / errors[1] < bound, f"errors {errors[0]:.3g}, {errors[1]:.3g}"
    return f"root mean square errors {errors[0]:.3g} and {errors[1]:.3g}, other random directions"


def _sticky() -> RewardChain:
    return RewardChain([[0.9, 0.1], [0.1, 0.9]], [1.0, -1.0], 0.5)


def _td_coverage(chain: RewardChain) -> float:
    truth, live = chain.values(), ~np.asarray(chain.terminal)
    hits = np.zeros(int(live.sum()))
    for seed in range(2000):
        learned = td0(chain, steps=20_000, average="tail", random_state=seed)
        hits += learned.ci(0.95).contains(truth)[live]
    coverage = hits / 2000
    return float(coverage[np.argmax(np.abs(coverage - 0.95))])
