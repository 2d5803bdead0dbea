"""Few-bit formats as their papers define them: the oracle of the kernels, in plain numpy.

Symbols: x a number, q the map of codes, s_b the scale of block b, u random bits, h a counter's
hash. Nothing here is fast.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.optim.lowbit.codes import BLOCK, dynamic_map

Bits = NDArray[np.uint32]
_GRID = 65535
_MASK = (1 << 64) - 1
_STREAM = 16384


def quantize(
    x: NDArray[Any], *, signed: bool, grid: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    r"""Return the codes of numbers, and the scales of their blocks of 256.

    .. math:: s_b = \max_{i \in b} |x_i|, \quad c_i = \arg\min_c |q_c - x_i / s_b|

    Args:
        x: (n,) float32.
        signed: Which map q.
        grid: Round x / s to one of 65536 points first, as bitsandbytes' CPU kernel does.

    Returns:
        (n,) codes and (⌈n / 256⌉,) scales. Infinite and NaN numbers count for no scale; NaN has
        code 0. Nearest to two codes is the lower one. Without the grid no positive number of the
        unsigned map has the code of 0.

    Example:
        >>> codes, scales = quantize(np.array([0.5, -1.0, 0.0], np.float32), signed=True)
        >>> codes.tolist(), scales.tolist()
        ([219, 0, 127], [1.0])

    References:
        Dettmers et al., 8-bit Optimizers via Block-wise Quantization (2022), section 2.
    """
    x = np.asarray(x, np.float32)
    q = dynamic_map(signed)
    borders = (np.float32(0.5) * (q[:-1] + q[1:])).astype(np.float32)
    codes = np.empty(len(x), np.uint8)
    scales = np.empty(-(-len(x) // BLOCK), np.float32)
    for b in range(len(scales)):
        block = x[b * BLOCK : (b + 1) * BLOCK]
        scales[b] = np.max(np.abs(block[np.isfinite(block)]), initial=0)
        y = _normalised(block, scales[b], cap=not grid)
        if grid:
            y = _on_grid(y)
        elif not signed:
            y = np.where(y > 0, np.maximum(y, q[1]), y)
        codes[b * BLOCK : (b + 1) * BLOCK] = np.searchsorted(borders, y, side="left")
    return codes, scales


def dequantize(
    codes: NDArray[np.uint8], scales: NDArray[np.float32], *, signed: bool
) -> NDArray[np.float32]:
    r"""Return the numbers :math:`s_b q_{c_i}` that codes stand for.

    Example:
        >>> dequantize(np.array([255, 127], np.uint8), np.array([2.0], np.float32), signed=True)
        array([2., 0.], dtype=float32)
    """
    return dynamic_map(signed)[codes] * np.repeat(scales, BLOCK)[: len(codes)]


def _normalised(block: NDArray[np.float32], scale: np.float32, *, cap: bool) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        inverse = np.float32(1) / scale
        if cap:
            inverse = np.minimum(inverse, np.finfo(np.float32).max)
        y = block * inverse
    return np.where(np.isnan(y), np.float32(-1), np.clip(y, -1, 1)).astype(np.float32)


def _on_grid(y: NDArray[np.float32]) -> NDArray[np.float32]:
    one, half = np.float32(1), np.float32(0.5)
    point = np.floor((y + one) * half * np.float32(_GRID) + half).astype(np.float32)
    return np.float32(2) * point / np.float32(_GRID) - one


def bfloat16(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the patterns of the nearest bfloat16 numbers, ties to even.

    Example:
        >>> hex(bfloat16(np.array([1.0], np.float32))[0])
        '0x3f80'
    """
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    nan = np.isnan(x)
    return np.where(nan, (bits >> 16) | 0x40, nearest).astype(np.uint16)


def bfloat16_stochastic(x: NDArray[np.float32], u: NDArray[Any]) -> NDArray[np.uint16]:
    r"""Return the patterns of bfloat16 numbers whose expectation is x.

    .. math:: P(\lceil x \rceil) = (x - \lfloor x \rfloor) / (\lceil x \rceil - \lfloor x \rfloor)

    Args:
        x: Float32 numbers.
        u: As many uniform integers in [0, 2**16): they are added below the last bit that is
            kept, and the rest is cut off.

    Returns:
        Patterns; what is not finite stays as it is.

    Example:
        >>> x = np.full(2, 1 + 2**-9, np.float32)
        >>> [hex(bits) for bits in bfloat16_stochastic(x, np.array([0, 0xC000]))]
        ['0x3f80', '0x3f81']

    References:
        Gupta, Agrawal, Gopalakrishnan and Narayanan, Deep Learning with Limited Numerical
        Precision (2015), section 3.
    """
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = (bits + np.asarray(u, np.uint64)) >> 16
    return np.where(np.isfinite(x), rounded, bfloat16(x)).astype(np.uint16)


def float32(pattern: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the numbers that bfloat16 patterns stand for.

    Example:
        >>> float32(np.array([0x3F80], np.uint16))
        array([1.], dtype=float32)
    """
    return (np.asarray(pattern, np.uint32) << 16).view(np.float32)


def kahan(total: NDArray[np.float32]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the nearest bfloat16 numbers, and what each loses, rounded likewise.

    Parameter and compensation are a sum of two bfloat16 numbers: 16 bits of significand in all.

    Example:
        >>> kept, lost = kahan(np.array([1 + 2**-10], np.float32))
        >>> float32(kept), float32(lost)
        (array([1.], dtype=float32), array([0.00097656], dtype=float32))

    References:
        Zamirai, Zhang, Aberger and De Sa, Revisiting BFloat16 Training (2021), algorithm 1.
    """
    kept = bfloat16(total)
    with np.errstate(all="ignore"):
        rest = np.asarray(total, np.float32) - float32(kept)
    return kept, bfloat16(np.where(np.isfinite(rest), rest, np.float32(0)))


def random_bits(seed: int, step: int, n: int) -> NDArray[np.uint16]:
    """Return the 16 bits by which each of n elements is rounded at a step.

    Elements 16384 k to 16384 (k + 1) share two keys, a hash of (seed, step, k); each pair of
    neighbours takes the halves of a 32-bit hash of its place among them. The bits depend on
    nothing else: not on the number of threads, nor on other parameters.

    Args:
        seed: The parameter's ``rounding_seed``.
        step: From 1.
        n: Elements of the parameter.

    Returns:
        (n,) uint16.

    Example:
        >>> random_bits(1, 1, 3).tolist() == random_bits(1, 1, 5)[:3].tolist()
        True
    """
    out = np.empty(n, np.uint16)
    for first in range(0, n, _STREAM):
        count = min(_STREAM, n - first)
        z = _mixed(_mixed(_mixed(seed) + step) + first // _STREAM)
        pairs = _hash(np.arange((count + 1) // 2, dtype=np.uint32), z & 0xFFFFFFFF, z >> 32)
        out[first : first + count] = pairs.astype("<u4").view("<u2")[:count]
    return out


def _hash(counter: Bits, key: int, second_key: int) -> Bits:
    # Two rounds of multiply and xor-shift, a bijection of 32 bits (Wellons' "lowbias32"); the
    # second key between them keeps the sequences of two first keys from being each other's shift.
    x = counter + np.uint32(key)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) + np.uint32(second_key)
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def _mixed(x: int) -> int:
    # SplitMix64 (Steele, Lea and Flood 2014).
    z = (x + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
