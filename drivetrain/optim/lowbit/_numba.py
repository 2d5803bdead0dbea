# mypy: allow-untyped-defs, disable-error-code="call-arg,var-annotated"
"""CPU kernels of the low-precision formats: decode to float32, step, encode.

A piece of a chunk is decoded into scratch memory that stays in the first cache, stepped there and
encoded again, so that each stage is a simple loop. Only the pure bfloat16 format has a kernel of
its own.
"""

import numpy as np
from numba import carray, njit

from drivetrain.optim._numba import (
    CASE_STEP,
    GRAD,
    PARAM,
    constants,
    fmuladd,
    pointer,
)
from drivetrain.optim.lowbit.bits._numba import (
    even,
    finite_magnitude,
    from_bfloat16,
    from_float16,
    join_nearest,
    join_stochastic,
    largest,
    least,
    many_registers,
    odd,
    of_bits,
    permute,
    place,
    quiet,
    real,
    rounded,
    scramble,
    signed_code,
    to_bfloat16,
    to_float16,
    truncated,
    unsigned_code,
)
from drivetrain.optim.lowbit.codes import SIGNED_LINES, UNSIGNED_LINES

# What the elements of a tensor are.
FLOAT32, BFLOAT16, FLOAT16, CODES = range(4)
# How a stepped parameter is written.
DIRECT, NEAREST, STOCHASTIC, KAHAN, MASTER = range(5)
# The order of operations: one fused step, or torch's bfloat16 operations, which round each.
FUSED, ONE_BY_ONE = range(2)
# Entries of a format: kinds and modes, then the columns of a row; -1 where there is none.
(
    KIND,
    STATE_KIND,
    WRITE,
    ORDER,
    GRID,
    FIRST,
    SECOND,
    LARGEST,
    FIRST_SCALE,
    SECOND_SCALE,
    EXTRA,
    SEED,
    FORMAT,
) = range(13)

BLOCK = 256
PIECE = 512
# Elements that share two keys of random bits: a table's chunk, so that a kernel needs one pair.
STREAM = 16384
# Rows of scratch do not start at equal offsets of a page, or loads wait for unrelated stores.
ROW = PIECE + 80
SCRATCH_P, SCRATCH_G, SCRATCH_M, SCRATCH_V, SCRATCH_TOP, SCRATCHES = range(6)


