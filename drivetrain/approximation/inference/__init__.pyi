from .estimate import Estimate as Estimate
from .estimate import Interval as Interval
from .intervals import BatchMeans as BatchMeans
from .intervals import PlugIn as PlugIn
from .intervals import RandomScaling as RandomScaling
from .intervals import path_estimate as path_estimate
from .intervals import shard_estimate as shard_estimate
