"""Exact Shapley values of a sample of rows: which features move predictions, and which way."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from drivetrain.boosting.linear.booster import LinearBooster
from drivetrain.boosting.tables import Model
from drivetrain.gallery.boosting_report.subject import Subject, brief, sample, short
from drivetrain.gallery.page.draw import FULL, dots, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, GOLD, INK, MUTED, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure, Number
from drivetrain.trees.shap.explainer import Explainer

Floats = NDArray[np.float64]
ROWS, SHOWN, SWARMS = 600, 14, 3
#: From low values to high: two inks, fading towards the middle.
_FIFTHS = ((BLUE, 1.0), (BLUE, 0.55), (AXIS, 1.0), (ORANGE, 0.55), (ORANGE, 1.0))
_GROUPS = (BLUE, ORANGE, TEAL, PURPLE, GOLD, MUTED)


def explained(model: Model, x: NDArray[np.float32], *, threads: int = 1) -> Floats:
    """Return the Shapley values of rows, (n, groups, F + 1)."""
    if isinstance(model, LinearBooster):
        return np.asarray(model.contributions(x), np.float64)
    base = model.objective.to_margin(model.base_score)
    return Explainer(model.used.scaled, threads=threads).values(x, base)


def figure(subject: Subject, seed: int) -> Figure:
    """Return a swarm of dots, a row and feature each, for one output or the commonest few."""
    x = sample(subject.held, ROWS, seed)
    values = explained(subject.model, x)
    off = np.abs(values.sum(axis=2) - subject.model.margin(x)).max()
    outputs = values.shape[1]
    names = subject.names
    kinds = [subject.is_words(f) for f in range(len(names))]
    chosen = _outputs(subject, outputs)
    panels = [bars(names, values, _labels(subject, outputs))] if outputs > 1 else []
    panels += [swarm(names, values[:, k, :-1], x, kinds, title=title) for k, title in chosen]
    first = names[int(np.abs(values[:, :, :-1]).mean(axis=(0, 1)).argmax())]
    return Figure(
        title=f"{first} moves predictions most",
        panels=tuple(panels),
        caption=f"Exact Shapley values of {len(x):,} held-out rows, a dot each: how far a feature "
        "moved the margin from its mean, right for up. Blue dots have low values of the feature, "
        "orange high ones, grey middle ones; purple are words, rings are missing.",
        numbers=(
            Number(
                what="largest difference of a row's sum to its margin",
                ours=f"{off:.1e}",
                reference="0",
                source="additivity; margins are float32 sums over the trees",
            ),
        ),
    )


def _labels(subject: Subject, outputs: int) -> tuple[str, ...]:
    known = subject.class_names
    return known if len(known) == outputs else tuple(f"output {k}" for k in range(outputs))


def _outputs(subject: Subject, outputs: int) -> list[tuple[int, str]]:
    if outputs == 1:
        towards = f"towards {subject.class_names[1]}" if subject.task == "classes" else ""
        return [(0, towards)]
    if subject.task != "classes":
        middle = outputs // 2
        return [(middle, f"output {middle}")]
    counts = np.bincount(subject.held.target.astype(np.int64), minlength=outputs)
    commonest = np.argsort(-counts, kind="stable")[:SWARMS]
    return [(int(k), f"towards {brief(subject.class_names[k])}") for k in sorted(commonest)]


def swarm(
    names: Sequence[str],
    values: Floats,
    x: NDArray[np.float32],
    words: Sequence[bool],
    *,
    title: str = "",
    shown: int = SHOWN,
    width: int = FULL,
) -> str:
    """Return dots of each row's values, a line a feature, the strongest first.

    Args:
        names: Features.
        values: Shapley values, (n, F).
        x: What the features were, (n, F).
        words: Which features are words, whose numbers have no order.
        title: Over the panel.
        shown: Most features drawn.
        width: In CSS pixels.
    """
    strength = np.abs(values).mean(axis=0)
    order = [int(f) for f in np.argsort(-strength, kind="stable")[:shown] if strength[f] > 0]
    order = order or [0]
    bend = _bend(values[:, order])
    seen = values if bend is None else np.arcsinh(values / bend)
    span = max(float(np.ptp(seen[:, order])), 1e-9)

    def paint(ax: Axes) -> None:
        for place, f in enumerate(order):
            _dots(ax, values[:, f], place + _spread(seen[:, f], span), _level(x[:, f]), words[f])
        ax.axvline(0, color=AXIS, lw=1, zorder=0.5)
        ax.set_yticks(range(len(order)), [brief(names[f]) for f in order], color=INK)
        ax.set(ylim=(len(order) - 0.4, -0.6))
        _axis(ax, values[:, order], bend)
        ax.grid(axis="y", visible=False)
        ax.set_title(title)
        _legend(ax, any(words[f] for f in order))

    said = ", ".join(f"{names[f]} {strength[f]:.3g}" for f in order[:5])
    height = 86 + 31 * len(order)
    return panel(paint, alt=f"Mean absolute Shapley values: {said}.", width=width, height=height)


def _dots(ax: Axes, values: Floats, across: Floats, level: NDArray[np.int64], words: bool) -> None:
    for k, (ink, alpha) in enumerate(_FIFTHS):
        own = level == k
        if words:
            ink, alpha = PURPLE, 0.8
        dots(ax, values[own], across[own], color=ink, alpha=alpha, size=3.6)
    absent = level < 0
    if absent.any():
        ax.plot(values[absent], across[absent], "o", mfc="none", mec=MUTED, ms=3.4)


def _axis(ax: Axes, values: Floats, bend: float | None) -> None:
    seen = values if bend is None else np.arcsinh(values / bend)
    pad = 0.03 * float(np.ptp(seen)) or 1.0
    ends = (float(seen.min()) - pad, float(seen.max()) + pad)
    if bend is None:
        ax.set(xlim=ends, xlabel="change of the margin")
        return
    ax.set_xscale("asinh", linear_width=bend)
    ax.set_xlim(*(bend * np.sinh(ends)))
    places = _round_places(values, bend)
    ax.set_xticks(places, [short(place) for place in places])
    ax.set_xlabel("change of the margin (the axis bends, so that weak features show)")


def _bend(values: Floats) -> float | None:
    """Return the width of the straight part of the axis; None for a straight one."""
    reach = np.quantile(np.abs(values), 0.98, axis=0)
    typical = float(np.median(reach))
    # A strong feature would leave all others a line.
    return typical / 2 if 0 < typical * 12 < reach.max() else None


def _round_places(values: Floats, bend: float) -> list[float]:
    """Return 0 and powers of ten on both sides, from about the straight part to the ends."""
    first = 10.0 ** np.ceil(np.log10(bend))
    places = [0.0]
    for sign, end in ((-1, -values.min()), (1, values.max())):
        step = first
        while step <= end:
            places.append(float(sign * step))
            step *= 10
    return sorted(places)


def _legend(ax: Axes, words: bool) -> None:
    marks = [("low", BLUE), ("high", ORANGE), *([("words", PURPLE)] if words else [])]
    ax.legend(
        handles=[Patch(color=ink, label=word) for word, ink in marks], loc="lower right", ncols=3,
        frameon=False, bbox_to_anchor=(1, 1), borderaxespad=0.2, handlelength=0.8, handleheight=0.8,
        fontsize=11, labelcolor=MUTED, columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip


def _level(column: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the fifth of a value between the column's 5th and 95th percentile; -1 if missing."""
    known = column[~np.isnan(column)]
    if not len(known):
        return np.full(len(column), -1)
    low, high = np.percentile(known, [5, 95])
    if high <= low:
        low, high = float(known.min()), float(known.max())
    share = (np.nan_to_num(column) - low) / ((high - low) or 1.0)
    fifth = np.clip((share * 5).astype(np.int64), 0, 4)
    return np.where(np.isnan(column), -1, fifth)


