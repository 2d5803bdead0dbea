from . import mask as mask
from .coco import COCO as COCO
from .cocoeval import COCOeval as COCOeval
from .params import Params as Params
