"""Kernels of averaged SGD: the path, its random scaling, its batch sums, the plug-in moments.

All state lies in float64 arrays that the kernels change in place, so stopping after any sample and
going on later gives the same bits. ``BLOCK`` steps are gathered before a matrix is touched: the
O(p²) work is then one symmetric product of rank BLOCK.

Path state, P coordinates, s averaged steps so far, of which the last ``s % BLOCK`` lie in an open
block: ``anchor`` is β̄ at the end of the last closed block, as near as a float comes to it;
``sums`` = Σ (β_t - anchor) over all steps, which equals s·(β̄_s - anchor), the column that random
scaling needs: one addition a step, and no division. Only differences of iterates enter, so a far
path keeps its digits.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
BLOCK = 192
# Columns lie 1600 bytes apart: a multiple of 512 would crowd them into few of the cache's sets.
PADDED = 200
SQUARED, HUBER, QUANTILE, LOGISTIC, HINGE = range(5)
STAGE = 8
SCALING, DIAGONAL, PLUG_IN, BATCHES = 1, 2, 4, 8
WARM_UP = 32
# pow costs a quarter of a step of five coordinates, so late gains come from a series about the
# last multiple of SPAN: equal to pow within an ulp or two, and a function of k alone.
SPAN, SERIES_FROM, TERMS = 64, 4096, 9
STEPS, AVERAGED, LENGTH, WEIGHED = range(4)
MEAN_SQUARE, MEAN_MISS, SPREAD = range(3)
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
    anchor: Array,
    sums: Array,
    scaling: Array,
    moment: Array,
) -> None:
    """Fold the open block of random scaling into its matrix and move the anchor to β̄.

    With m the anchor, ``scaling`` = Σ s²(β̄_s - m)(β̄_s - m)ᵀ (lower triangle) and
    ``moment`` = Σ s²(β̄_s - m). Moving m by any δ: D - uδᵀ - δuᵀ + c·δδᵀ, u - c·δ, c = Σ s².
    """
    p = anchor.shape[0]
    add_products(columns, rows, scaling)
    first = count - rows + 1
    for i in range(p):
        run = columns[i, :rows]
        total = 0.0
        for s in range(rows):
            total += run[s] * (first + s)
        moment[i] += total
    n = float(count)
    c = n * (n + 1.0) * (2.0 * n + 1.0) / 6.0
    delta, half = np.empty(p), np.empty(p)
    move_anchor(count, anchor, sums, delta)
    for i in range(p):
        half[i] = moment[i] - 0.5 * c * delta[i]
        moment[i] -= c * delta[i]
    for i in range(p):
        # D_ij loses u_i·δ_j + δ_i·u_j - c·δ_i·δ_j = (u_i - c·δ_i/2)·δ_j + δ_i·(u_j - c·δ_j/2).
        line, half_i, delta_i = scaling[i], half[i], delta[i]
        for j in range(i + 1):
            line[j] -= half_i * delta[j] + delta_i * half[j]


@njit(cache=True, fastmath=_FAST, nogil=True)
def close_diagonal(count: int, anchor: Array, sums: Array, scaling: Array, moment: Array) -> None:
    """Move the anchor to β̄ where only the diagonal of random scaling, (1, P), is kept."""
    p = anchor.shape[0]
    n = float(count)
    c = n * (n + 1.0) * (2.0 * n + 1.0) / 6.0
    delta = np.empty(p)
    move_anchor(count, anchor, sums, delta)
    for i in range(p):
        scaling[0, i] += delta[i] * (c * delta[i] - 2.0 * moment[i])
        moment[i] -= c * delta[i]


@njit(cache=True, nogil=True)
def move_anchor(count: int, anchor: Array, sums: Array, delta: Array) -> None:
    """Move the anchor to the float nearest to β̄; ``delta`` becomes the step it really made."""
    # Without fastmath: reassociated, (anchor + δ) - anchor would be δ, which it is not.
    for i in range(anchor.shape[0]):
        moved = anchor[i] + sums[i] / count
        delta[i] = moved - anchor[i]
        anchor[i] = moved
        sums[i] -= count * delta[i]


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
    count: int,
    columns: Array,
    anchor: Array,
    sums: Array,
    scaling: Array,
    moment: Array,
) -> int:
    """Feed iterates, (m, P), to random scaling; return the new count."""
    for t in range(path.shape[0]):
        at = count % BLOCK
        if count == 0:
            anchor[:] = path[t]
        for i in range(path.shape[1]):
            sums[i] += path[t, i] - anchor[i]
            columns[i, at] = sums[i]
        count += 1
        if at == BLOCK - 1:
            close_block(count, BLOCK, columns, anchor, sums, scaling, moment)
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


@njit(cache=True, nogil=True, inline="always")
def loss_slope(loss: int, shape: float, y: float, margin: float) -> float:
    """Return dℓ/d(margin). Labels of the classifiers' losses are -1 and 1."""
    if loss == SQUARED:
        return margin - y
    if loss == HUBER:
        return min(max(margin - y, -shape), shape)
    if loss == QUANTILE:
        return (1.0 if y <= margin else 0.0) - shape
    if loss == LOGISTIC:
        z = y * margin
        # exp of a negative number only, so that it cannot overflow
        return -y * math.exp(-z) / (1.0 + math.exp(-z)) if z > 0.0 else -y / (1.0 + math.exp(z))
    return -y if y * margin <= 1.0 else 0.0


