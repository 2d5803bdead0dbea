from .expansion import expanded as expanded
from .expansion import expanded_detections as expanded_detections
from .gather import gather as gather
from .judge import Verdict as Verdict
from .judge import judge as judge
from .judge import judge_all as judge_all
from .pool import Pool as Pool
