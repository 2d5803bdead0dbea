from . import reference as reference
from .adagrad import Adagrad as Adagrad
from .lion import Lion as Lion
from .nadamw import NAdamW as NAdamW
from .rmsprop import RMSprop as RMSprop
from .schedule_free import AdamWScheduleFree as AdamWScheduleFree
from .sgd import SGD as SGD