def _spread(values: Floats, span: float, height: float = 0.4) -> Floats:
    """Return offsets that keep dots of the same value apart: the i-th of a bin lies i steps out."""
    place = np.floor((values - values.min()) / span * 110).astype(np.int64)
    order = np.argsort(place, kind="stable")
    ranks = np.empty(len(values), np.int64)
    counts = np.bincount(place)
    starts = np.cumsum(counts) - counts
    ranks[order] = np.arange(len(values)) - starts[place[order]]
    out = np.where(ranks % 2, (ranks + 1) // 2, -(ranks // 2)).astype(np.float64)
    return out * height / max(float(np.abs(out).max()), 6.0)


def bars(names: Sequence[str], values: Floats, labels: Sequence[str], *, shown: int = SHOWN) -> str:
    """Return bars of mean absolute values, a part an output.

    Args:
        names: Features.
        values: (n, groups, F + 1).
        labels: A name an output.
        shown: Most features drawn.
    """
    strength = np.abs(values[:, :, :-1]).mean(axis=0)
    order = np.argsort(-strength.sum(axis=0), kind="stable")[:shown]
    few = len(labels) <= len(_GROUPS)

    def paint(ax: Axes) -> None:
        begin = np.zeros(len(order))
        for k, label in enumerate(labels):
            ink = _GROUPS[k] if few else BLUE
            part = strength[k, order]
            ax.barh(
                range(len(order)),
                part,
                left=begin,
                color=ink,
                height=0.66,
                lw=0,
                label=brief(label),
            )
            begin += part
        ax.set_yticks(range(len(order)), [brief(names[f]) for f in order], color=INK)
        ax.set(ylim=(len(order) - 0.4, -0.6), xlabel="mean absolute change of the margin")
        ax.grid(axis="y", visible=False)
        if few and len(labels) > 1:
            ax.legend(loc="lower right", frameon=False, fontsize=11, labelcolor=MUTED)

    said = ", ".join(f"{names[f]} {strength[:, f].sum():.3g}" for f in order[:5])
    return panel(
        paint, alt=f"Mean absolute Shapley values: {said}.", width=FULL, height=70 + 22 * len(order)
    )
