from .boxes import corners as corners
from .boxes import iou as iou
from .boxes import pair_iou as pair_iou
from .boxes import rectangles as rectangles
