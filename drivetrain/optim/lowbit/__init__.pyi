from . import reference as reference
from .codes import dynamic_map as dynamic_map
from .states import dequantize as dequantize
from .states import quantize as quantize
