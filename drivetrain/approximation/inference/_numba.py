"""Kernels of averaged SGD: the path, its random scaling, its batch sums, the plug-in moments.

All state lies in float64 arrays that the kernels change in place, so stopping after any sample and
going on later gives the same bits. ``BLOCK`` steps are gathered before a matrix is touched: the
O(p²) work is then one symmetric product of rank BLOCK.

Path state, P coordinates, s averaged steps so far, of which the last ``s % BLOCK`` lie in an open
block. Everything is kept relative to ``start``, so a far path keeps its digits: ``centre`` is the
mean of β_t - start at the end of the last closed block; ``sums`` = Σ (β_t - start - centre) over
the open block, which equals s·(β̄_s - start - centre), the column that random scaling needs: one
addition a step, and no division.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
BLOCK = 64
_FAST = {"contract", "nsz", "reassoc"}


@njit(cache=True, fastmath=_FAST, nogil=True)
def add_products(columns: Array, rows: int, matrix: Array) -> None:
    """Add Σ_s columns[:, s]·columns[:, s]ᵀ, s < rows, to the lower triangle of matrix.

    ``columns`` is (P, BLOCK): each coordinate's run of steps is contiguous, so the sums over steps
    fill vector registers; tiles of 4 x 4 coordinates load each run once for four products.
    """
    p = matrix.shape[0]
    whole = p - p % 4
    for i in range(0, whole, 4):
        a0 = columns[i, :rows]
        a1 = columns[i + 1, :rows]
        a2 = columns[i + 2, :rows]
        a3 = columns[i + 3, :rows]
        for j in range(0, i + 1, 4):
            b0 = columns[j, :rows]
            b1 = columns[j + 1, :rows]
            b2 = columns[j + 2, :rows]
            b3 = columns[j + 3, :rows]
            t00 = t01 = t02 = t03 = 0.0
            t10 = t11 = t12 = t13 = 0.0
            t20 = t21 = t22 = t23 = 0.0
            t30 = t31 = t32 = t33 = 0.0
            for s in range(rows):
                t00 += a0[s] * b0[s]
                t01 += a0[s] * b1[s]
                t02 += a0[s] * b2[s]
                t03 += a0[s] * b3[s]
                t10 += a1[s] * b0[s]
                t11 += a1[s] * b1[s]
                t12 += a1[s] * b2[s]
                t13 += a1[s] * b3[s]
                t20 += a2[s] * b0[s]
                t21 += a2[s] * b1[s]
                t22 += a2[s] * b2[s]
                t23 += a2[s] * b3[s]
                t30 += a3[s] * b0[s]
                t31 += a3[s] * b1[s]
                t32 += a3[s] * b2[s]
                t33 += a3[s] * b3[s]
            matrix[i, j] += t00
            matrix[i, j + 1] += t01
            matrix[i, j + 2] += t02
            matrix[i, j + 3] += t03
            matrix[i + 1, j] += t10
            matrix[i + 1, j + 1] += t11
            matrix[i + 1, j + 2] += t12
            matrix[i + 1, j + 3] += t13
            matrix[i + 2, j] += t20
            matrix[i + 2, j + 1] += t21
            matrix[i + 2, j + 2] += t22
            matrix[i + 2, j + 3] += t23
            matrix[i + 3, j] += t30
            matrix[i + 3, j + 1] += t31
            matrix[i + 3, j + 2] += t32
            matrix[i + 3, j + 3] += t33
    for i in range(whole, p):
        a0 = columns[i, :rows]
        for j in range(i + 1):
            b0 = columns[j, :rows]
            t00 = 0.0
            for s in range(rows):
                t00 += a0[s] * b0[s]
            matrix[i, j] += t00


@njit(cache=True, fastmath=_FAST, nogil=True)
def close_block(
    count: int,
    rows: int,
    columns: Array,
    centre: Array,
    sums: Array,
    scaling: Array,
    moment: Array,
) -> None:
    """Fold the open block of random scaling into its matrix and move the centre to β̄.

    With m the centre, ``scaling`` = Σ s²(β̄_s - m)(β̄_s - m)ᵀ (lower triangle) and
    ``moment`` = Σ s²(β̄_s - m). Moving m by δ: D - uδᵀ - δuᵀ + c·δδᵀ, u - c·δ, c = Σ s².
    """
    p = centre.shape[0]
    add_products(columns, rows, scaling)
    first = count - rows + 1
    n = float(count)
    c = n * (n + 1.0) * (2.0 * n + 1.0) / 6.0
    for i in range(p):
        run = columns[i, :rows]
        total = 0.0
        for s in range(rows):
            total += run[s] * (first + s)
        moment[i] += total
    for i in range(p):
        delta = sums[i] / n
        half = moment[i] - 0.5 * c * delta
        # D_ij loses u_i·δ_j + δ_i·u_j - c·δ_i·δ_j = (u_i - c·δ_i/2)·δ_j + δ_i·(u_j - c·δ_j/2).
        for j in range(i + 1):
            delta_j = sums[j] / n
            scaling[i, j] -= half * delta_j + delta * (moment[j] - 0.5 * c * delta_j)
    for i in range(p):
        delta = sums[i] / n
        moment[i] -= c * delta
        centre[i] += delta
        sums[i] = 0.0


@njit(cache=True, nogil=True)
def move_centre(count: int, centre: Array, sums: Array) -> None:
    """Close a block where no random scaling is wanted: the centre becomes β̄."""
    for i in range(centre.shape[0]):
        centre[i] += sums[i] / count
        sums[i] = 0.0


@njit(cache=True, nogil=True)
def merge_pairs(batch_sums: Array) -> None:
    """Add neighbouring batches, so that half the rows hold batches twice as long."""
    half = batch_sums.shape[0] // 2
    for b in range(half):
        for i in range(batch_sums.shape[1]):
            batch_sums[b, i] = batch_sums[2 * b, i] + batch_sums[2 * b + 1, i]
    batch_sums[half:] = 0.0


@njit(cache=True, nogil=True)
def push_scaling(
    path: Array,
    start: Array,
    count: int,
    columns: Array,
    centre: Array,
    sums: Array,
    scaling: Array,
    moment: Array,
) -> int:
    """Feed iterates, (m, P), to random scaling; return the new count."""
    for t in range(path.shape[0]):
        at = count % BLOCK
        for i in range(path.shape[1]):
            sums[i] += (path[t, i] - start[i]) - centre[i]
            columns[i, at] = sums[i]
        count += 1
        if at == BLOCK - 1:
            close_block(count, BLOCK, columns, centre, sums, scaling, moment)
    return count


@njit(cache=True, nogil=True)
def push_batches(
    path: Array, reference: Array, count: int, length: int, batch_sums: Array
) -> tuple[int, int]:
    """Feed iterates, (m, P), to the batch sums; return the new count and batch length."""
    for t in range(path.shape[0]):
        row = count // length
        if row == batch_sums.shape[0]:
            merge_pairs(batch_sums)
            length *= 2
            row = count // length
        for i in range(path.shape[1]):
            batch_sums[row, i] += path[t, i] - reference[i]
        count += 1
    return count, length
