"""Ctrl-C while several threads grow a tree."""

import subprocess
import sys

import pytest

PROGRAM = """
import _thread, threading, time
import numpy as np
from drivetrain.boosting import Dataset, Settings, boost
from drivetrain.boosting.objectives.squared import SquaredError

rng = np.random.default_rng(0)
x = rng.normal(size=(20_000, 8)).astype(np.float32)
data = Dataset(x=x, label=x[:, :1])
settings = Settings(n_estimators=2_000, threads=2)
boost(data, SquaredError(), Settings(n_estimators=2, threads=2))
stopped = 0
for number in range(12):
    timer = threading.Timer(0.02 + 0.013 * number, _thread.interrupt_main)
    timer.start()
    try:
        boost(data, SquaredError(), settings)
    except KeyboardInterrupt:
        stopped += 1
    timer.join()
print(stopped, threading.active_count())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_an_interrupt_ends_training_and_its_threads() -> None:
    # A thread that waits for one that never comes would run into the time limit.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.split() == ["12", "1"]
