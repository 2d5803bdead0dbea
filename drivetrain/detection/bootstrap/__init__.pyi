from .interval import Interval as Interval
from .interval import bootstrap as bootstrap
