"""Adam and AdamW: what decay does, what the parts do, what a step costs."""

from drivetrain.gallery.optim_figures import coupling, formats, grid, parts, rules, speed, swap
from drivetrain.gallery.page.section import Section

SECTION = Section(
    title="Adam and AdamW",
    paragraph="Adam scales a running mean of gradients by a running mean of their squares; AdamW "
    "takes the weight decay out of both. The optimizers here are torch's, key by key, but step "
    "all tensors in one compiled launch. The figures show why decoupling matters, what the two "
    "rules of decay mean, what each part adds, what a step costs, and that nothing is lost when "
    "optimizers are exchanged in mid-training.",
    figures={
        "Coupled and decoupled": coupling.figure,
        "Rate and decay grid": grid.figure,
        "Two decay rules": rules.figure,
        "Parts of Adam": parts.figure,
        "Speed of a step": speed.figure,
        "Formats and memory": formats.figure,
        "Swapping optimizers": swap.figure,
    },
)
