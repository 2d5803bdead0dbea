"""Stochastic approximation: roots, means, minima and quantiles found through noise."""

from drivetrain.gallery.approximation_figures import (
    batches,
    dvoretzky,
    intervals,
    learning,
    rates,
    roots,
    streams,
)
from drivetrain.gallery.page.section import Section

SECTION = Section(
    title="Stochastic approximation",
    paragraph="Find the root of a function that is only seen through noise, one observation at a "
    "time, and nothing stored: the running mean, gradient descent by samples and temporal "
    "differences are all this one idea. The figures show when it works and when it runs away, how "
    "fast the error falls, intervals that cover what they promise, and streams of real data.",
    figures={
        "Robbins-Monro": roots.figure,
        "One sample or all": batches.figure,
        "Dvoretzky's conditions": dvoretzky.figure,
        "Intervals": intervals.figure,
        "Rates": rates.figure,
        "Streams of delays": streams.figure,
        "TD and Q-learning": learning.figure,
    },
)
