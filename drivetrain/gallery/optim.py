"""Adam and AdamW: what decay does, what the parts do, what a step costs."""

from drivetrain.gallery.page.section import Section

SECTION = Section(
    title="Adam and AdamW",
    paragraph="Adam scales a running mean of gradients by a running mean of their squares; AdamW "
    "takes the weight decay out of both. The optimizers here are torch's, key by key, but step "
    "all tensors in one compiled launch. The figures show why decoupling matters, what the two "
    "rules of decay mean, what each part adds, what a step costs, and that nothing is lost when "
    "optimizers are exchanged in mid-training.",
    figures={
        "Coupled and decoupled": "optim_figures.coupling",
        "Rate and decay grid": "optim_figures.grid",
        "Two decay rules": "optim_figures.rules",
        "Parts of Adam": "optim_figures.parts",
        "Speed of a step": "optim_figures.speed",
        "Formats and memory": "optim_figures.formats",
        "Swapping optimizers": "optim_figures.swap",
    },
    timed=("Speed of a step",),
)
