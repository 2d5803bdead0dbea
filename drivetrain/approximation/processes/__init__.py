"""Processes: Dvoretzky's recursion, and learning to predict and to decide as instances of it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
