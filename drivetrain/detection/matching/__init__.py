"""Who found whom: truths and detections in groups, their overlaps, and COCO's matching."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
