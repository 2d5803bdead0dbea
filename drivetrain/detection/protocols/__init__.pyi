from .expansion import expanded as expanded
from .expansion import expanded_detections as expanded_detections
from .judge import Pools as Pools
from .judge import Verdict as Verdict
from .judge import judge as judge
from .judge import judge_all as judge_all
from .pool import Pool as Pool
from .pool import gather as gather
