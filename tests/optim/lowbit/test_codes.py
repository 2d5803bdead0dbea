"""The codes of 8-bit states: the map, its inverse, the blocks, and bitsandbytes' own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drivetrain.optim.lowbit import codes, dequantize, quantize, reference

FLOATS = st.floats(width=32, allow_subnormal=True, allow_nan=True, allow_infinity=True)
ARRAYS = hnp.arrays(np.float32, st.integers(1, 700), elements=FLOATS)
# The kernel finds a cell by seven lines in float32: two numbers nearer to a border than 16 of
# their last places may change sides. Each line rounds twice at magnitudes up to 2**8, which is 16
# last places of a number in the top decade.
LAST_PLACES = 16


def test_the_map_has_its_published_values() -> None:
    signed, unsigned = codes.dynamic_map(True), codes.dynamic_map(False)
    assert len(set(signed.tolist())) == len(set(unsigned.tolist())) == 256
    assert signed[127] == 0 and signed[255] == 1 and unsigned[0] == 0 and unsigned[255] == 1
    np.testing.assert_array_equal(signed[:127], -signed[128:255][::-1])
    # The smallest positive values: 1e-6 * 0.55 and 1e-6 * 0.325.
    np.testing.assert_allclose([signed[128], unsigned[1]], [5.5e-7, 3.25e-7], rtol=2e-7)


@pytest.mark.parametrize("signed", [True, False])
def test_the_kernels_constants_are_the_derived_ones(signed: bool) -> None:
    literal = codes.SIGNED_LINES if signed else codes.UNSIGNED_LINES
    np.testing.assert_array_equal(np.array(literal, np.float32), codes.lines(signed))


@pytest.mark.parametrize("signed", [True, False])
def test_every_code_stands_for_itself(signed: bool) -> None:
    book = codes.dynamic_map(signed)
    found, scales = quantize(torch.from_numpy(book.copy()), signed=signed)
    assert scales.tolist() == [1.0]
    np.testing.assert_array_equal(found.numpy(), np.arange(256))
    np.testing.assert_array_equal(dequantize(found, scales, signed=signed).numpy(), book)


@pytest.mark.parametrize("signed", [True, False])
def test_every_point_of_the_grid_has_the_code_that_the_equation_gives(signed: bool) -> None:
    points = np.arange(65536, dtype=np.float64) / 65535 * 2 - 1
    y = points if signed else np.abs(points)
    # A 1 in each block makes its scale 1.
    blocks = np.concatenate([y, np.ones(65536 // 255 * 2)]).astype(np.float32)
    blocks = np.resize(blocks, (300, 255))
    blocks = np.concatenate([blocks, np.ones((300, 1), np.float32)], axis=1).reshape(-1)
    found, scales = quantize(torch.from_numpy(blocks), signed=signed, grid=True)
    expected, expected_scales = reference.quantize(blocks, signed=signed, grid=True)
    np.testing.assert_array_equal(scales.numpy(), expected_scales)
    np.testing.assert_array_equal(found.numpy(), expected)


def _assert_near(x: np.ndarray, signed: bool) -> None:
    found, scales = (t.numpy() for t in quantize(torch.from_numpy(x.copy()), signed=signed))
    expected, expected_scales = reference.quantize(x, signed=signed)
    np.testing.assert_array_equal(scales, expected_scales)
    other = np.flatnonzero(found != expected)
    assert (np.abs(found[other].astype(int) - expected[other]) == 1).all()
    book = codes.dynamic_map(signed).astype(np.float64)
    upper = np.maximum(found[other], expected[other])
    border = (book[upper] + book[upper - 1]) / 2
    y = x[other] / np.repeat(scales, codes.BLOCK)[other].astype(np.float64)
    assert (np.abs(y - border) <= LAST_PLACES * np.spacing(np.float32(np.abs(border)))).all()


@given(ARRAYS)
@settings(deadline=None, max_examples=60)
def test_codes_of_anything_are_the_nearest(x: np.ndarray) -> None:
    _assert_near(x, True)
    _assert_near(np.abs(x), False)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e-39, 1e30])
def test_codes_of_many_numbers_are_the_nearest(signed: bool, scale: float) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=100_001) ** 3 * scale).astype(np.float32)
    _assert_near(x if signed else np.abs(x), signed)


@given(ARRAYS, st.booleans())
@settings(deadline=None, max_examples=60)
def test_codes_by_the_grid_are_exact(x: np.ndarray, signed: bool) -> None:
    x = x if signed else np.abs(x)
    found, scales = quantize(torch.from_numpy(x.copy()), signed=signed, grid=True)
    expected, expected_scales = reference.quantize(x, signed=signed, grid=True)
    np.testing.assert_array_equal(scales.numpy(), expected_scales)
    np.testing.assert_array_equal(found.numpy(), expected)


@given(ARRAYS)
@settings(deadline=None, max_examples=40)
def test_decoding_is_the_equation(x: np.ndarray) -> None:
    found, scales = quantize(torch.from_numpy(x.copy()), signed=True)
    ours = dequantize(found, scales, signed=True).numpy()
    theirs = reference.dequantize(found.numpy(), scales.numpy(), signed=True)
    np.testing.assert_array_equal(ours, theirs)


def test_a_block_without_numbers_is_zero() -> None:
    found, scales = quantize(torch.zeros(300), signed=True)
    assert scales.tolist() == [0, 0]
    assert not dequantize(found, scales, signed=True).any()


def test_what_is_not_finite_spoils_no_neighbour() -> None:
    x = torch.linspace(-1, 1, 300)
    spoilt = x.clone()
    spoilt[[3, 5, 270]] = torch.tensor([float("nan"), float("inf"), float("-inf")])
    ours = dequantize(*quantize(spoilt, signed=True), signed=True)
    theirs = dequantize(*quantize(x, signed=True), signed=True)
    kept = torch.ones(300, dtype=torch.bool)
    kept[[3, 5, 270]] = False
    # The scale is that of the finite numbers, so the others' codes are as if nothing had been.
    assert torch.equal(ours[kept], theirs[kept])
    assert ours.isfinite().all()


def test_no_positive_number_vanishes_from_v() -> None:
    v = torch.tensor([1.0, 1e-12, 0.0])
    assert (dequantize(*quantize(v, signed=False), signed=False) > 0).tolist() == [
        True,
        True,
        False,
    ]


def test_codes_lie_in_memory_as_their_numbers_do() -> None:
    x = torch.randn(2, 8, 3, 5).to(memory_format=torch.channels_last)
    found, scales = quantize(x, signed=True)
    assert found.stride() == x.stride() and found.shape == x.shape
    flat = x.permute(0, 2, 3, 1).reshape(-1)
    again, same = quantize(flat.contiguous(), signed=True)
    assert torch.equal(found.permute(0, 2, 3, 1).reshape(-1), again) and torch.equal(scales, same)


@pytest.mark.peer
@pytest.mark.parametrize("signed", [True, False])
def test_codes_and_scales_are_those_of_bitsandbytes(signed: bool) -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    book = functional.create_dynamic_map(signed)
    np.testing.assert_array_equal(book.numpy(), codes.dynamic_map(signed))
    generator = torch.Generator().manual_seed(0)
    for scale in (1.0, 1e-3, 1e-20, 1e-38, 1e-40, 1e-44):
        x = torch.randn(70_001, generator=generator) ** 3 * scale
        x[:256] = 0
        x[300] = float("nan")
        x = x if signed else x.abs()
        theirs, absmax = torch.ops.bitsandbytes.quantize_blockwise(x, book, codes.BLOCK)
        ours, scales = quantize(x, signed=signed, grid=True)
        assert torch.equal(ours, theirs)
        assert torch.equal(scales, absmax)
