"""exp of float32: the C library's bits, where there is one to ask."""

import ctypes
import ctypes.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.boosting.objectives.exponential import exp32


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-120, 100, width=32), min_size=1, max_size=60))
def test_it_is_exp_to_half_a_unit(values: list[float]) -> None:
    x = np.array(values, np.float32)
    with np.errstate(over="ignore", under="ignore"):
        exact = np.exp(x.astype(np.float64))
        ulp = np.maximum(np.abs(np.spacing(exact.astype(np.float32))), np.float32(2.0**-149))
        off = np.abs(exp32(x).astype(np.float64) - exact)
        inside = exact < np.finfo(np.float32).max
    # 0.502 units in the last place, by its authors; below 2**-126 the places end.
    assert (off[inside] <= 0.503 * ulp[inside].astype(np.float64)).all()


def test_its_ends() -> None:
    x = np.array([[np.nan, np.inf, -np.inf], [0, -0.0, -1000]], np.float32)
    found = exp32(x)
    assert found.shape == (2, 3) and found.dtype == np.float32
    assert np.isnan(found[0, 0])
    assert found[0, 1:].tolist() == [np.inf, 0] and found[1].tolist() == [1, 1, 0]
    assert exp32(np.empty((0, 2), np.float32)).shape == (0, 2)
    assert np.array_equal(exp32(np.asfortranarray(x[1:])), found[1:])


def test_its_bits_are_the_c_librarys() -> None:
    name = ctypes.util.find_library("m") or "libm.so.6"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        pytest.skip("no C library to ask")
    if not name.startswith("libm.so.6"):
        pytest.skip("only glibc's bits are known")
    library.expf.restype, library.expf.argtypes = ctypes.c_float, [ctypes.c_float]
    x = np.random.default_rng(0).normal(0, 8, 20_000).astype(np.float32)
    theirs = np.array([library.expf(float(one)) for one in x], np.float32)
    # The C library may fuse products and sums: a float64's last bit, one float32 in 10^8.
    assert (exp32(x) != theirs).sum() <= 1
