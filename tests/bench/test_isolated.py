"""Peers in a process of their own: answers over a pipe, timed there, failing softly."""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest

from drivetrain.bench.harness.isolated import isolated
from drivetrain.bench.harness.timing import first_call, interleave
from drivetrain.core.errors import MissingDependency

ADAPTER = """
import time
import numpy as np
def prepare(x, y):
    print("peers may print")
    def run():
        time.sleep(0.01)
        return x @ y
    return run
"""


def adapter(folder: Path, text: str = ADAPTER) -> Path:
    """Write an adapter file."""
    path = folder / "adapter.py"
    path.write_text(text)
    return path


def test_it_answers_with_its_own_clock(tmp_path: Path) -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.ones(3, dtype=np.float32)
    peer = isolated("peer", python=sys.executable, adapter=adapter(tmp_path), x=x, y=y)
    start = first_call(peer)
    np.testing.assert_array_equal(start.answer, x @ y)
    timing = interleave([peer], repeats=3)["peer"]
    assert 0.01 <= timing.median < 0.5


def test_a_missing_environment_fails_softly(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="peer needs its own environment"):
        isolated("peer", python=tmp_path / "python", adapter=adapter(tmp_path))


def test_a_missing_peer_fails_softly(tmp_path: Path) -> None:
    path = adapter(tmp_path, "import no_such_peer\ndef prepare(): pass\n")
    with pytest.raises(MissingDependency, match="no_such_peer"):
        isolated("peer", python=sys.executable, adapter=path)


def test_errors_and_deaths_are_told(tmp_path: Path) -> None:
    failing = adapter(
        tmp_path, "def prepare():\n def run():\n  raise ValueError('no')\n return run"
    )
    peer = isolated("peer", python=sys.executable, adapter=failing)
    with pytest.raises(RuntimeError, match="peer: ValueError: no"):
        peer.run()
    dying = adapter(tmp_path, "import os\ndef prepare():\n return lambda: os._exit(7)\n")
    peer = isolated("peer", python=sys.executable, adapter=dying)
    with pytest.raises(RuntimeError, match="peer ended with exit code 7"):
        peer.run()


def test_the_process_ends_with_its_contender(tmp_path: Path) -> None:
    path = adapter(tmp_path, "import os\ndef prepare():\n return lambda: os.getpid()\n")
    peer = isolated("peer", python=sys.executable, adapter=path)
    number = int(peer.answer() if peer.answer else 0)
    assert Path(f"/proc/{number}").exists()
    del peer
    gc.collect()
    assert not Path(f"/proc/{number}").exists()
