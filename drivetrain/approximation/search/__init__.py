"""Search: roots and minima from noisy observations, and how to tell that one has arrived."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
