"""Truths and detections into files: COCO, VOC, YOLO, CSV, Parquet, Open Images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
