# streams

# gains, search, processes
from .gains import Gain as Gain
from .gains import GainAdvice as GainAdvice
from .gains import GainReport as GainReport
from .gains import GainWarning as GainWarning
from .gains import advise_gain as advise_gain
from .gains import check_gain as check_gain

# inference