@njit(cache=True, nogil=True)
def loss_curvature(loss: int, shape: float, y: float, margin: float, bandwidth: float) -> float:
    """Return d²ℓ/d(margin)²; for a kinked loss its kernel estimate, a Gaussian at the kink."""
    if loss == SQUARED:
        return 1.0
    if loss == HUBER:
        return 1.0 if abs(margin - y) <= shape else 0.0
    if loss == LOGISTIC:
        e = math.exp(-abs(margin))
        return e / ((1.0 + e) * (1.0 + e))
    if bandwidth <= 0.0:
        return 0.0
    z = (y - margin if loss == QUANTILE else 1.0 - y * margin) / bandwidth
    return math.exp(-0.5 * z * z) / (bandwidth * math.sqrt(2.0 * math.pi))


@njit(cache=True, nogil=True, inline="always")
def gain_at(k: int, gain: Array) -> float:
    """Return a·log(max(k, 2))^β / (k + A)^α, by the C library's pow as scikit-learn does."""
    numerator = gain[0]
    if gain[3] != 0.0:
        numerator *= math.pow(math.log(max(float(k), 2.0)), gain[3])
    if gain[1] == 0.0:
        return numerator
    return numerator / math.pow(k + gain[2], gain[1])


@njit(cache=True, nogil=True)
def binomial(alpha: float, series: Array) -> None:
    """Fill in the coefficients of (1 + t)^-α."""
    series[0] = 1.0
    for j in range(1, series.shape[0]):
        series[j] = series[j - 1] * (1.0 - alpha - j) / j


@njit(cache=True, nogil=True, inline="always")
def gain_near(ahead: int, inverse: float, near: float, series: Array) -> float:
    """Return near·(1 + t)^-α by its series, t = ahead / base, ``near`` the gain at the base.

    |t| < 2^-6 where it is used, so what the ninth term and later add is below 2^-54.
    """
    t = ahead * inverse
    total = series[TERMS - 1]
    for j in range(TERMS - 2, -1, -1):
        total = total * t + series[j]
    return near * total


@njit(cache=True, fastmath=_FAST, nogil=True, inline="always")
def inner(x: Array, beta: Array) -> float:
    """Return x·β over the features of x."""
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j] * beta[j]
    return total


@njit(cache=True, nogil=True)
def stage_out(stage: Array, at: int, columns: Array) -> None:
    """Write the staged rows of steps up to ``at`` (excluded) into their columns.

    A row a step, eight rows a write: a column then gets a whole cache line at once.
    """
    rows = (at - 1) % STAGE + 1
    first = at - rows
    if rows < STAGE:
        for j in range(columns.shape[0]):
            for r in range(rows):
                columns[j, first + r] = stage[r, j]
        return
    r0, r1, r2, r3 = stage[0], stage[1], stage[2], stage[3]
    r4, r5, r6, r7 = stage[4], stage[5], stage[6], stage[7]
    for j in range(columns.shape[0]):
        line = columns[j, first : first + STAGE]
        v0, v1, v2, v3 = r0[j], r1[j], r2[j], r3[j]
        v4, v5, v6, v7 = r4[j], r5[j], r6[j], r7[j]
        line[0] = v0
        line[1] = v1
        line[2] = v2
        line[3] = v3
        line[4] = v4
        line[5] = v5
        line[6] = v6
        line[7] = v7


