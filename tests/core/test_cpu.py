"""What is said of the processor agrees with the operating system, and never fails."""

import os
from pathlib import Path

import pytest

from drivetrain.core import cpu


@pytest.mark.parametrize(
    ("features", "family"),
    [
        ({"avx512f", "avx512bw", "avx512vl", "avx2", "fma"}, "avx512"),
        ({"avx512f", "avx2", "fma"}, "avx2"),
        ({"avx2"}, "plain"),
        ({"neon"}, "neon"),
        (set(), "plain"),
    ],
)
def test_family_by_features(
    monkeypatch: pytest.MonkeyPatch, features: set[str], family: str
) -> None:
    monkeypatch.setattr(cpu, "features", lambda: frozenset(features))
    assert cpu.family() == family


def test_features_are_the_hosts() -> None:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        pytest.skip("no /proc/cpuinfo")
    flags = path.read_text()
    for name in ("avx2", "fma", "avx512f"):
        assert (name in cpu.features()) == (f" {name}" in flags)


def test_a_host_unknown_to_llvm_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    from llvmlite import binding

    def fail() -> None:
        raise RuntimeError("failed to get host cpu features.")

    monkeypatch.setattr(binding, "get_host_cpu_features", fail)
    cpu.features.cache_clear()
    try:
        assert cpu.features() == frozenset()
        assert cpu.family() == "plain"
    finally:
        cpu.features.cache_clear()


def test_model_name_is_one_line() -> None:
    assert cpu.model_name().strip()
    assert "\n" not in cpu.model_name()


def test_model_name_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", missing)
    assert cpu.model_name()


def test_usable_cores_follow_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= cpu.usable_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert cpu.usable_cores() == 2
