from . import callback as callback
from .booster import Booster as Booster
from .matrix import DMatrix as DMatrix
from .training import train as train
