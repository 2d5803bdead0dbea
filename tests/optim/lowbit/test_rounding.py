"""Rounding to bfloat16: to nearest even, stochastically, and with what is lost kept."""

import numpy as np
import pytest
import torch

from drivetrain.optim import AdamW
from drivetrain.optim.lowbit import _numba, reference
from drivetrain.optim.table import CHUNK


def _narrow(x: np.ndarray) -> np.ndarray:
    out = np.empty(len(x), np.uint16)
    _numba.narrow(_numba.BFLOAT16, x, out.ctypes.data)
    return out


def _float32_patterns() -> np.ndarray:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    high = np.arange(65536, dtype=np.uint32) << 16
    return np.concatenate([bits, high, high | 0x8000, high | 0x7FFF, high | 0xFFFF]).view(
        np.float32
    )


def test_the_random_stream_is_dealt_by_whole_chunks() -> None:
    assert _numba.STREAM == CHUNK


def test_every_bfloat16_survives() -> None:
    patterns = np.arange(65536, dtype=np.uint16)
    numbers = np.empty(65536, np.float32)
    _numba.widen(_numba.BFLOAT16, patterns.ctypes.data, numbers)
    np.testing.assert_array_equal(numbers, reference.float32(patterns))
    quieted = np.where(np.isnan(numbers), patterns | 0x40, patterns)
    np.testing.assert_array_equal(_narrow(numbers), quieted)
    np.testing.assert_array_equal(reference.bfloat16(numbers), quieted)


def test_rounding_to_nearest_is_torchs() -> None:
    x = _float32_patterns()
    theirs = torch.from_numpy(x).to(torch.bfloat16).view(torch.uint16).numpy()
    for ours in (_narrow(x), reference.bfloat16(x)):
        number = ~np.isnan(x)
        np.testing.assert_array_equal(ours[number], theirs[number])
        assert np.isnan(reference.float32(ours[~number])).all()


def test_float16_is_torchs() -> None:
    x = _float32_patterns()
    out = np.empty(len(x), np.uint16)
    _numba.narrow(_numba.FLOAT16, x, out.ctypes.data)
    theirs = torch.from_numpy(x).to(torch.float16)
    ours = torch.from_numpy(out).view(torch.float16)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    back = np.empty(len(x), np.float32)
    _numba.widen(_numba.FLOAT16, out.ctypes.data, back)
    np.testing.assert_array_equal(back, ours.float().numpy())


@pytest.mark.parametrize("n", [1, 2, 3, 1023, 16384])
def test_stochastic_rounding_is_the_equation(n: int) -> None:
    x = np.resize(_float32_patterns(), n)
    seed, step = 123, 7
    key, second = _numba.chunk_keys(seed, step, 0)
    ours = np.zeros(n + 1, np.uint16)
    _numba.narrow_stochastic(x, ours.ctypes.data, 0, key, second)
    assert ours[n] == 0
    number = ~np.isnan(x)
    expected = reference.bfloat16_stochastic(x, reference.random_bits(seed, step, n))
    np.testing.assert_array_equal(ours[:n][number], expected[number])
    assert np.isnan(reference.float32(ours[:n][~number])).all()
    infinite = np.isinf(x)
    np.testing.assert_array_equal(reference.float32(ours[:n][infinite]), x[infinite])


def test_stochastic_rounding_has_no_bias() -> None:
    # The mean of N roundings of x, a fraction f of the way between two neighbours u apart, has
    # the standard deviation u sqrt(f (1 - f) / N); the 16 random bits can shift it by u / 2**16.
    n = 1 << 20
    for fraction in (0.01, 0.25, 0.5, 0.9):
        x = np.full(n, 1 + fraction * 2**-7, np.float32)
        rounded = reference.float32(
            reference.bfloat16_stochastic(x, reference.random_bits(5, 1, n))
        )
        bound = 2**-7 * (5 * np.sqrt(fraction * (1 - fraction) / n) + 2**-16)
        assert abs(rounded.astype(np.float64).mean() - float(x[0])) <= bound


def test_the_random_bits_are_uniform_and_independent() -> None:
    n = 1 << 18
    streams = [
        reference.random_bits(seed, step, n) for seed, step in ((1, 1), (1, 2), (2, 1), (3, 9))
    ]
    for u in streams:
        # Chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6.
        for byte in (u & 0xFF, u >> 8):
            counts = np.bincount(byte, minlength=256)
            assert abs(((counts - n / 256) ** 2 / (n / 256)).sum() - 255) < 6 * 22.6
    columns = [u.astype(np.float64) for u in streams] + [np.roll(streams[0], 1).astype(np.float64)]
    # Correlations of n independent pairs have the standard deviation 1 / sqrt(n).
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlations).max() < 6 / np.sqrt(n)


def test_a_decay_too_small_for_bfloat16_still_decays_in_the_mean() -> None:
    # 100 steps of lr * weight_decay = 1e-4 on 1.0: exactly 0.9999**100 = 0.99005. Each rounding
    # of a number just below 1 moves by 2**-8 with probability 1e-4 * 2**8, so a parameter's
    # standard deviation is 2**-8 sqrt(100 * 1e-4 * 2**8) = 0.0063, and that of the mean of 2**18
    # parameters 1.2e-5. One unit of the step's own rounding in float32 adds 100 * 2**-24.
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.ones(1 << 18, dtype=torch.bfloat16))
    nearest = torch.nn.Parameter(weight.detach().clone())
    ours = AdamW([weight], lr=1e-3, weight_decay=0.1, stochastic_rounding=True)
    other = AdamW([nearest], lr=1e-3, weight_decay=0.1, state_dtype="bf16")
    weight.grad, nearest.grad = torch.zeros_like(weight), torch.zeros_like(nearest)
    for _ in range(100):
        ours.step()
        other.step()
    assert abs(weight.double().mean().item() - 0.9999**100) < 6 * 1.2e-5 + 100 * 2**-24
    assert (nearest == 1).all()


def test_kahan_keeps_what_bfloat16_loses() -> None:
    x = _float32_patterns()
    kept, lost = np.empty(len(x), np.uint16), np.empty(len(x), np.uint16)
    _numba.narrow_kahan(x, kept.ctypes.data, lost.ctypes.data)
    expected = reference.kahan(x)
    number = ~np.isnan(x)
    np.testing.assert_array_equal(kept[number], expected[0][number])
    np.testing.assert_array_equal(lost[number], expected[1][number])
    usual = np.isfinite(x) & (np.abs(x) < 1e38) & (np.abs(x) > 1e-30)
    first, rest = (reference.float32(bits[usual]).astype(np.float64) for bits in (kept, lost))
    # 8 bits, and 8 more of the rest, which is at most half a unit of the first.
    assert (np.abs(first + rest - x[usual]) <= np.abs(x[usual]).astype(np.float64) * 2**-16).all()
