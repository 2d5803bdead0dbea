from .choose import FORMATS as FORMATS
from .choose import choose_format as choose_format
from .choose import read_detections as read_detections
from .choose import read_ground_truth as read_ground_truth
