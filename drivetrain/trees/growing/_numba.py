"""Kernels of tree growth. A row's gradient pair is one int64: g in the high 32 bits, h in the low.

Integer sums are exact in any order, so a histogram is the same bits however rows are shared
among threads or workers, and a parent's less one child's is exactly the other's.

Node records are rows of a float64 table; its columns:
    GAIN FEATURE BIN DEFAULT_LEFT GL HL G H, then the least and greatest weight a leaf may have
    there, and the weight it has
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

GAIN, FEATURE, BIN, DEFAULT_LEFT, GL, HL, G, H, LOW, HIGH, WEIGHT = range(11)
RECORD = 11
# Positions in the table of rules.
L2, L1, LEAST, STEP, GAMMA, MAX_DEPTH, ONE_HOT, MOST_CATEGORIES = range(8)
MONOTONE, LEVEL, NODE_SHARE = range(8, 11)
RULES = 11
# What only kernels call needs no way in from Python: half of what it takes to compile.
INNER: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
# Rows fetched ahead of their use: a row of bins and its gradient lie at random addresses.
_AHEAD = 12
# As float32 gains, XGBoost's, would have it.
TIE = 2.0**-23

Array = NDArray[np.generic]


@intrinsic
def _prefetch(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Bring the cache line of ``array[index]`` nearer, for reading."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(held.data, [arguments[1]])
        byte = ir.IntType(8).as_pointer()
        word = ir.IntType(32)
        declared = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        )
        builder.call(declared, [builder.bitcast(pointer, byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@njit(nogil=True, cache=True, error_model="numpy")
def gradient_sums(g: Array, h: Array, g_unit: float, h_unit: float) -> tuple[np.int64, np.int64]:
    """Return the sums of |g| and h in whole units: integers, so any order gives the same."""
    a = np.int64(0)
    b = np.int64(0)
    for i in range(len(g)):
        a += np.int64(abs(np.float64(g[i])) * g_unit)
    for i in range(len(h)):
        b += np.int64(np.float64(h[i]) * h_unit)
    return a, b


@njit(nogil=True, cache=True, error_model="numpy")
def pack(
    g: Array,
    h: Array,
    g_scale: np.float32,
    h_scale: np.float32,
    whole: bool,
    seed: np.uint64,
    first: int,
    packed: NDArray[np.int64],
) -> None:
    """Round each pair stochastically to whole steps and pack it.

    The draw depends on the row's number and the tree's seed alone. With ``whole`` the hessians
    are whole numbers already, kept exactly.
    """
    one = len(h) == 1
    for i in range(len(g)):
        own = h[0] if one else h[i]
        z = (np.uint64(first + i) + seed) * np.uint64(0x9E3779B97F4A7C15)
        z ^= z >> np.uint64(32)
        z *= np.uint64(0xD6E8FEB86659FD93)
        u = np.float32(z >> np.uint64(40)) * np.float32(2.0**-24)
        q = np.int64(np.floor(g[i] * g_scale + u))
        if whole:
            w = np.int64(own)
        else:
            v = np.float32((z >> np.uint64(16)) & np.uint64(0xFFFFFF)) * np.float32(2.0**-24)
            w = np.int64(np.floor(own * h_scale + v))
        packed[i] = (q << np.int64(32)) + w


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _add(
    flat: Array,
    at: np.uint64,
    f_end: np.uint64,
    bits: np.uint64,
    pair: np.int64,
    histogram: NDArray[np.int64],
) -> None:
    if bits == np.uint64(8):
        # A constant shift saves a third of the time.
        for f in range(f_end):
            histogram[(f << np.uint64(8)) + np.uint64(flat[at + f])] += pair
    else:
        for f in range(f_end):
            histogram[(f << bits) + np.uint64(flat[at + f])] += pair


@njit(nogil=True, cache=True, error_model="numpy")
def add_rows(
    flat: Array,
    stride: int,
    shift: int,
    features: int,
    packed: NDArray[np.int64],
    rows: NDArray[np.uint32],
    histogram: NDArray[np.int64],
) -> None:
    """Add the pairs of the listed rows to the histogram; every row, in turn, if none is listed."""
    width = np.uint64(stride)
    f_end = np.uint64(features)
    bits = np.uint64(shift)
    if len(rows) == 0:
        for i in range(np.uint64(len(packed))):
            _add(flat, i * width, f_end, bits, packed[i], histogram)
        return
    end = np.uint64(len(rows))
    ahead = np.uint64(_AHEAD)
    for i in range(end):
        if i + ahead < end:
            later = np.uint64(rows[i + ahead])
            _prefetch(flat, later * width)  # type: ignore[call-arg]
            _prefetch(packed, later)  # type: ignore[call-arg]
        row = np.uint64(rows[i])
        _add(flat, row * width, f_end, bits, packed[row], histogram)


@njit(nogil=True, cache=True, error_model="numpy")
def take_rest(parent: NDArray[np.int64], part: NDArray[np.int64], parts: NDArray[np.int64]) -> None:
    """Sum ``parts`` into ``part`` and leave the other child's histogram in ``parent``."""
    for k in range(parts.shape[0]):
        other = parts[k]
        for i in range(len(part)):
            part[i] += other[i]
    for i in range(len(part)):
        parent[i] -= part[i]


