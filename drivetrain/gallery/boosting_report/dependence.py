"""What the model makes of a feature by itself: the mean over rows, and rows one by one."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from drivetrain.boosting.booster import Booster
from drivetrain.gallery.boosting_report.importances import measured
from drivetrain.gallery.boosting_report.subject import Subject, brief, sample
from drivetrain.gallery.page.draw import THIRD, panel
from drivetrain.gallery.page.palette import AXIS, BLUE, GOLD, INK, MUTED, ORANGE, PURPLE, TEAL
from drivetrain.gallery.page.section import Figure

Floats = NDArray[np.float64]
ROWS, LINES, POINTS, SHOWN, WORDS = 240, 36, 28, 6, 9
_INKS = (BLUE, ORANGE, TEAL, PURPLE, GOLD, MUTED)


def figure(subject: Subject, seed: int) -> Figure | None:
    """Return a panel a feature, those of greatest gain; None where nothing was split."""
    gain = _strength(subject)
    top = [int(f) for f in np.argsort(-gain, kind="stable")[:SHOWN] if gain[f] > 0]
    if not top:
        return None
    x = sample(subject.held, ROWS, seed)
    outputs = subject.answers.shape[1]
    several = outputs > 1 and not (subject.task == "classes" and outputs == 2)
    what = subject.target
    if subject.task == "classes":
        what = "probability" + ("" if several else f" of {brief(subject.class_names[1])}")
    key = _outputs(subject, outputs) if several else []
    panels = [_panel(subject, f, x, what, key if k == 0 else key[:1]) for k, f in enumerate(top)]
    rest = (
        " A line an output."
        if several
        else " Thin lines follow single rows, moved to the same mean: where they part, the feature "
        "acts together with others. The "
        "band holds four fifths of them."
    )
    return Figure(
        title=f"What {names_of(subject, top[:3])} do to the prediction, all else as it was",
        panels=tuple(panels),
        caption=f"{len(x)} held-out rows, each predicted with the feature set to every value on "
        f"the axis: the thick line is their mean.{rest} Ticks below are tenths of the rows.",
    )


def _strength(subject: Subject) -> Floats:
    """Return how much each feature matters, roughly: by gain, or by weight times spread."""
    if isinstance(subject.model, Booster):
        return measured(subject.model.forest)["total gain"]
    known = np.nan_to_num(subject.held.x.astype(np.float64))
    return np.asarray(np.abs(subject.model.weights).sum(axis=1) * known.std(axis=0))


def names_of(subject: Subject, features: list[int]) -> str:
    """Return features in words: a, b and c."""
    names = [brief(subject.names[f]) for f in features]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _outputs(subject: Subject, count: int) -> list[str]:
    if subject.task == "classes":
        return [f"{name}" for name in subject.class_names[: len(_INKS)]]
    return [str(k) for k in range(min(count, len(_INKS)))]


def swept(subject: Subject, feature: int, x: NDArray[np.float32], grid: Floats) -> Floats:
    """Return predictions of all rows with the feature set to each value, (grid, n, outputs)."""
    many = np.repeat(x[None], len(grid), axis=0)
    many[:, :, feature] = grid[:, None]
    flat = subject.predict(np.ascontiguousarray(many.reshape(-1, x.shape[1])))
    return flat.reshape(len(grid), len(x), -1)


def _panel(
    subject: Subject, feature: int, x: NDArray[np.float32], what: str, key: list[str]
) -> str:
    column = subject.held.x[:, feature].astype(np.float64)
    known = column[~np.isnan(column)]
    words, several = subject.is_words(feature), bool(key)
    grid = _commonest(known) if words else _grid(known)
    made = swept(subject, feature, x, grid)
    kept = made if several else made[:, :, -1:]
    mean = kept.mean(axis=1)
    # Rows differ for other reasons too: moved to one mean, only the feature's effect is left.
    kept = kept - kept.mean(axis=0) + kept.mean(axis=(0, 1))

    def paint(ax: Axes) -> None:
        if words:
            _points(ax, kept, mean)
            told = subject.words(feature)
            shown = [told[int(v)] if int(v) < len(told) else f"{v:g}" for v in grid]
            ax.set_xticks(range(len(grid)), [brief(one, 7) for one in shown], rotation=40)
        else:
            _lines(ax, grid, kept, mean, several)
            tenths = np.quantile(known, np.arange(1, 10) / 10) if len(known) else np.empty(0)
            low = ax.get_xaxis_transform()
            ax.plot(tenths, 0 * tenths, "|", color=MUTED, ms=8, transform=low, clip_on=False)
            if grid[-1] > grid[0]:
                ax.set_xlim(grid[0], grid[-1])
        ax.set_title(brief(subject.names[feature], 26))
        if len(key) > 1:
            _legend(ax, key)
        ax.set_ylabel(brief(what, 26))
        ax.locator_params(axis="y", nbins=5)

    said = f"from {mean.min():.3g} to {mean.max():.3g}"
    alt = f"Mean {what} by {subject.names[feature]}: {said}."
    return panel(paint, alt=alt, width=THIRD, height=240)


def _legend(ax: Axes, key: list[str]) -> None:
    ax.legend(
        handles=[Line2D([], [], color=ink, label=brief(one, 12)) for ink, one in zip(_INKS, key)],
        frameon=False, fontsize=10, labelcolor=MUTED, handlelength=0.8, loc="lower left",
        bbox_to_anchor=(-0.05, 1.1), ncols=3, columnspacing=0.9, borderaxespad=0,
        handletextpad=0.4,
    )  # fmt: skip


def _grid(known: Floats) -> Floats:
    if not len(known):
        return np.zeros(1)
    low, high = np.quantile(known, [0.01, 0.99])
    distinct = np.unique(known[(known >= low) & (known <= high)])
    if len(distinct) <= POINTS:
        return distinct
    return np.linspace(low, high, POINTS)


def _commonest(known: Floats) -> Floats:
    codes, counts = np.unique(known, return_counts=True)
    if not len(codes):
        return np.zeros(1)
    return codes[np.argsort(-counts, kind="stable")[:WORDS]]


def _lines(ax: Axes, grid: Floats, made: Floats, mean: Floats, several: bool) -> None:
    if not several:
        low, high = np.quantile(made[:, :, 0], [0.1, 0.9], axis=1)
        ax.fill_between(grid, low, high, color=BLUE, alpha=0.12, lw=0)
        ax.plot(grid, made[:, :LINES, 0], color=AXIS, lw=0.6, alpha=0.7)
    for k in range(min(mean.shape[1], len(_INKS))):
        ax.plot(grid, mean[:, k], color=_INKS[k], lw=2.4)
    if len(grid) == 1:
        ax.plot(grid, mean, "o", color=INK)


def _points(ax: Axes, made: Floats, mean: Floats) -> None:
    places = np.arange(len(mean))
    for k in range(min(mean.shape[1], len(_INKS))):
        if mean.shape[1] == 1:
            low, high = np.quantile(made[:, :, 0], [0.1, 0.9], axis=1)
            ax.vlines(places, low, high, color=BLUE, alpha=0.25, lw=6)
        ax.plot(places, mean[:, k], "o", color=_INKS[k], ms=7)
    ax.set_xlim(-0.6, len(mean) - 0.4)
