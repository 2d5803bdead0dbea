"""Detection mAP: VOC and COCO average precision, exact and fast."""