@njit(cache=True)
def mixed(x):
    """Return 64 bits that depend on all 64 given ones (SplitMix64's finisher)."""
    z = np.uint64(x) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def chunk_keys(seed, step, start):
    """Return the two keys of a chunk's random bits at a step."""
    z = mixed(mixed(mixed(np.uint64(seed)) + np.uint64(step)) + np.uint64(start // STREAM))
    return np.uint32(z & np.uint64(0xFFFFFFFF)), np.uint32(z >> np.uint64(32))


# Contraction and reassociation change last bits of float32, far below what the format keeps; NaN
# and infinity behave as written.
@njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def fused_step(k, p, g, m, v):
    """Return one element after a step, in float32: one division, the root's correction folded.

    ``g`` has been multiplied by the case's factor.
    """
    _, shrink, _, lerp, beta2, rest2, eps, minus_step_size, root = k
    m = m + (g - m) * lerp
    v = v * beta2 + g * g * rest2
    return p * shrink + (minus_step_size * root) * m / (np.sqrt(v) + eps * root), m, v


@njit(cache=True, error_model="numpy")
def step_pairs_nearest(k, p, g, m, v):
    """Step pairs of bfloat16 numbers, everything rounded to nearest even."""
    factor = k[0]
    for i in range(len(p)):
        pi, gi, mi, vi = p[i], g[i], m[i], v[i]
        pe, me, ve = fused_step(k, even(pi), even(gi) * factor, even(mi), even(vi))
        po, mo, vo = fused_step(k, odd(pi), odd(gi) * factor, odd(mi), odd(vi))
        p[i] = join_nearest(pe, po)
        m[i] = join_nearest(me, mo)
        v[i] = join_nearest(ve, vo)


@njit(cache=True, error_model="numpy")
def step_pairs_stochastic(k, p, g, m, v, key, second_key):
    """Step pairs of bfloat16 numbers, p rounded stochastically, m and v to nearest even."""
    factor = k[0]
    for i in range(len(p)):
        pi, gi, mi, vi = p[i], g[i], m[i], v[i]
        pe, me, ve = fused_step(k, even(pi), even(gi) * factor, even(mi), even(vi))
        po, mo, vo = fused_step(k, odd(pi), odd(gi) * factor, odd(mi), odd(vi))
        p[i] = join_stochastic(pe, po, scramble(i, key, second_key))
        m[i] = join_nearest(me, mo)
        v[i] = join_nearest(ve, vo)


@njit(cache=True, error_model="numpy")
def step_bfloat16(k, addresses, start, n, stochastic, key, second_key):
    """Step a chunk whose parameter, gradient and moments are all bfloat16, without L2."""
    p, g, m, v = addresses
    offset, half = 2 * start, n // 2
    p4 = carray(pointer(p + offset, np.uint32), half)
    g4 = carray(pointer(g + offset, np.uint32), half)
    m4 = carray(pointer(m + offset, np.uint32), half)
    v4 = carray(pointer(v + offset, np.uint32), half)
    if stochastic:
        step_pairs_stochastic(k, p4, g4, m4, v4, key, second_key)
    else:
        step_pairs_nearest(k, p4, g4, m4, v4)
    if n % 2:
        # The last one has no neighbour: a pair of its own, of which only the first half is kept.
        last = offset + 2 * (n - 1)
        p2, g2 = carray(pointer(p + last, np.uint16), 1), carray(pointer(g + last, np.uint16), 1)
        m2, v2 = carray(pointer(m + last, np.uint16), 1), carray(pointer(v + last, np.uint16), 1)
        pi, mi, vi = fused_step(
            k,
            from_bfloat16(p2[0]),
            from_bfloat16(g2[0]) * k[0],
            from_bfloat16(m2[0]),
            from_bfloat16(v2[0]),
        )
        zero = np.float32(0)
        if stochastic:
            joined = join_stochastic(pi, zero, scramble(half, key, second_key))
        else:
            joined = join_nearest(pi, zero)
        p2[0] = np.uint16(joined & np.uint32(0xFFFF))
        m2[0] = np.uint16(join_nearest(mi, zero) & np.uint32(0xFFFF))
        v2[0] = np.uint16(join_nearest(vi, zero) & np.uint32(0xFFFF))


@njit(cache=True)
def widen(kind, address, out):
    """Decode bfloat16 or float16 numbers to float32."""
    source = carray(pointer(address, np.uint16), len(out))
    if kind == BFLOAT16:
        for i in range(len(out)):
            out[i] = from_bfloat16(source[i])
    else:
        for i in range(len(out)):
            out[i] = from_float16(source[i])


@njit(cache=True)
def narrow(kind, values, address):
    """Encode float32 numbers as bfloat16 or float16, to nearest even."""
    target = carray(pointer(address, np.uint16), len(values))
    if kind == BFLOAT16:
        for i in range(len(values)):
            target[i] = to_bfloat16(values[i])
    else:
        for i in range(len(values)):
            target[i] = to_float16(values[i])


@njit(cache=True)
def narrow_stochastic(values, address, first, key, second_key):
    """Encode float32 numbers as bfloat16, stochastically; ``first`` is the chunk's pair."""
    half = len(values) // 2
    target = carray(pointer(address, np.uint32), half)
    for i in range(half):
        random = scramble(first + i, key, second_key)
        target[i] = join_stochastic(quiet(values[2 * i]), quiet(values[2 * i + 1]), random)
    if len(values) % 2:
        last = carray(pointer(address + 4 * half, np.uint16), 1)
        random = scramble(first + half, key, second_key)
        joined = join_stochastic(quiet(values[2 * half]), np.float32(0), random)
        last[0] = np.uint16(joined & np.uint32(0xFFFF))


@njit(cache=True)
def narrow_kahan(values, address, lost_address):
    """Encode float32 numbers as bfloat16, and what that loses as another bfloat16."""
    target = carray(pointer(address, np.uint16), len(values))
    lost = carray(pointer(lost_address, np.uint16), len(values))
    highest = np.float32(3.4028234663852886e38)
    for i in range(len(values)):
        target[i] = to_bfloat16(values[i])
        rest = values[i] - from_bfloat16(target[i])
        # Nothing is kept of a number that overflowed, or an infinity would turn into a NaN.
        lost[i] = to_bfloat16(rest if abs(rest) <= highest else np.float32(0))


@njit(cache=True)
def look_up(codes, scales, codebook, out):
    """Decode blocks of codes to float32."""
    n, whole = len(out), 0
    if many_registers():
        whole = n - n % 16
        for first in range(0, whole, BLOCK):
            count = min(BLOCK, whole - first)
            permute(
                codes.ctypes.data + first,
                codebook.ctypes.data,
                scales[first // BLOCK],
                out.ctypes.data + 4 * first,
                count // 16,
            )
    for i in range(whole, n):
        out[i] = codebook[codes[i]] * scales[i // BLOCK]


@njit(cache=True)
def largest_finite(values):
    """Return the largest finite magnitude, 0 of none."""
    top = np.int32(0)
    for i in range(len(values)):
        bits = finite_magnitude(values[i])
        top = bits if bits > top else top
    return of_bits(top)


@njit(cache=True)
def normalised(x, inverse):
    """Return a number scaled to [-1, 1]; NaN becomes -1, whose code is 0."""
    one = np.float32(1)
    return least(largest(x * inverse, -one), one)


@njit(cache=True)
def snapped(y):
    """Return the point next to y of the grid of 65536 that bitsandbytes looks codes up by."""
    one, half, points = np.float32(1), np.float32(0.5), np.float32(65535)
    spacing = np.float32(2 / 65535)
    return real(truncated((y + one) * half * points + half)) * spacing - one


def _cell_finder(lines):
    # The numbers are constants of the code: in memory they would be held in registers, of which
    # there are too few, and spilled.
    a0, b0, a1, b1, a2, b2, a3, b3, a4, b4, a5, b5, a6, b6, a7, b7 = map(np.float32, lines)
    edge = np.float32(0.2)

    @njit(cache=True)
    def cell(a):
        x = least(fmuladd(a, a0, b0), fmuladd(a, a1, b1))
        y = least(fmuladd(a, a2, b2), fmuladd(a, a3, b3))
        z = least(fmuladd(a, a4, b4), fmuladd(a, a5, b5))
        x = least(least(x, y), least(z, fmuladd(a, a6, b6)))
        x = largest(x, fmuladd(a, a7, b7))
        number = truncated(x)
        return place(number, x - real(number), edge)

    return cell


# Each returns the number of the code nearest to a in [0, 1], counted from the smallest. Between
# the decades' borders the numbers lie on straight lines, and each decade is coarser than the one
# below: the least of all lines is the right one, so neither a search nor a table is needed. The
# last line lifts the numbers near 1, whose code stands closer than the others.
signed_cell = _cell_finder(SIGNED_LINES)
unsigned_cell = _cell_finder(UNSIGNED_LINES)


@njit(cache=True)
def encode_signed(values, inverse, codes, grid):
    """Write the codes of a block of m."""
    if grid:
        for i in range(len(values)):
            y = snapped(normalised(values[i], inverse))
            codes[i] = signed_code(signed_cell(abs(y)), y)
    else:
        for i in range(len(values)):
            y = normalised(values[i], inverse)
            codes[i] = signed_code(signed_cell(abs(y)), y)


@njit(cache=True)
def encode_unsigned(values, inverse, codes, grid):
    """Write the codes of a block of v; negative numbers count as 0.

    Off the grid, which has no 0, no positive number gets the code of 0: a v that vanished while
    m did not would divide m by next to nothing.
    """
    zero, tiny = np.float32(0), np.float32(3.25e-7)
    if grid:
        for i in range(len(values)):
            y = snapped(normalised(values[i], inverse))
            codes[i] = unsigned_code(unsigned_cell(largest(y, zero)))
    else:
        for i in range(len(values)):
            y = normalised(values[i], inverse)
            y = largest(y, tiny) if y > zero else zero
            codes[i] = unsigned_code(unsigned_cell(y))


@njit(cache=True, error_model="numpy")
def quantize(values, codes, scales, signed, grid):
    """Encode float32 numbers block by block."""
    n, highest = len(values), np.float32(3.4028234663852886e38)
    for b in range(len(scales)):
        low, high = b * BLOCK, min(n, (b + 1) * BLOCK)
        block = values[low:high]
        scale = largest_finite(block)
        scales[b] = scale
        inverse = np.float32(1) / scale
        # bitsandbytes lets 1/x overflow; capped, an empty block has zeros and tiny ones survive.
        inverse = inverse if grid or inverse < highest else highest
        if signed:
            encode_signed(block, inverse, codes[low:high], grid)
        else:
            encode_unsigned(block, inverse, codes[low:high], grid)


@njit(cache=True, error_model="numpy")
def step_fused(k, p, g, m, v):
    """Step in float32; the gradient of the L2 penalty goes into the moments."""
    factor, l2 = k[0], k[2]
    if l2 != 0:
        for i in range(len(p)):
            gi = fmuladd(l2, p[i], g[i] * factor)
            p[i], m[i], v[i] = fused_step(k, p[i], gi, m[i], v[i])
    else:
        for i in range(len(p)):
            p[i], m[i], v[i] = fused_step(k, p[i], g[i] * factor, m[i], v[i])


@njit(cache=True, error_model="numpy")
def step_like_bitsandbytes(k, p, g, m, v):
    """Step in float32; the moments to the last bit as bitsandbytes computes them."""
    factor, shrink, l2, lerp, beta2, rest2, eps, minus_step_size, root = k
    beta1, length, floor = np.float32(1) - lerp, minus_step_size * root, eps * root
    for i in range(len(p)):
        gi, pi = g[i] * factor, p[i]
        gi = fmuladd(l2, pi, gi) if l2 != 0 else gi
        mi = fmuladd(lerp, gi, m[i] * beta1)
        vi = fmuladd(rest2 * gi, gi, v[i] * beta2)
        p[i] = pi * shrink + length * mi / (np.sqrt(vi) + floor)
        m[i] = mi
        v[i] = vi


@njit(cache=True, error_model="numpy")
def step_one_by_one(k, p, g, m, v, top):
    """Step bfloat16 numbers as torch's single-tensor operations do: each rounds its result."""
    factor, shrink, l2, lerp, beta2, rest2, eps, minus_step_size, root = k
    near, one = lerp < np.float32(0.5), np.float32(1)
    # torch rounds the scalars of add(), and of nothing else.
    l2, eps = rounded(l2), rounded(eps)
    for i in range(len(p)):
        gi = rounded(g[i] * factor)
        pi = rounded(p[i] * shrink)
        gi = rounded(fmuladd(l2, pi, gi)) if l2 != 0 else gi
        gap = gi - m[i]
        mi = rounded(fmuladd(lerp, gap, m[i]) if near else fmuladd(lerp - one, gap, gi))
        vi = rounded(fmuladd(rest2 * gi, gi, rounded(v[i] * beta2)))
        # Written so that a NaN on either side stays, as torch.maximum has it.
        ti = top[i] if top[i] > vi or top[i] != top[i] else vi
        floor = rounded(rounded(rounded(np.sqrt(ti)) / root) + eps)
        p[i] = rounded(pi + minus_step_size * mi / floor)
        m[i] = mi
        v[i] = vi
        top[i] = ti


@njit(cache=True)
def load(kind, address, scratch):
    """Return an array of float32: the numbers themselves, or scratch that they are decoded to."""
    if kind == FLOAT32:
        return carray(pointer(address, np.float32), len(scratch))
    widen(kind, address, scratch)
    return scratch


@njit(cache=True)
def load_codes(row, column, scale_column, start, codebook, scratch):
    """Decode a piece of a quantized moment."""
    n = len(scratch)
    codes = carray(pointer(row[column] + start, np.uint8), n)
    count = (n + BLOCK - 1) // BLOCK
    scales = carray(pointer(row[scale_column] + start // BLOCK * 4, np.float32), count)
    look_up(codes, scales, codebook, scratch)
    return codes, scales


@njit(cache=True)
def size_of(kind):
    """Return the bytes of an element that is not a code."""
    return 4 if kind == FLOAT32 else 2


@njit(cache=True)
def step_moments(fmt, codebooks, k, row, start, scratch, p, g):
    """Step a piece whose parameter and gradient are float32 by now, and write its moments."""
    n = len(p)
    m, v = scratch[SCRATCH_M, :n], scratch[SCRATCH_V, :n]
    kind, grid = fmt[STATE_KIND], fmt[GRID] != 0
    if kind == CODES:
        first, second = fmt[FIRST], fmt[SECOND]
        m1, s1 = load_codes(row, first, fmt[FIRST_SCALE], start, codebooks[0], m)
        v1, s2 = load_codes(row, second, fmt[SECOND_SCALE], start, codebooks[1], v)
        step_like_bitsandbytes(k, p, g, m, v)
        quantize(m, m1, s1, True, grid)
        quantize(v, v1, s2, False, grid)
        return
    offset = start * size_of(kind)
    m = load(kind, row[fmt[FIRST]] + offset, m)
    v = load(kind, row[fmt[SECOND]] + offset, v)
    if fmt[ORDER] == FUSED:
        step_fused(k, p, g, m, v)
    else:
        top = scratch[SCRATCH_TOP, :n]
        if fmt[LARGEST] >= 0:
            widen(kind, row[fmt[LARGEST]] + offset, top)
        else:
            top[:] = np.float32(0)
        step_one_by_one(k, p, g, m, v, top)
        if fmt[LARGEST] >= 0:
            narrow(kind, top, row[fmt[LARGEST]] + offset)
    if kind != FLOAT32:
        narrow(kind, m, row[fmt[FIRST]] + offset)
        narrow(kind, v, row[fmt[SECOND]] + offset)


@njit(cache=True)
def step_piece(fmt, codebooks, k, row, start, begin, n, scratch, keys):
    """Step elements start..start+n of a parameter; ``begin`` counts from the chunk's start."""
    kind, write = fmt[KIND], fmt[WRITE]
    offset = start * size_of(kind)
    address, ps = row[PARAM] + offset, scratch[SCRATCH_P, :n]
    if write == MASTER:
        p = load(FLOAT32, row[fmt[EXTRA]] + start * 4, ps)
    else:
        p = load(kind, address, ps)
    if write == KAHAN:
        lost = carray(pointer(row[fmt[EXTRA]] + offset, np.uint16), n)
        for i in range(n):
            p[i] += from_bfloat16(lost[i])
    g = load(kind, row[GRAD] + offset, scratch[SCRATCH_G, :n])
    step_moments(fmt, codebooks, k, row, start, scratch, p, g)
    if write == STOCHASTIC:
        narrow_stochastic(p, address, begin // 2, keys[0], keys[1])
    elif write == KAHAN:
        narrow_kahan(p, address, row[fmt[EXTRA]] + offset)
    elif write != DIRECT:
        narrow(kind, p, address)


@njit(cache=True)
def step_chunk(fmt, codebooks, k, row, start, n, scratch, keys):
    """Step one chunk of a parameter."""
    pure = fmt[KIND] == BFLOAT16 and fmt[STATE_KIND] == BFLOAT16 and fmt[ORDER] == FUSED
    if pure and fmt[WRITE] in (NEAREST, STOCHASTIC) and k[2] == 0:
        addresses = row[PARAM], row[GRAD], row[fmt[FIRST]], row[fmt[SECOND]]
        step_bfloat16(k, addresses, start, n, fmt[WRITE] == STOCHASTIC, keys[0], keys[1])
        return
    for begin in range(0, n, PIECE):
        count = min(PIECE, n - begin)
        step_piece(fmt, codebooks, k, row, start + begin, begin, count, scratch, keys)


@njit(cache=True, nogil=True, error_model="numpy")
def step(fmt, codebooks, chunks, rows, case_of, cases, low, high):
    """Step chunks low..high of parameters of one format.

    Args:
        fmt: Kinds, modes and columns, indexed by the constants above.
        codebooks: Both maps of codes (2, 256), the signed one first.
        chunks, rows, case_of, cases: As for the kernels of full precision.
        low, high: The range.
    """
    scratch = np.empty((SCRATCHES, ROW), np.float32)
    for c in range(low, high):
        number, start, n = chunks[c, 0], chunks[c, 1], chunks[c, 2]
        row, case = rows[number], cases[case_of[number]]
        keys = (np.uint32(0), np.uint32(0))
        if fmt[WRITE] == STOCHASTIC:
            seed = carray(pointer(row[fmt[SEED]], np.int64), 1)[0]
            keys = chunk_keys(seed, np.int64(case[CASE_STEP]), start)
        step_chunk(fmt, codebooks, constants(np.float32, case), row, start, n, scratch, keys)


@njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def sum_of_squares(values):
    """Return the sum of squares in float64, where no square of a float32 overflows."""
    total = 0.0
    for i in range(len(values)):
        x = np.float64(values[i])
        total += x * x
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def squares(kind, chunks, rows, out, low, high):
    """Write the sum of squares of each gradient chunk low..high, of bfloat16 or float16."""
    scratch = np.empty(PIECE, np.float32)
    for c in range(low, high):
        address, n, total = rows[chunks[c, 0], GRAD] + 2 * chunks[c, 1], chunks[c, 2], 0.0
        for begin in range(0, n, PIECE):
            piece = scratch[: min(PIECE, n - begin)]
            widen(kind, address + 2 * begin, piece)
            total += sum_of_squares(piece)
        out[c] = total


# Compiled in here: drivetrain.optim._numba 5ebf5120274e64c1
# Compiled in here: drivetrain.optim.lowbit.bits._numba 35313e5b99914c77
