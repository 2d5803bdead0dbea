"""What all tests share: how hypothesis searches, and one thread a process.

Two workers run side by side, so a library that takes every core in each slows both down.
"""

import os

for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(pool, "1")

from hypothesis import settings  # noqa: E402

# In CI the same examples every time: a landing must not hang on a draw. Locally new ones.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