@njit(cache=True, nogil=True)
def stage_in(stage: Array, at: int, columns: Array) -> None:
    """Take back the rows that were written out before a whole stage was full."""
    rows = at % STAGE
    for r in range(rows):
        for j in range(columns.shape[0]):
            stage[r, j] = columns[j, at - rows + r]


@njit(cache=True, fastmath=_FAST, nogil=True)
def gather_moments(
    x: Array,
    y: float,
    weight: float,
    loss: int,
    shape: float,
    l2: float,
    counts: NDArray[np.int64],
    scales: Array,
    anchor: Array,
    sums: Array,
    root_row: Array,
    gradient_row: Array,
) -> None:
    """Write √h·x and the gradient at the running mean β̄_{s-1} for one sample."""
    p, s = x.shape[0], counts[AVERAGED]
    ago = 1.0 / s if s > 0 else 0.0
    margin = inner(x, anchor) + ago * inner(x, sums)
    if anchor.shape[0] > p:
        margin += float(anchor[p] + ago * sums[p])
    d = weight * loss_slope(loss, shape, y, margin)
    bandwidth = 0.0
    kinked = loss in (QUANTILE, HINGE)
    if kinked:
        miss = abs(y - margin if loss == QUANTILE else 1.0 - y * margin)
        scales[SPREAD] += (miss - scales[SPREAD]) / (s + 1.0)
        # Mean deviation x 1.25 is the standard deviation of a normal law; s^-1/3 undersmooths,
        # which keeps the bias of the density below its noise.
        bandwidth = 1.06 * 1.2533 * scales[SPREAD] * math.pow(s + 1.0, -1.0 / 3.0)
    root = 0.0
    if not kinked or s >= WARM_UP:  # before that the bandwidth is a guess
        counts[WEIGHED] += 1
        root = math.sqrt(weight * loss_curvature(loss, shape, y, margin, bandwidth))
    for j in range(p):
        root_row[j] = root * x[j]
        gradient_row[j] = d * x[j] + l2 * (anchor[j] + ago * sums[j])
    if anchor.shape[0] > p:
        root_row[p] = root
        gradient_row[p] = d