@njit(nogil=True, cache=True, error_model="numpy")
def partition(
    column: Array,
    goes_left: NDArray[np.uint8],
    rows: NDArray[np.uint32],
    spare: NDArray[np.uint32],
) -> np.int64:
    """Move the rows that go left to the front, keeping their order; return how many.

    The others are left in ``spare``, in order. Both writes happen for every row, so no branch
    is there to be mispredicted.
    """
    left = np.uint64(0)
    right = np.uint64(0)
    for i in range(np.uint64(len(rows))):
        row = rows[i]
        yes = np.uint64(goes_left[np.uint64(column[np.uint64(row)])])
        rows[left] = row
        spare[right] = row
        left += yes
        right += np.uint64(1) - yes
    return np.int64(left)


@njit(nogil=True, cache=True, error_model="numpy")
def _threshold(value: float, alpha: float) -> float:
    if value > alpha:
        return value - alpha
    if value < -alpha:
        return value + alpha
    return 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def weigh(g: float, h: float, l2: float, l1: float, step: float, low: float, high: float) -> float:
    """Return the leaf weight -T(G)/(H + lambda), clipped to the step and to its bounds."""
    if h <= 0.0:
        return 0.0
    w = -_threshold(g, l1) / (h + l2)
    if step > 0.0:
        w = min(max(w, -step), step)
    return min(max(w, low), high)


@njit(nogil=True, cache=True, error_model="numpy")
def score(
    g: float, h: float, l2: float, l1: float, step: float, low: float, high: float, bounded: bool
) -> float:
    # XGBoost's gain of a node: twice the textbook's, without gamma.
    if h <= 0.0:
        return 0.0
    if step == 0.0 and not bounded:
        t = _threshold(g, l1)
        return t * t / (h + l2)
    w = weigh(g, h, l2, l1, step, low, high)
    return -(2.0 * g * w + (h + l2) * w * w)


@njit(nogil=True, cache=True, error_model="numpy")
def sides(
    record: NDArray[np.float64], shift: int, of_node: NDArray[np.uint8], table: NDArray[np.uint8]
) -> None:
    """Write which codes go left at the node's split: by its bin, or by its table of categories."""
    cut = np.int64(record[BIN])
    if cut < 0:
        for b in range(1 << shift):
            table[b] = of_node[b]
        return
    for b in range(1 << shift):
        table[b] = b <= cut
    table[(1 << shift) - 1] = record[DEFAULT_LEFT] > 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def choose(
    records: NDArray[np.float64],
    left: NDArray[np.int64],
    depth: NDArray[np.int64],
    leaves: int,
    depthwise: bool,
    batch: int,
    pending: NDArray[np.int64],
    front: NDArray[np.int64],
) -> int:
    """Replay growth from the root on what is known; write the chosen nodes not yet split.

    Best-first takes the leaf of greatest gain (ties: the lower node), level-wise the lowest
    node of the least depth. What has been split beforehand and is not chosen drops out of the
    replay, so looking ahead by ``batch`` nodes does not change the tree.

    Returns:
        The number of pending nodes; 0 when the tree is done. ``front`` then holds its leaves
        up to a -1.
    """
    size = 1
    front[0] = 0
    grown = 1
    found = 0
    while grown < leaves:
        pick = -1
        for i in range(size):
            x = front[i]
            if records[x, GAIN] <= 0.0:
                continue
            if pick < 0:
                pick = i
                continue
            y = front[pick]
            if depthwise:
                better = depth[x] < depth[y] or (depth[x] == depth[y] and x < y)
            else:
                gain, held = records[x, GAIN], records[y, GAIN]
                better = gain > held or (gain == held and x < y)
            if better:
                pick = i
        if pick < 0:
            break
        x = front[pick]
        size -= 1
        front[pick] = front[size]
        grown += 1
        if left[x] < 0:
            pending[found] = x
            found += 1
            if found == batch:
                break
        else:
            front[size] = left[x]
            front[size + 1] = left[x] + 1
            size += 2
    front[size] = -1
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def leaf_sums(
    g: Array, h: Array, rows: NDArray[np.uint32], g_unit: float, h_unit: float
) -> tuple[np.int64, np.int64]:
    """Return a leaf's sums of g and h in fine whole units: exact, in any order."""
    a = np.int64(0)
    b = np.int64(0)
    one = len(h) == 1
    for i in range(len(rows)):
        row = np.uint64(rows[i])
        a += np.int64(np.float64(g[row]) * g_unit)
        b += np.int64(np.float64(h[0] if one else h[row]) * h_unit)
    return a, b


@njit(nogil=True, cache=True, error_model="numpy")
def add_value(margin: Array, rows: NDArray[np.uint32], value: float) -> None:
    """Add a leaf's value to the margin of its rows."""
    for i in range(len(rows)):
        margin[np.uint64(rows[i])] += value
