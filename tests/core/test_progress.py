"""Progress with and without a terminal, and metrics that survive interruptions."""

import errno
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.progress import MetricsLog, progress

STEPS = """
from drivetrain.core.progress import progress
with progress("demo", 3) as advance:
    for words in ("one", "two [/] [bold]", "three"):
        advance(words)
"""
PLAIN = "demo 1/3: one\ndemo 2/3: two [/] [bold]\ndemo 3/3: three\n"


def on_terminal(code: str, **environment: str) -> str:
    """Run Python with a pseudo-terminal as its standard error; return what it wrote there."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment}
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=env)
    os.close(theirs)
    out = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError as error:
            assert error.errno == errno.EIO
            break
        if not chunk:
            break
        out += chunk
    os.close(ours)
    assert child.wait(60) == 0
    return out.decode()


def test_without_a_terminal_one_plain_line_a_step() -> None:
    out = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert out.stdout == ""
    assert out.stderr == PLAIN


def test_on_a_terminal_a_bar_that_ends_full() -> None:
    # The bar is drawn ten times a second: a step must last for its words to be seen.
    out = on_terminal(
        STEPS.replace("advance(words)", "advance(words); __import__('time').sleep(0.3)")
    )
    assert "\x1b[" in out
    assert "3/3" in out
    assert "demo: two [/] [bold]" in out


def test_on_a_dumb_terminal_plain_lines() -> None:
    assert on_terminal(STEPS, TERM="dumb").replace("\r", "") == PLAIN


def test_an_error_inside_passes_through_and_frees_the_terminal() -> None:
    code = STEPS.replace("advance(words)", "raise SystemExit(0)")
    out = on_terminal(code)
    # The cursor is hidden while the bar lives and shown again when it ends.
    assert out.rfind("\x1b[?25h") > out.rfind("\x1b[?25l")


def test_no_steps_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("nothing", 0):
        pass
    assert capsys.readouterr().err == ""


@pytest.fixture
def log(tmp_path: Path) -> MetricsLog:
    return MetricsLog(tmp_path / "metrics.jsonl")


def test_records_come_back_in_order(log: MetricsLog) -> None:
    records = [{"step": i, "loss": 1 / (i + 1), "words": "ü\n\u2028"} for i in range(20)]
    for record in records:
        log.append(record)
    assert log.read() == records
    assert len(log.path.read_bytes().splitlines()) == 20


def test_no_file_is_no_records(log: MetricsLog) -> None:
    assert log.read() == []


@pytest.mark.parametrize("length", range(1, 18))
def test_a_torn_line_costs_only_itself(log: MetricsLog, length: int) -> None:
    log.append({"step": 1})
    whole = b'{"step": 2, "l": 0}'
    with log.path.open("ab") as file:
        file.write(whole[:length])
    assert log.read() == [{"step": 1}]
    log.append({"step": 3})
    assert log.read() == [{"step": 1}, {"step": 3}]


@pytest.mark.parametrize("junk", [b"\xff\xfe\n", b"[1]\n", b"7\n", b"null\n", b"\n\n", b"nan"])
def test_junk_is_passed_over(log: MetricsLog, junk: bytes) -> None:
    log.path.write_bytes(junk)
    log.append({"step": 1})
    assert log.read() == [{"step": 1}]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_lacks_is_refused_before_writing(log: MetricsLog, value: float) -> None:
    with pytest.raises(ValueError):
        log.append({"loss": value})
    assert not log.path.exists()


def test_what_is_no_json_is_refused_before_writing(log: MetricsLog) -> None:
    with pytest.raises(TypeError):
        log.append({"loss": np.ones(2)})
    assert not log.path.exists()


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="metrics"):
        MetricsLog(tmp_path / "no" / "metrics").append({"a": 1})


def test_lines_of_several_writers_never_interleave(log: MetricsLog) -> None:
    def write(writer: int) -> None:
        for step in range(50):
            log.append({"writer": writer, "step": step, "pad": "x" * 3000})

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = log.read()
    assert len(records) == 200
    for writer in range(4):
        assert [r["step"] for r in records if r["writer"] == writer] == list(range(50))
