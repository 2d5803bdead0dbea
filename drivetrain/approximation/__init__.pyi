# streams
from .streams import Mean as Mean
from .streams import Moments as Moments
from .streams import Quantiles as Quantiles
from .streams import TrendWarning as TrendWarning

# gains, search, processes
from .gains import Gain as Gain
from .gains import GainAdvice as GainAdvice
from .gains import GainReport as GainReport
from .gains import GainWarning as GainWarning
from .gains import advise_gain as advise_gain
from .gains import check_gain as check_gain
from .search import Average as Average
from .search import averaged_limit as averaged_limit
from .search import Box as Box
from .search import check_widths as check_widths
from .search import Curvature as Curvature
from .search import Descent as Descent
from .search import difference_limit as difference_limit
from .search import DirectionWarning as DirectionWarning
from .search import DistanceSlope as DistanceSlope
from .search import DivergenceError as DivergenceError
from .search import FluctuationRelation as FluctuationRelation
from .search import gain_clock as gain_clock
from .search import gradient_descent as gradient_descent
from .search import kiefer_wolfowitz as kiefer_wolfowitz
from .search import KieferWolfowitz as KieferWolfowitz
from .search import Limit as Limit
from .search import linear_mean_square as linear_mean_square
from .search import lyapunov as lyapunov
from .search import ode_path as ode_path
from .search import Pflug as Pflug
from .search import quadratic_spsa_mean_square as quadratic_spsa_mean_square
from .search import relative_error_bound as relative_error_bound
from .search import relative_gradient_error as relative_gradient_error
from .search import robbins_monro as robbins_monro
from .search import robbins_monro_limit as robbins_monro_limit
from .search import RobbinsMonro as RobbinsMonro
from .search import Rule as Rule
from .search import SearchResult as SearchResult
from .search import simulate as simulate
from .search import simulate_minimum as simulate_minimum
from .search import SPSA as SPSA
from .search import spsa as spsa
from .search import spsa_gains as spsa_gains
from .search import SPSAGains as SPSAGains
from .search import Study as Study
from .search import Truncation as Truncation

# inference
from .inference import BatchMeans as BatchMeans
from .inference import Estimate as Estimate
from .inference import Interval as Interval
from .inference import PlugIn as PlugIn
from .inference import RandomScaling as RandomScaling
from .inference import path_estimate as path_estimate
from .inference import shard_estimate as shard_estimate
