"""Stochastic approximation: roots, means, minima and quantiles found through noise."""

from drivetrain.gallery.page.section import Section

SECTION = Section(
    title="Stochastic approximation",
    paragraph="Find the root of a function that is only seen through noise, one observation at a "
    "time, and nothing stored: the running mean, gradient descent by samples and temporal "
    "differences are all this one idea. The figures show when it works and when it runs away, how "
    "fast the error falls, intervals that cover what they promise, and streams of real data.",
    figures={
        "Robbins-Monro": "approximation_figures.roots",
        "One sample or all": "approximation_figures.batches",
        "Dvoretzky's conditions": "approximation_figures.dvoretzky",
        "Intervals": "approximation_figures.intervals",
        "Rates": "approximation_figures.rates",
        "Streams of delays": "approximation_figures.streams",
        "Speed of a stream": "approximation_figures.stream_speed",
        "TD and Q-learning": "approximation_figures.learning",
    },
    timed=("Speed of a stream",),
)
