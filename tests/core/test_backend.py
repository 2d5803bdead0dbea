"""The choice of a backend: explicit, then ``use``, then the device's default."""

import sys
import threading

import pytest

from drivetrain.core.backend import BACKENDS, choose, use, why_missing
from drivetrain.core.errors import MissingDependency

ALL = ("reference", "torch", "numba")


def test_defaults_by_device() -> None:
    assert choose(None, ALL) == "numba"
    assert choose(None, ("reference", "torch")) == "torch"
    assert choose(None, ("reference",)) == "reference"
    assert choose(None, ALL, device="cuda") == "torch"
    assert choose(None, ALL, device="mps") == "torch"


def test_a_numbered_gpu_is_a_gpu() -> None:
    pytest.importorskip("triton")
    assert choose(None, (*ALL, "triton"), device="cuda:1") == "triton"


def test_explicit_wins_over_use_wins_over_default() -> None:
    with use("reference"):
        assert choose(None, ALL) == "reference"
        assert choose("torch", ALL) == "torch"
        with use("torch"):
            assert choose(None, ALL) == "torch"
        assert choose(None, ALL) == "reference"
    assert choose(None, ALL) == "numba"


def test_use_is_undone_by_errors() -> None:
    with pytest.raises(KeyError), use("reference"):
        raise KeyError
    assert choose(None, ALL) == "numba"


def test_use_does_not_leak_into_other_threads() -> None:
    seen = []
    with use("reference"):
        thread = threading.Thread(target=lambda: seen.append(choose(None, ALL)))
        thread.start()
        thread.join()
    assert seen == ["numba"]


@pytest.mark.parametrize("word", ["numab", "", 3])
def test_unknown_backends_are_named(word: object) -> None:
    with pytest.raises(ValueError, match=r"^Unknown backend"):
        choose(word, ALL)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^Unknown backend"), use(word):  # type: ignore[arg-type]
        pass


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(ValueError, match=r"^Unknown backend 'numab'. Did you mean 'numba'\?$"):
        choose("numab", ALL)


def test_a_backend_the_operation_lacks_is_said_with_those_it_has() -> None:
    text = r"^backend 'numba' is not offered here. Expected 'reference' or 'torch'.$"
    with pytest.raises(ValueError, match=text):
        choose("numba", ("torch", "reference"))
    with use("numba"), pytest.raises(ValueError, match=text):
        choose(None, ("torch", "reference"))


def test_nothing_to_choose_from_is_an_error_not_a_stop() -> None:
    with pytest.raises(ValueError, match=r"^Nothing computes this on 'mps'. Offered: 'numba'.$"):
        choose(None, ("numba",), device="mps")


@pytest.mark.parametrize("backend", ["torch", "numba", "triton"])
def test_a_missing_backend_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setitem(sys.modules, backend, None)
    extra = "drivetrain[gpu]" if backend == "triton" else backend
    text = f"{backend} is not installed: pip install '{extra}'"
    assert why_missing(backend) == text
    with pytest.raises(MissingDependency) as caught:
        choose(backend, BACKENDS)
    assert str(caught.value) == text
    with pytest.raises(MissingDependency), use(backend):
        pass


def test_a_missing_backend_is_passed_over_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert choose(None, ALL) == "torch"
    assert why_missing("reference") == ""
