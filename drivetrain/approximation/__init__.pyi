# streams

# gains, search, processes
from .gains import Gain as Gain
from .gains import GainAdvice as GainAdvice
from .gains import GainReport as GainReport
from .gains import GainWarning as GainWarning
from .gains import advise_gain as advise_gain
from .gains import check_gain as check_gain

# inference
from .inference import BatchMeans as BatchMeans
from .inference import Estimate as Estimate
from .inference import Interval as Interval
from .inference import PlugIn as PlugIn
from .inference import RandomScaling as RandomScaling
from .inference import path_estimate as path_estimate
from .inference import shard_estimate as shard_estimate
