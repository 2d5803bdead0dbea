"""Confidence intervals of averaged SGD: counted on 200 streams, and beside the classical ones."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import norm, t

from drivetrain.approximation import Interval, SGDClassifier, SGDRegressor
from drivetrain.data import breast_cancer, diabetes
from drivetrain.gallery.page.draw import THIRD, panel
from drivetrain.gallery.page.palette import BLUE, INK, MUTED, ORANGE
from drivetrain.gallery.page.section import Figure, Number

Array = NDArray[np.float64]
STREAMS, LENGTH, TRUTH = 200, 5000, np.array([1.0, -0.5, 0.25])
METHODS = {"rs": "random scaling", "plug_in": "plug-in", "batch_means": "batch means"}
FEATURES = ("mean radius", "mean texture", "mean smoothness", "mean concavity", "mean symmetry")
PASSES = {"diabetes": 10_000, "tumours": 2_000}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Coefficients with 95 % intervals, ours and the classical ones, of the same rows."""

    names: tuple[str, ...]
    ours: Array
    ours_half: Array
    classical: Array
    classical_half: Array


def streams(seed: int) -> dict[str, Array]:
    """Return the intervals of the first coefficient, (streams, 2), for each method."""
    found: dict[str, list[Interval]] = {method: [] for method in METHODS}
    for rng in np.random.default_rng(seed).spawn(STREAMS):
        x = rng.standard_normal((LENGTH, len(TRUTH)))
        y = x @ TRUTH + rng.standard_normal(LENGTH)
        for method in METHODS:
            model = SGDRegressor(inference=method, fit_intercept=False, shuffle=False, eta0=1.0)
            found[method].append(model.fit(x, y).conf_int(0.95))
    return {method: np.array([i.array()[0] for i in each]) for method, each in found.items()}


def fit_diabetes(seed: int) -> Fit:
    """Fit the disease's progress by averaged SGD and by ordinary least squares."""
    data = diabetes()
    x, y = _standard(data.features), data.target
    passes = PASSES["diabetes"]
    model = SGDRegressor(
        max_iter=passes, inference="plug_in", burn_in=passes * len(y) // 20, random_state=seed
    ).fit(x, y)
    full = np.column_stack([x, np.ones(len(y))])
    solution, rest, _, _ = np.linalg.lstsq(full, y, rcond=None)
    free = len(y) - full.shape[1]
    error = np.sqrt(float(rest[0]) / free * np.diagonal(np.linalg.inv(full.T @ full)))
    reach = float(t.ppf(0.975, free))
    return _fit(data.feature_names, model, np.asarray(solution), np.asarray(reach * error))


def fit_tumours(seed: int) -> Fit:
    """Fit the odds of malignancy by averaged SGD and by maximum likelihood."""
    data = breast_cancer()
    columns = [data.feature_names.index(name) for name in FEATURES]
    x, y = _standard(data.features[:, columns]), (data.target == 0).astype(int)
    passes = PASSES["tumours"]
    model = SGDClassifier(
        max_iter=passes, inference="plug_in", burn_in=passes * len(y) // 20, random_state=seed
    ).fit(x, y)
    full, solution = np.column_stack([x, np.ones(len(y))]), np.zeros(len(FEATURES) + 1)
    for _ in range(30):
        p = 1 / (1 + np.exp(-full @ solution))
        information = full.T @ (full * (p * (1 - p))[:, None])
        solution = solution + np.linalg.solve(information, full.T @ (y - p))
    error = np.sqrt(np.diagonal(np.linalg.inv(information)))
    return _fit(FEATURES, model, solution, float(norm.ppf(0.975)) * error)


def _standard(features: Array) -> Array:
    return np.asarray((features - features.mean(axis=0)) / features.std(axis=0))


def _fit(
    names: tuple[str, ...], model: SGDRegressor | SGDClassifier, solution: Array, half: Array
) -> Fit:
    interval = model.conf_int(0.95)
    kept = len(names)  # the intercept comes last and is on another scale
    return Fit(
        names=names,
        ours=(interval.low + interval.high)[:kept] / 2,
        ours_half=interval.width[:kept] / 2,
        classical=solution[:kept],
        classical_half=half[:kept],
    )


