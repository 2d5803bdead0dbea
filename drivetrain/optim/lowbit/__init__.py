"""Adam in few bits: 8-bit states, bfloat16 with stochastic rounding, master copies."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
