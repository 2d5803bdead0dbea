"""pycocotools' names with its bits, its -1 and its quirks: change the import, keep the script."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
