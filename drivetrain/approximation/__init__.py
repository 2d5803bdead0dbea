"""Stochastic approximation: find means, roots, minima and quantiles from noisy observations."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
