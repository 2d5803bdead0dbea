from .mean import Mean as Mean
from .moments import Moments as Moments
from .quantiles.sketch import Quantiles as Quantiles
from .quantiles.sketch import TrendWarning as TrendWarning
