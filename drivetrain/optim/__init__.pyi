from . import reference as reference
from .adam import Adam as Adam
from .adam import AdamW as AdamW
from .functional import adamw_ as adamw_
