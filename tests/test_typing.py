"""Type checkers see through the lazy rooms: right uses pass, wrong ones are reported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.core.rooms import PACKAGE

pytest.importorskip("mypy")
ROOT = PACKAGE.parent
USES = """
import numpy as np
import torch

from drivetrain import approximation, data, optim
from drivetrain.core.checkpoint import load

small = data.digits()
reveal_type(small.images)
reveal_type(data.flights().source)
small.imagez
small.levels = 3
data.mnist("trian")

optimizer = optim.AdamW([torch.zeros(1)], lr=1e-3)
reveal_type(optimizer)
optim.AdamV
reveal_type(approximation.Mean().update(1.0))
reveal_type(load("folder"))
"""
EXPECTED = {
    9: r'Revealed type is "numpy.ndarray\[.*numpy.dtype\[numpy.unsignedinteger',
    10: r'Revealed type is "(builtins.)?str"',
    11: r'"HandwrittenDigits" has no attribute "imagez"; maybe "images"',
    12: r'Property "levels" defined in "HandwrittenDigits" is read-only',
    13: r'Argument 1 to "mnist" has incompatible type "Literal\[.trian.\]|.*"trian"',
    16: r'Revealed type is "drivetrain.optim.adam.AdamW"',
    17: r'Module has no attribute "AdamV"',
    18: r'Revealed type is "drivetrain.approximation.streams\.[\w.]+\.Mean"',
    19: r'Revealed type is "(builtins.)?tuple\[',
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    path = tmp_path_factory.mktemp("typing") / "uses.py"
    path.write_text(USES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {}
    for line in done.stdout.splitlines():
        # What mypy finds unchanged it repeats from its cache, under the path of that time.
        match = re.match(r".*uses\.py:(\d+): \w+: (.*)", line)
        if match:
            found.setdefault(int(match[1]), match[2])
    assert found, done.stdout + done.stderr
    return found


@pytest.mark.parametrize("line", EXPECTED)
def test_what_a_type_checker_says(findings: dict[int, str], line: int) -> None:
    assert re.match(EXPECTED[line], findings.get(line, "nothing")), findings.get(line)


def test_it_says_nothing_else(findings: dict[int, str]) -> None:
    assert set(findings) == set(EXPECTED)


def test_every_lazy_room_has_its_stub() -> None:
    for init in PACKAGE.rglob("__init__.py"):
        if "attach_stub" in init.read_text(encoding="utf8"):
            stub = Path(f"{init}i")
            assert stub.exists(), f"{init} attaches a stub that is not there"
            lines = [line for line in stub.read_text(encoding="utf8").splitlines() if line.strip()]
            for line in lines:
                name = re.match(r"from \.[\w.]* import (\w+) as (\w+)$|#|__all__|\"\"\"", line)
                assert name, f"{stub}: {line}"
                assert name[1] == name[2]
