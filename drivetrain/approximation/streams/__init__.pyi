from .averages.mean import Mean as Mean
from .covariance.matrix import Covariance as Covariance
from .exponential import EWMean as EWMean
from .exponential import EWMoments as EWMoments
from .moments import Moments as Moments
from .quantiles.sketch import Quantiles as Quantiles
from .quantiles.sketch import TrendWarning as TrendWarning
