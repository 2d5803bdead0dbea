from .named import RISING as RISING
from .named import Metric as Metric
from .named import metric_named as metric_named
