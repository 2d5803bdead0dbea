from .learner import Booster as Booster
from .learner import train as train
from .matrix import DMatrix as DMatrix
