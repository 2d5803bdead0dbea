"""Paired bootstrap over images: how sure an average precision, or a difference of two, is."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
