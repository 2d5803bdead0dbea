"""Powers of ten for exact decimal numbers: as floats, and of five with 128 bits."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

LEAST, GREATEST = -342, 308
ROUNDED_UP = -27
"""From here to -1 the reciprocal is rounded up: a 64-bit number times it is then exact enough."""


@cache
def powers_of_ten() -> NDArray[np.float64]:
    """Return 10^0 to 10^22, the powers that a float64 holds exactly.

    Example:
        >>> len(powers_of_ten()), float(powers_of_ten()[22])
        (23, 1e+22)
    """
    return np.array([float(10**i) for i in range(23)])


@cache
def powers_of_five() -> NDArray[np.uint64]:
    """Return the leading 128 bits of 5^q for q from -342 to 308, (651, 2) as upper and lower.

    All are truncated but those of -27 <= q < 0, whose reciprocals are rounded up: only there may
    a decimal of 64 bits fall exactly between two floats.

    References:
        Lemire, Number parsing at a gigabyte per second, 2021, section 5.

    Example:
        >>> [hex(half) for half in powers_of_five()[342 + 1].tolist()]
        ['0xa000000000000000', '0x0']
    """
    table = [_leading_bits(q) for q in range(LEAST, GREATEST + 1)]
    return np.array([(bits >> 64, bits & (2**64 - 1)) for bits in table], np.uint64)


def _leading_bits(q: int) -> int:
    if q >= 0:
        power = 5**q
        excess = power.bit_length() - 128
        return power >> excess if excess > 0 else power << -excess
    power = 5**-q
    # 2^b > power > 2^(b-1), so that the quotient has 128 bits.
    return (1 << (power.bit_length() + 127)) // power + (q >= ROUNDED_UP)