@njit(cache=True, fastmath=_FAST, nogil=True)
def run(
    X: Array,
    y: Array,
    weights: Array,
    order: NDArray[np.int64],
    loss: int,
    shape: float,
    gain: Array,
    normalise: bool,
    l2: float,
    burn_in: int,
    wanted: int,
    guard: bool,
    counts: NDArray[np.int64],
    scales: Array,
    beta: Array,
    start: Array,
    anchor: Array,
    sums: Array,
    columns: Array,
    scaling: Array,
    moment: Array,
    roots: Array,
    gradients: Array,
    hessian: Array,
    outer: Array,
    batch_sums: Array,
) -> int:
    """Take one step for each sample; return the first at which it diverges, or -1.

    ``order`` and ``weights`` may be empty: rows as they come, all of weight 1. On divergence the
    state is that before the sample.
    """
    p, size = X.shape[1], beta.shape[0]
    steps = order.shape[0] if order.shape[0] else X.shape[0]
    s, k = counts[AVERAGED], counts[STEPS]
    full, plug = wanted & SCALING, wanted & PLUG_IN
    stage = np.zeros((STAGE, size))
    # Row t % STAGE of the stage holds ``sums`` after step t of the block: the next step reads it
    # there, so that ``sums`` itself is not touched in between.
    stage[(s % BLOCK + STAGE - 1) % STAGE] = sums
    root_stage = np.zeros((STAGE if plug else 0, size))
    gradient_stage = np.zeros((STAGE if plug else 0, size))
    if full and s % STAGE:
        stage_in(stage, s % BLOCK, columns)
    if plug:
        stage_in(root_stage, s % BLOCK, roots)
        stage_in(gradient_stage, s % BLOCK, gradients)
    series = np.empty(TERMS)
    binomial(gain[1], series)
    serial, inverse, near = gain[1] > 0.0 and gain[3] == 0.0, 0.0, -1.0
    diverged = -1
    for i in range(steps):
        row = order[i] if order.shape[0] else i
        x = X[row]
        target = y[row]
        weight = weights[row] if weights.shape[0] else 1.0
        margin = inner(x, beta)
        if size > p:
            margin += float(beta[p])
        slope = loss_slope(loss, shape, target, margin)
        if guard and not (abs(slope) <= 1e12 * (1.0 + abs(target)) and abs(margin) <= 1e150):
            diverged = i
            break
        k += 1
        if serial and k >= SERIES_FROM:
            ahead = k % SPAN
            if near < 0.0 or ahead == 0:
                inverse, near = 1.0 / (k - ahead + gain[2]), gain_at(k - ahead, gain)
            rate = gain_near(ahead, inverse, near, series)
        else:
            rate = gain_at(k, gain)
        if normalise:
            square = inner(x, x) + (size - p)
            scales[MEAN_SQUARE] += (square - scales[MEAN_SQUARE]) / k
            rate = rate / scales[MEAN_SQUARE] if scales[MEAN_SQUARE] > 0.0 else 0.0
            if loss == QUANTILE:
                scales[MEAN_MISS] += (abs(target - margin) - scales[MEAN_MISS]) / k
                rate *= scales[MEAN_MISS]
        change = -rate * slope * weight
        shrink = max(0.0, 1.0 - rate * l2)
        if k <= burn_in:
            for j in range(p):
                beta[j] = beta[j] * shrink + change * x[j]
            if size > p:
                beta[p] += change
            if k == burn_in:
                start[:] = beta
                anchor[:] = beta
            continue
        at = s % BLOCK
        column, before = stage[at % STAGE], stage[(at + STAGE - 1) % STAGE]
        if plug:
            counts[AVERAGED] = s
            gather_moments(
                x,
                target,
                weight,
                loss,
                shape,
                l2,
                counts,
                scales,
                anchor,
                before,
                root_stage[at % STAGE],
                gradient_stage[at % STAGE],
            )
        if s == 0:
            # The mean of one is that one: about it the first block has no offset to cancel.
            for j in range(p):
                anchor[j] = beta[j] * shrink + change * x[j]
            if size > p:
                anchor[p] = beta[p] + change
        for j in range(p):
            value = beta[j] * shrink + change * x[j]
            beta[j] = value
            column[j] = before[j] + (value - anchor[j])
        if size > p:
            beta[p] += change
            column[p] = before[p] + (beta[p] - anchor[p])
        s += 1
        if wanted & DIAGONAL:
            for j in range(size):
                scaling[0, j] += column[j] * column[j]
                moment[j] += s * column[j]
        if wanted & BATCHES:
            unit = (s - 1) // counts[LENGTH]
            if unit == batch_sums.shape[0]:
                merge_pairs(batch_sums)
                counts[LENGTH] *= 2
                unit = (s - 1) // counts[LENGTH]
            batch = batch_sums[unit]
            for j in range(size):
                batch[j] += beta[j] - start[j]
        if at % STAGE == STAGE - 1:
            if full:
                stage_out(stage, at + 1, columns)
            if plug:
                stage_out(root_stage, at + 1, roots)
                stage_out(gradient_stage, at + 1, gradients)
        if at == BLOCK - 1:
            if plug:
                add_products(roots, BLOCK, hessian)
                add_products(gradients, BLOCK, outer)
            # Block and stage end together: the last row is ``column``, which the next step reads.
            if full:
                close_block(s, BLOCK, columns, anchor, column, scaling, moment)
            elif wanted & DIAGONAL:
                close_diagonal(s, anchor, column, scaling, moment)
            else:
                move_anchor(s, anchor, column, stage[0])
    counts[AVERAGED], counts[STEPS] = s, k
    open_rows = s % BLOCK
    sums[:] = stage[(open_rows + STAGE - 1) % STAGE]
    if open_rows % STAGE:
        if full:
            stage_out(stage, open_rows, columns)
        if plug:
            stage_out(root_stage, open_rows, roots)
            stage_out(gradient_stage, open_rows, gradients)
    return diverged
