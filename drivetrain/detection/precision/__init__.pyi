from .accumulate import accumulate as accumulate
