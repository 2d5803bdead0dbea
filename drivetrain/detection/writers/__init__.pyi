from .choose import FORMATS as FORMATS
from .choose import write_detections as write_detections
from .choose import write_ground_truth as write_ground_truth