def figure(seed: int) -> Figure:
    """Return the figure: coverage counted, then two real data sets beside classical intervals."""
    intervals = streams(seed)
    progress, tumours = fit_diabetes(seed), fit_tumours(seed)
    patients, cells = diabetes(), breast_cancer()
    return Figure(
        title="Intervals that cover what they promise, from a single pass over a stream",
        panels=(
            *(_coverage_panel(method, ends) for method, ends in intervals.items()),
            _forest_panel(progress, "Diabetes: progress in a year", "least squares"),
            _forest_panel(tumours, "Tumours: log odds of malignant", "maximum likelihood"),
        ),
        caption=f"Above: {STREAMS} streams of {LENGTH:,} samples of a linear model; a line is the "
        "95 % interval of its first coefficient, made while the stream runs by; those that miss "
        "the truth are orange. Below: coefficients of standardised measurements by averaged SGD "
        f"with plug-in intervals ({PASSES['diabetes']:,} and {PASSES['tumours']:,} passes of rows "
        "drawn at random), beside the classical estimate of the same rows.",
        numbers=_numbers(intervals, progress, tumours),
        sources=(
            f"Diabetes: {patients.source}. Licence: {patients.licence}.",
            f"Tumours: {cells.source}. Licence: {cells.licence}.",
        ),
    )


def _numbers(intervals: dict[str, Array], progress: Fit, tumours: Fit) -> tuple[Number, ...]:
    rows = []
    for method, ends in intervals.items():
        rows.append(
            Number(
                what=f"coverage, {METHODS[method]}",
                ours=f"{100 * _covers(ends).mean():.1f} %",
                reference="95 %",
                source=f"nominal; {STREAMS} streams have a standard error of 1.5 points",
            )
        )
    for name, fit, peer in (
        ("diabetes", progress, "ordinary least squares"),
        ("tumours", tumours, "maximum likelihood, Newton"),
    ):
        off = np.abs(fit.ours - fit.classical) / fit.classical_half
        rows.append(
            Number(
                what=f"{name}: largest distance, in half intervals",
                ours=f"{off.max():.2f}",
                reference="0",
                source=peer,
            )
        )
        rows.append(
            Number(
                what=f"{name}: median ratio of widths",
                ours=f"{np.median(fit.ours_half / fit.classical_half):.2f}",
                reference="1",
                source=f"{peer}; ours does not assume equal variances",
            )
        )
    return tuple(rows)


def _covers(ends: Array) -> NDArray[np.bool_]:
    return np.asarray((ends[:, 0] <= TRUTH[0]) & (TRUTH[0] <= ends[:, 1]))


def _coverage_panel(method: str, ends: Array) -> str:
    hit = _covers(ends)

    def paint(ax: Axes) -> None:
        place = np.arange(len(ends))
        for inside, colour in ((True, BLUE), (False, ORANGE)):
            rows = hit == inside
            ax.vlines(
                place[rows], *ends[rows].T, color=colour, lw=1, alpha=0.9 if not inside else 0.6
            )
        ax.axhline(TRUTH[0], color=INK, lw=1)
        ax.set(xlim=(-2, len(ends) + 1), ylim=(0.9, 1.1), xticks=[], yticks=[0.9, 1, 1.1])
        ax.spines["bottom"].set_visible(False)
        ax.set_title(f"{METHODS[method].capitalize()}: {hit.sum()} of {len(hit)}")

    return panel(
        paint,
        alt=f"{hit.sum()} of {len(hit)} intervals by {METHODS[method]} cover the truth.",
        width=THIRD,
        height=200,
    )


def _forest_panel(fit: Fit, title: str, peer: str) -> str:
    def paint(ax: Axes) -> None:
        place = np.arange(len(fit.names))
        ax.axvline(0, color=MUTED, lw=1)
        both = (
            (-0.17, fit.ours, fit.ours_half, BLUE, "o"),
            (0.17, fit.classical, fit.classical_half, MUTED, "s"),
        )
        for shift, value, half, colour, marker in both:
            ax.hlines(place + shift, value - half, value + half, color=colour, lw=1.6)
            ax.plot(value, place + shift, marker, color=colour, ms=4.5)
        ax.set_yticks(place, [name.removeprefix("mean ") for name in fit.names])
        ax.set_ylim(len(fit.names) - 0.4, -0.6)
        ax.grid(axis="y", visible=False)
        ax.set_title(title)
        ax.text(0, -0.15, "● averaged SGD, 95 %", color=BLUE, transform=ax.transAxes)
        ax.text(1, -0.15, f"■ {peer}", color=MUTED, ha="right", transform=ax.transAxes)

    gap = np.max(np.abs(fit.ours - fit.classical) / fit.classical_half)
    return panel(
        paint,
        alt=f"{title}: ours and {peer} differ by at most {gap:.2f} of a half interval.",
        height=330,
    )
