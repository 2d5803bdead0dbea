"""Three steps in which L2 and decoupled decay move a parameter in opposite directions."""

import numpy as np
import torch
from matplotlib.axes import Axes

from drivetrain.gallery.page.draw import HALF, end_labels, panel
from drivetrain.gallery.page.palette import BLUE, INK, MUTED, ORANGE, PURPLE
from drivetrain.gallery.page.section import Figure, Number
from drivetrain.optim import Adam, AdamW

START = (2.0, -1.0)
GRADIENTS = ((0.5, 0.01), (-0.2, 0.02), (0.1, 0.03))
# θ after three steps: the first two from torch 2.13, the third from the paper's algorithm 2.
GOLDEN = {
    "Adam + L2": (1.762835611558362, -0.7059383141962694),
    "AdamW, decay lr·λ": (1.770433846634731, -1.2596619401982023),
    "AdamW, decay η·λ": (1.3079562988440445, -0.9926663244688739),
}


def path(kind: str) -> np.ndarray:
    """Return θ before and after each of the three steps, (4, 2)."""
    parameter = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = {
        "Adam + L2": lambda: Adam([parameter], lr=0.1, weight_decay=0.1),
        "AdamW, decay lr·λ": lambda: AdamW([parameter], lr=0.1, weight_decay=0.1),
        "AdamW, decay η·λ": lambda: AdamW([parameter], lr=0.1, weight_decay=0.1, decay="schedule"),
    }[kind]()
    places = [START]
    for gradient in GRADIENTS:
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        places.append(tuple(parameter.tolist()))
    return np.array(places)


COLOURS = dict(zip(GOLDEN, (ORANGE, BLUE, PURPLE), strict=True))


def figure(seed: int) -> Figure:
    """Return the figure: θ's second component over three steps, and the terms that move it."""
    paths = {kind: path(kind) for kind in GOLDEN}
    return Figure(
        title="L2 decay enters Adam's moments and can turn a step around; decoupled decay cannot",
        panels=(_steps_panel(paths), _terms_panel()),
        caption="θ starts at (2, −1) with learning rate 0.1 and decay 0.1; the gradients are "
        "(.5, .01), (−.2, .02), (.1, .03). Adam divides by the gradient's own size, so its first "
        "step is ±lr whichever way the sum points, and here the pull λθ outweighs ∇f. The rings "
        "are the reference's values after three steps.",
        numbers=tuple(
            Number(
                what=f"{kind}: θ₂ after 3 steps",
                ours=repr(float(paths[kind][-1, 1])),
                reference=repr(GOLDEN[kind][1]),
                source="Loshchilov and Hutter, algorithm 2" if "η" in kind else "torch 2.13",
            )
            for kind in GOLDEN
        ),
    )


def _steps_panel(paths: dict[str, np.ndarray]) -> str:
    def paint(ax: Axes) -> None:
        for kind, places in paths.items():
            ax.plot(range(4), places[:, 1], color=COLOURS[kind])
            ax.plot(3, GOLDEN[kind][1], "o", ms=9, mfc="none", mec=MUTED, mew=1.5, clip_on=False)
        ax.set_xlim(0, 3)
        ax.set_xticks(range(4))
        ax.set_title("θ₂, whose gradient says: go down")
        ax.set_xlabel("step")
        end_labels(ax, [(places[-1, 1], kind, COLOURS[kind]) for kind, places in paths.items()])

    return panel(
        paint,
        alt="θ₂ rises from −1 to −0.71 under Adam with L2, falls to −1.26 under AdamW with decay "
        "lr·λ and stays near −0.99 with decay η·λ.",
        width=HALF + 30,
    )


def _terms_panel() -> str:
    gradient, pull = GRADIENTS[0][1], 0.1 * START[1]
    rows = (("∇f", gradient, INK), ("λθ", pull, MUTED), ("∇f + λθ", gradient + pull, ORANGE))

    def paint(ax: Axes) -> None:
        for place, (_, value, colour) in enumerate(rows):
            ax.barh(place, value, height=0.5, color=colour)
            ax.text(0.018, place, f"{value:+.2f}".replace("-", "−"), va="center", color=colour)
        ax.axvline(0, color=MUTED, lw=1)
        ax.set_yticks(range(3), [name for name, _, _ in rows])
        ax.invert_yaxis()
        ax.set(xlim=(-0.11, 0.06), xticks=[-0.1, -0.05, 0, 0.05])
        ax.grid(axis="y", visible=False)
        ax.set_title("What Adam + L2 takes for the gradient of θ₂")

    return panel(
        paint,
        alt="At the first step the gradient is +0.01, the L2 pull −0.10, and their sum −0.09 has "
        "the other sign.",
        width=HALF - 48,
    )
