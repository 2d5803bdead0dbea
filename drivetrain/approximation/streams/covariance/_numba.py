"""Sums of products of up to eight columns while the rows are read, at the speed of reading.

The loop is written in LLVM's vector instructions because no compiler finds it: eight lanes hold
whole rows, and a shuffle that turns every row by k places pairs column i with column i + k. So
p // 2 + 1 products a vector cover all pairs. LLVM lowers the lanes to whatever the processor has.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

LANES = 8
WIDEST = 8
VALUES = 65536
"""Values a block holds; one pass needs no cache, so only the cost of merging matters."""


def _lanes(p: int) -> int:
    return LANES // p * p


def _vector_sums(
    typing: Any, address: Any, vectors: Any, centre: Any, out: Any, p: Any
) -> tuple[Any, Callable[..., Any]]:
    """Add Σd and, for k = 0 .. p // 2, Σ d·turn(d, k), d = row - centre, to out (2 + p // 2, 8).

    Each vector takes LANES // p whole rows; the lanes left over hold numbers that mean nothing.
    The number of vectors must be even.
    """
    width = p.literal_value
    signature = types.void(types.uintp, types.intp, types.uintp, types.uintp, p)
    return signature, lambda context, builder, _, args: _emit(context, builder, args, width)


vector_sums: Any = intrinsic(prefer_literal=True)(_vector_sums)


def _emit(context: Any, builder: Any, args: Any, p: int) -> Any:
    double, long, short = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
    vector = ir.VectorType(double, LANES)
    contract = ("contract",)
    used, turns = _lanes(p), p // 2 + 1
    source = builder.inttoptr(args[0], double.as_pointer())
    target = builder.inttoptr(args[3], double.as_pointer())

    def place(base: Any, index: Any) -> Any:
        return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

    def load(base: Any, index: Any) -> Any:
        value = builder.load(place(base, index))
        value.align = 8
        return value

    def turned(value: Any, k: int) -> Any:
        if k == 0:
            return value
        lanes = [i // p * p + (i % p + k) % p if i < used else i for i in range(LANES)]
        mask = ir.Constant(ir.VectorType(short, LANES), lanes)
        return builder.shuffle_vector(value, ir.Constant(vector, ir.Undefined), mask)

    def add(old: list[Any], number: Any) -> list[Any]:
        d = builder.fsub(load(source, builder.mul(number, long(used))), centre)
        new = [builder.fadd(old[0], d)]
        for k in range(turns):
            product = builder.fmul(d, turned(d, k), flags=contract)
            new.append(builder.fadd(old[1 + k], product, flags=contract))
        return new

    centre = load(builder.inttoptr(args[2], double.as_pointer()), long(0))
    kept = [load(target, long(i * LANES)) for i in range(1 + turns)]
    zeros = [ir.Constant(vector, [0.0] * LANES)] * (1 + turns)
    entry, loop = builder.block, builder.append_basic_block("rows")
    done = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", args[1], long(0)), loop, done)
    builder.position_at_end(loop)
    index = builder.phi(long)
    # Two chains of sums: one alone would wait for its own additions.
    chains = [[builder.phi(vector) for _ in kept] for _ in range(2)]
    after = [add(chains[0], index), add(chains[1], builder.add(index, long(1)))]
    following = builder.add(index, long(2))
    index.add_incoming(long(0), entry)
    index.add_incoming(following, loop)
    for old, new, first in zip(chains, after, (kept, zeros)):
        for i in range(1 + turns):
            old[i].add_incoming(first[i], entry)
            old[i].add_incoming(new[i], loop)
    builder.cbranch(builder.icmp_signed("<", following, args[1]), loop, done)
    builder.position_at_end(done)
    ends = [[builder.phi(vector) for _ in kept] for _ in range(2)]
    for end, new, first in zip(ends, after, (kept, zeros)):
        for i in range(1 + turns):
            end[i].add_incoming(first[i], entry)
            end[i].add_incoming(new[i], loop)
    for i in range(1 + turns):
        builder.store(
            builder.fadd(ends[0][i], ends[1][i]), place(target, long(i * LANES))
        ).align = 8
    return context.get_dummy_value()


@njit(nogil=True, cache=True)
def dispatch(address: int, vectors: int, centre: int, out: int, p: int) -> None:
    """Call the loop for p columns, 1 <= p <= 8; the width must be a constant in each call."""
    if p == 1:
        vector_sums(address, vectors, centre, out, 1)
    elif p == 2:
        vector_sums(address, vectors, centre, out, 2)
    elif p == 3:
        vector_sums(address, vectors, centre, out, 3)
    elif p == 4:
        vector_sums(address, vectors, centre, out, 4)
    elif p == 5:
        vector_sums(address, vectors, centre, out, 5)
    elif p == 6:
        vector_sums(address, vectors, centre, out, 6)
    elif p == 7:
        vector_sums(address, vectors, centre, out, 7)
    else:
        vector_sums(address, vectors, centre, out, 8)


@njit(nogil=True, cache=True)
def vector_products(x: Array, centre: Array, wide: Array, lanes: Array, s: Array, c: Array) -> None:
    """Add Σd to s (p,) and Σddᵀ to c (p, p), d = row - centre, over contiguous rows x (n, p).

    ``wide`` (8,) and ``lanes`` (6, 8) are scratch. This is the checked wrapper of the raw loop:
    no vector reaches past the last row.
    """
    n, p = x.shape
    rows = LANES // p
    # The last vector may read past its rows, so it must not be the last of the array.
    spare = (LANES - rows * p + p - 1) // p
    vectors = max(0, (n - spare) // rows) // 2 * 2
    lanes[:] = 0.0
    for i in range(LANES):
        wide[i] = centre[i % p]
    dispatch(x.ctypes.data, vectors, wide.ctypes.data, lanes.ctypes.data, p)
    for i in range(rows * p):
        s[i % p] += lanes[0, i]
        for k in range(p // 2 + 1):
            # With p even, half a turn pairs each two columns twice.
            a, b = i % p, (i + k) % p if i + k < (i // p + 1) * p else i % p + k - p
            c[a, b] += lanes[1 + k, i]
            if k > 0 and 2 * k != p:
                c[b, a] += lanes[1 + k, i]
    plain_products(x[vectors * rows :], centre, s, c)


@njit(nogil=True, cache=True)
def plain_products(x: Array, centre: Array, s: Array, c: Array) -> None:
    """Add the same sums by plain loops: for the last rows, and the twin the tests compare."""
    n, p = x.shape
    for row in range(n):
        for i in range(p):
            d = x[row, i] - centre[i]
            s[i] += d
            for j in range(p):
                c[i, j] += d * (x[row, j] - centre[j])


@njit(nogil=True, cache=True)
def fold(
    totals: Array,
    shift: Array,
    mean: Array,
    comoment: Array,
    k: float,
    centre: Array,
    s: Array,
    c: Array,
) -> None:
    """Merge sums about a centre, of weight k, into the state; c is changed."""
    p = len(mean)
    t = totals[1] + k
    a, b = totals[1], k / t
    d = np.empty(p)
    for i in range(p):
        d[i] = ((centre[i] - shift[i]) + s[i] / k) - mean[i]
    for i in range(p):
        for j in range(p):
            comoment[i, j] += (c[i, j] - s[i] * (s[j] / k)) + d[i] * d[j] * (a * b)
    for i in range(p):
        mean[i] += d[i] * b
    totals[1] = t


@njit(nogil=True, cache=True)
def absorb_rows(x: Array, totals: Array, shift: Array, mean: Array, comoment: Array) -> int:
    """Merge contiguous rows (n, p <= 8) into the state, block by block.

    Args:
        x: Rows.
        totals: Count, weight and squared weight.
        shift: The first row (p,).
        mean: Mean less the shift (p,).
        comoment: Σ(x - m)(x - m)ᵀ (p, p).

    Returns:
        -1, or the first row of the first block whose sums are not finite: rows before it are
        merged, it and those after it are not.
    """
    n, p = x.shape
    step = VALUES // p
    s, c, centre = np.empty(p), np.empty((p, p)), np.empty(p)
    wide, lanes = np.empty(LANES), np.empty((2 + WIDEST // 2, LANES))
    for start in range(0, n, step):
        rows = x[start : start + step]
        k = float(len(rows))
        empty = totals[0] == 0.0
        for i in range(p):
            centre[i] = rows[0, i] if empty else shift[i] + mean[i]
        s[:] = 0.0
        c[:] = 0.0
        vector_products(rows, centre, wide, lanes, s, c)
        if empty:
            # The first row may be far from the mean: once more about the block's own.
            first = centre.copy()
            for i in range(p):
                centre[i] += s[i] / k
            s[:] = 0.0
            c[:] = 0.0
            vector_products(rows, centre, wide, lanes, s, c)
        for i in range(p):
            if not (math.isfinite(s[i]) and math.isfinite(c[i, i])):
                return start
        if empty:
            shift[:] = first
        fold(totals, shift, mean, comoment, k, centre, s, c)
        totals[0] += k
        totals[2] += k
    return -1
