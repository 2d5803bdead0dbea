"""Which mistakes the detector makes, and what each kind costs."""

from matplotlib.axes import Axes

from drivetrain.detection.protocols import KINDS, ErrorKinds, error_kinds
from drivetrain.detection.result import Result
from drivetrain.gallery.page.draw import FULL, panel
from drivetrain.gallery.page.palette import BLUE, INK, MUTED, ORANGE
from drivetrain.gallery.page.section import Figure, Table

WORDS = {
    "class": "right place, wrong class",
    "localisation": "right class, wrong place (IoU .10 to .50)",
    "both": "wrong class and wrong place",
    "duplicate": "a truth that another detection has found",
    "background": "nothing there (IoU under .10)",
    "missed": "truths that no detection is near",
}


def figure(result: Result) -> Figure | None:
    """Return what repairing each kind of error would gain; None where there is nothing to find."""
    if not len(result.truth):
        return None
    kinds = error_kinds(result)
    worst = max(KINDS, key=lambda kind: kinds.gains[kind])
    if kinds.gains[worst] <= 0:
        title = "No kind of error costs anything"
    else:
        title = f"The costliest error, {kinds.gains[worst]:.3f} of AP: {WORDS[worst]}"
    return Figure(
        title=title,
        panels=(gains_panel({"": kinds}),),
        caption="What AP at IoU .50 would gain if all errors of one kind were repaired: TIDE's "
        "kinds. They do not add up, since repairing one kind changes what the others cost.",
        table=table({"": kinds}),
    )


def table(named: dict[str, ErrorKinds]) -> Table:
    """Return a row a kind: counts and gains of each detector."""
    header = ["kind"]
    for name in named:
        header += [f"{name} number".strip(), f"{name} AP gained".strip()]
    rows = [
        (
            f"{kind}: {WORDS[kind]}",
            *(
                cell
                for one in named.values()
                for cell in (f"{one.counts[kind]:,}", f"{one.gains[kind]:.4f}")
            ),
        )
        for kind in KINDS
    ]
    for what in ("false_positives", "false_negatives"):
        cells = (cell for one in named.values() for cell in ("", f"{getattr(one, what):.4f}"))
        rows.append((f"all {what.replace('_', ' ')}", *cells))
    return Table(header=tuple(header), rows=tuple(rows))


def gains_panel(named: dict[str, ErrorKinds], *, width: int = FULL) -> str:
    """Return bars of the AP that each kind costs, one colour a detector."""
    inks = (BLUE, ORANGE)
    room = 0.8 / len(named)
    most = max(max(0.01, *one.gains.values()) for one in named.values())

    def paint(ax: Axes) -> None:
        for number, (name, one) in enumerate(named.items()):
            for place, kind in enumerate(KINDS):
                y = place + (number - (len(named) - 1) / 2) * room
                gain = max(one.gains[kind], 0.0)
                ax.barh(y, gain, height=room * 0.85, color=inks[number], lw=0)
                text = f"{gain:.3f}  {name}" if place == 0 and name else f"{gain:.3f}"
                ax.text(gain + 0.01 * most, y, text, va="center", color=INK, size=10)
        ax.set_yticks(range(len(KINDS)), list(KINDS), color=MUTED)
        ax.set(xlim=(0, 1.2 * most), ylim=(len(KINDS) - 0.4, -0.6), xlabel="AP at IoU .50 gained")
        ax.grid(axis="y", visible=False)

    said = "; ".join(
        f"{name} {kind} {one.gains[kind]:.3f}" for name, one in named.items() for kind in KINDS
    )
    return panel(paint, alt=f"AP gained by repairing: {said}.", width=width, height=60 + 190)
