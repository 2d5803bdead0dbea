"""Kernel files carry the hashes of what other files compile into them: caches stay honest."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(name="stamps")
def _stamps() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kernel_stamps", ROOT / "docs/kernel_stamps.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_stamp_is_new(stamps: ModuleType) -> None:
    old = [str(path.relative_to(ROOT)) for path in stamps.renewed()]
    assert not old, f"make stamps renews {old}"


def test_a_change_in_a_callee_changes_its_callers(stamps: ModuleType, tmp_path: Path) -> None:
    for name, text in (("a", "X = 1\n"), ("b", "from drivetrain.a._numba import X\n")):
        (tmp_path / "drivetrain" / name).mkdir(parents=True)
        (tmp_path / "drivetrain" / name / "_numba.py").write_text(text)
    stamps.ROOT = tmp_path
    caller = tmp_path / "drivetrain/b/_numba.py"
    caller.write_text(stamps.renewed()[caller])
    assert not stamps.renewed()
    (tmp_path / "drivetrain/a/_numba.py").write_text("X = 2\n")
    assert list(stamps.renewed()) == [caller]
