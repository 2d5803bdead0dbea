from .mean import Mean as Mean
from .moments import Moments as Moments
