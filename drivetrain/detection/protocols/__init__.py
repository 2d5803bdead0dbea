"""One set of overlapping pairs, and every protocol's rules, areas, errors and gaps from it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
