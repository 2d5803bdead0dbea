from .candidates import Candidates as Candidates
from .candidates import find_candidates as find_candidates
from .index import Index as Index
from .matches import Matches as Matches
from .matches import match as match
