"""How good the model is: several numbers a task, beside predicting the same for every row."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from drivetrain.boosting.dataset import Dataset
from drivetrain.gallery.boosting_report.subject import Subject
from drivetrain.gallery.page.section import Figure, Table

Floats = NDArray[np.float64]
#: Predictions and rows to a number.
Score = Callable[[Floats, Dataset], float]
MOST = 50_000
_CONSTANTS = {"classes": "the share of each class.", "levels": "the target's own quantiles."}


def figure(subject: Subject) -> Figure:
    """Return the table of scores on the fitted rows, the held-out rows, and of a constant."""
    scores = _scores(subject)
    held, train = subject.held, _first(subject.train)
    constant = np.repeat(_constant(subject)[None], len(held), axis=0) if scores else np.empty(0)
    fitted = subject.predict(train.x)
    rows = []
    for name, (score, more) in scores.items():
        three = (score(subject.answers, held), score(fitted, train), score(constant, held))
        arrow = {True: " ↑", False: " ↓", None: ""}[more]
        rows.append((f"{name}{arrow}", *(_shown(value) for value in three)))
    rows += _watched(subject) if not scores else []
    first = next(iter(scores), "")
    best = _shown(scores[first][0](subject.answers, held)) if scores else ""
    return Figure(
        title=f"{first} {best} on {len(held):,} rows held out"
        if scores
        else f"{len(held):,} rows held out",
        caption=f"Held-out rows: {subject.how or 'given'}. They chose the number of rounds, so "
        "their numbers are a little too good; a table that nothing was chosen by is the last "
        "word. An arrow says which way is better. A constant predicts the same for every row: "
        + _CONSTANTS.get(subject.task, "the mean of the target."),
        table=Table(
            header=(
                "number",
                f"held out ({len(held):,})",
                f"fitted ({len(train):,})"
                if len(train) == len(subject.train)
                else f"fitted ({len(train):,} of {len(subject.train):,})",
                "a constant, held out",
            ),
            rows=tuple(rows),
            note=_counts(subject),
        ),
    )


def _watched(subject: Subject) -> list[tuple[str, ...]]:
    """Return the watched metrics at the last round in use, where a task has no scores here."""
    if len(subject.history) < 2:
        return []
    fitted, *_, held = subject.history
    rows: list[tuple[str, ...]] = []
    for metric, values in subject.history[held].items():
        at = min(len(subject.model), len(values)) - 1
        rows.append((metric, _shown(values[at]), _shown(subject.history[fitted][metric][at]), "–"))
    return rows


def _shown(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.5g}"


def _first(data: Dataset) -> Dataset:
    if len(data) <= MOST:
        return data
    return data.take(np.sort(np.random.default_rng(0).permutation(len(data))[:MOST]))


def _counts(subject: Subject) -> str:
    if subject.task != "classes":
        return ""
    counts = np.bincount(subject.held.target.astype(np.int64), minlength=len(subject.class_names))
    shown = [f"{name} {count:,}" for name, count in zip(subject.class_names, counts)][:12]
    return f"Rows held out of each class: {', '.join(shown)}{' …' if len(counts) > 12 else ''}."


def _constant(subject: Subject) -> Floats:
    train = subject.train
    if subject.task == "classes":
        codes = train.target.astype(np.int64)
        shares = np.bincount(codes, train.weight, minlength=len(subject.class_names))
        return np.asarray(shares / shares.sum())
    if subject.task == "levels":
        return np.quantile(train.target, _levels(subject))
    mean = np.average(train.labels.astype(np.float64), axis=0, weights=train.weight)
    return np.broadcast_to(mean, subject.answers.shape[1]).astype(np.float64)


def _levels(subject: Subject) -> Floats:
    alphas = getattr(subject.model.objective, "alphas", None)
    count = subject.answers.shape[1]
    given = np.arange(1, count + 1) / (count + 1) if alphas is None else np.asarray(alphas)
    return given.astype(np.float64)


def _scores(subject: Subject) -> dict[str, tuple[Score, bool | None]]:
    count = subject.answers.shape[1]
    if subject.task == "classes":
        return _two_classes() if count == 2 else _many_classes(count)
    if subject.task == "levels":
        return _of_levels(_levels(subject))
    if subject.task == "number":
        return _numbers(subject.model.objective.name)
    return {}


def _weighted(
    function: Callable[..., float], *, of: Callable[[Floats], Floats], **given: object
) -> Score:
    def score(p: Floats, data: Dataset) -> float:
        try:
            return float(function(data.target, of(p), sample_weight=data.weight, **given))
        except ValueError:
            # One class only, or labels the number is not defined for.
            return float("nan")

    return score


def _two_classes() -> dict[str, tuple[Score, bool | None]]:
    def second(p: Floats) -> Floats:
        return p[:, 1]

    def side(p: Floats) -> Floats:
        return (p[:, 1] > 0.5).astype(np.float64)

    return {
        "log loss": (_weighted(metrics.log_loss, of=second, labels=[0, 1]), False),
        "area under ROC": (_area(metrics.roc_auc_score), True),
        "average precision": (_area(metrics.average_precision_score), True),
        "Brier score": (_weighted(metrics.brier_score_loss, of=second), False),
        "accuracy": (_weighted(metrics.accuracy_score, of=side), True),
        "balanced accuracy": (_balanced(side), True),
        "F1 of the second class": (_weighted(metrics.f1_score, of=side, zero_division=0), True),
        "Matthews correlation": (_weighted(metrics.matthews_corrcoef, of=side), True),
    }


def _area(function: Callable[..., float]) -> Score:
    def score(p: Floats, data: Dataset) -> float:
        if len(np.unique(data.target)) < 2:
            return float("nan")
        return float(function(data.target, p[:, 1], sample_weight=data.weight))

    return score


def _balanced(chosen: Callable[[Floats], Floats]) -> Score:
    def score(p: Floats, data: Dataset) -> float:
        said, target = chosen(p), data.target
        return float(np.mean([(said[target == k] == k).mean() for k in np.unique(target)]))

    return score


def _many_classes(count: int) -> dict[str, tuple[Score, bool | None]]:
    def likeliest(p: Floats) -> Floats:
        return p.argmax(axis=1).astype(np.float64)

    def loss(p: Floats, data: Dataset) -> float:
        own = p[np.arange(len(p)), data.target.astype(np.int64)]
        return float(np.average(-np.log(np.maximum(own, 1e-16)), weights=data.weight))

    def among(p: Floats, data: Dataset) -> float:
        own = p[np.arange(len(p)), data.target.astype(np.int64)][:, None]
        return float(np.average((p > own).sum(axis=1) < 3, weights=data.weight))

    found: dict[str, tuple[Score, bool | None]] = {
        "log loss": (loss, False),
        "accuracy": (_weighted(metrics.accuracy_score, of=likeliest), True),
        "balanced accuracy": (_balanced(likeliest), True),
        "F1, mean of classes": (
            _weighted(metrics.f1_score, of=likeliest, average="macro", zero_division=0),
            True,
        ),
    }
    if count > 4:
        found["right class among the first three"] = (among, True)
    return found


def _numbers(objective: str) -> dict[str, tuple[Score, bool | None]]:
    def one(p: Floats) -> Floats:
        return p[:, 0]

    def bias(p: Floats, data: Dataset) -> float:
        return float(np.average(p[:, 0] - data.target, weights=data.weight))

    def far(p: Floats, data: Dataset) -> float:
        return float(np.quantile(np.abs(p[:, 0] - data.target), 0.95))

    found = {
        "root mean squared error": (_weighted(metrics.root_mean_squared_error, of=one), False),
        "mean absolute error": (_weighted(metrics.mean_absolute_error, of=one), False),
        "median absolute error": (_weighted(metrics.median_absolute_error, of=one), False),
        "95 % of rows are off by at most": (far, False),
        "R², share of variance explained": (_weighted(metrics.r2_score, of=one), True),
        "mean of prediction less target": (bias, None),
    }
    power = {"count:poisson": 1.0, "reg:gamma": 2.0, "reg:tweedie": 1.5}.get(objective)
    if power is not None:
        deviance = _weighted(metrics.mean_tweedie_deviance, of=one, power=power)
        found = {f"mean deviance, power {power:g}": (deviance, False), **found}
    return found


def _of_levels(levels: Floats) -> dict[str, tuple[Score, bool | None]]:
    found: dict[str, tuple[Score, bool | None]] = {}
    for k, alpha in enumerate(levels):

        def loss(p: Floats, data: Dataset, k: int = k, alpha: float = float(alpha)) -> float:
            off = data.target - p[:, k]
            return float(
                np.average(np.maximum(alpha * off, (alpha - 1) * off), weights=data.weight)
            )

        def below(p: Floats, data: Dataset, k: int = k) -> float:
            return float(np.average(data.target <= p[:, k], weights=data.weight))

        found[f"pinball loss at {alpha:g}"] = (loss, False)
        found[f"share of targets at or below level {alpha:g}"] = (below, None)
    if len(levels) > 1:

        def width(p: Floats, data: Dataset) -> float:
            return float(np.mean(p[:, -1] - p[:, 0]))

        found["mean width between the outer levels"] = (width, None)
    return found
