from . import reference as reference
