"""Adam's neighbours: SGD, Lion, schedule-free AdamW, NAdamW, RMSprop and Adagrad."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
