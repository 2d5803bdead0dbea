"""exp of float32 as the C library has it: with its very bits, gradients are XGBoost's too."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# 2^(i/32) as bits of a float64, less i/32 of its exponent's place.
_POWERS = np.array(
    [
        0x3FF0000000000000,
        0x3FEFD9B0D3158574,
        0x3FEFB5586CF9890F,
        0x3FEF9301D0125B51,
        0x3FEF72B83C7D517B,
        0x3FEF54873168B9AA,
        0x3FEF387A6E756238,
        0x3FEF1E9DF51FDEE1,
        0x3FEF06FE0A31B715,
        0x3FEEF1A7373AA9CB,
        0x3FEEDEA64C123422,
        0x3FEECE086061892D,
        0x3FEEBFDAD5362A27,
        0x3FEEB42B569D4F82,
        0x3FEEAB07DD485429,
        0x3FEEA47EB03A5585,
        0x3FEEA09E667F3BCD,
        0x3FEE9F75E8EC5F74,
        0x3FEEA11473EB0187,
        0x3FEEA589994CCE13,
        0x3FEEACE5422AA0DB,
        0x3FEEB737B0CDC5E5,
        0x3FEEC49182A3F090,
        0x3FEED503B23E255D,
        0x3FEEE89F995AD3AD,
        0x3FEEFF76F2FB5E47,
        0x3FEF199BDD85529C,
        0x3FEF3720DCEF9069,
        0x3FEF5818DCFBA487,
        0x3FEF7C97337B9B5F,
        0x3FEFA4AFA2A490DA,
        0x3FEFD0765B6E4540,
    ],
    np.uint64,
).astype(np.int64)
_STEPS = float.fromhex("0x1.71547652b82fep+0") * 32
_THIRD = float.fromhex("0x1.c6af84b912394p-5") / 32**3
_SECOND = float.fromhex("0x1.ebfce50fac4f3p-3") / 32**2
_FIRST = float.fromhex("0x1.62e42ff0c52d6p-1") / 32
_SHIFT = 1.5 * 2.0**52
# Beyond these the result is 0 or infinite.
_LOW, _HIGH = -110.0, 89.0


def exp32(x: Floats) -> Floats:
    """Return exp(x), float32, to 0.502 units in the last place.

    exp(x) = 2^(k/32) 2^(r/32), k a whole number and |r| <= 1/2: the first from a table, the second
    a polynomial, in float64. These are glibc's numbers; numpy's own float32 exp is off by a unit
    for a third of all values.

    Args:
        x: Any shape; NaN is kept.

    Example:
        >>> exp32(np.array([0, 1, -200, 200], np.float32)).tolist()
        [1.0, 2.7182817459106445, 0.0, inf]

    References:
        glibc, sysdeps/ieee754/flt-32/e_expf.c; Arm optimized routines, math/expf.c.
    """
    own = np.ascontiguousarray(x, np.float32)
    out = np.empty_like(own)
    _exp(own.reshape(-1), _POWERS, out.reshape(-1))
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _exp(values: Floats, powers: NDArray[np.int64], out: Floats) -> None:
    for i in range(np.uint64(len(values))):
        own = np.float64(values[i])
        x = min(max(own, _LOW), _HIGH)
        # Adding what leaves no place for a fraction rounds to a whole number.
        whole = (x * _STEPS + _SHIFT) - _SHIFT
        rest = x * _STEPS - whole
        k = np.int64(whole)
        scale = np.int64(powers[np.uint64(k & 31)] + (k << 47)).view(np.float64)
        head = _THIRD * rest + _SECOND
        power = head * (rest * rest) + (_FIRST * rest + 1.0)
        out[i] = np.float32(power * scale) if own == own else values[i]
