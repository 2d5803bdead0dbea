from .tables import accumulate as accumulate
