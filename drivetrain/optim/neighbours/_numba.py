# mypy: allow-untyped-defs, disable-error-code="call-arg"
"""CPU kernels of Adam's neighbours: one launch steps every tensor of a group.

Raw-pointer kernels behind ``plan.py``. Products and sums are fused exactly where torch's own
operations fuse them, and every division divides.
"""

import numpy as np
from numba import carray, njit

from drivetrain.optim._numba import GRAD, PARAM, STATE, fmuladd, pointer


@njit(error_model="numpy")
def _descend(kind, size, chunks, rows, case_of, cases, low, high):
    for c in range(low, high):
        row, start, n = chunks[c, 0], chunks[c, 1] * size, chunks[c, 2]
        case = cases[case_of[row]]
        factor, l2, minus_lr = kind(case[0]), kind(case[1]), kind(-case[2])
        p = carray(pointer(rows[row, PARAM] + start, kind), n)
        g = carray(pointer(rows[row, GRAD] + start, kind), n)
        if l2 == 0:
            for i in range(n):
                p[i] = fmuladd(minus_lr, g[i] * factor, p[i])
        else:
            for i in range(n):
                p[i] = fmuladd(minus_lr, fmuladd(l2, p[i], g[i] * factor), p[i])


@njit(cache=True, nogil=True, error_model="numpy")
def descend_float32(chunks, rows, case_of, cases, low, high):
    """SGD without momentum; columns p, g; cases sign, L2, lr."""
    _descend(np.float32, 4, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def descend_float64(chunks, rows, case_of, cases, low, high):
    """SGD without momentum, in float64."""
    _descend(np.float64, 8, chunks, rows, case_of, cases, low, high)


@njit(error_model="numpy")
def _momentum(kind, size, chunks, rows, case_of, cases, low, high):
    for c in range(low, high):
        row, start, n = chunks[c, 0], chunks[c, 1] * size, chunks[c, 2]
        case = cases[case_of[row]]
        factor, l2, minus_lr = kind(case[0]), kind(case[1]), kind(-case[2])
        momentum, fresh, nesterov = kind(case[3]), kind(case[4]), case[5] != 0
        first = case[6] != 0
        p = carray(pointer(rows[row, PARAM] + start, kind), n)
        g = carray(pointer(rows[row, GRAD] + start, kind), n)
        b = carray(pointer(rows[row, STATE] + start, kind), n)
        # The loops differ by what the whole tensor shares; a branch inside would not vectorise.
        if first:
            for i in range(n):
                gi = fmuladd(l2, p[i], g[i] * factor) if l2 != 0 else g[i] * factor
                b[i] = gi
                p[i] = fmuladd(minus_lr, fmuladd(momentum, gi, gi) if nesterov else gi, p[i])
        elif nesterov:
            for i in range(n):
                gi = fmuladd(l2, p[i], g[i] * factor) if l2 != 0 else g[i] * factor
                bi = fmuladd(fresh, gi, b[i] * momentum)
                b[i] = bi
                p[i] = fmuladd(minus_lr, fmuladd(momentum, bi, gi), p[i])
        else:
            for i in range(n):
                gi = fmuladd(l2, p[i], g[i] * factor) if l2 != 0 else g[i] * factor
                bi = fmuladd(fresh, gi, b[i] * momentum)
                b[i] = bi
                p[i] = fmuladd(minus_lr, bi, p[i])


@njit(cache=True, nogil=True, error_model="numpy")
def momentum_float32(chunks, rows, case_of, cases, low, high):
    """SGD with momentum; columns p, g, b; cases sign, L2, lr, μ, 1 − τ, Nesterov, first step."""
    _momentum(np.float32, 4, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def momentum_float64(chunks, rows, case_of, cases, low, high):
    """SGD with momentum, in float64."""
    _momentum(np.float64, 8, chunks, rows, case_of, cases, low, high)


@njit(error_model="numpy")
def _lion(kind, size, chunks, rows, case_of, cases, low, high):
    for c in range(low, high):
        row, start, n = chunks[c, 0], chunks[c, 1] * size, chunks[c, 2]
        case = cases[case_of[row]]
        factor, shrink, lr = kind(case[0]), kind(case[1]), kind(case[2])
        beta1, rest1, beta2, rest2 = kind(case[3]), kind(case[4]), kind(case[5]), kind(case[6])
        zero = kind(0)
        p = carray(pointer(rows[row, PARAM] + start, kind), n)
        g = carray(pointer(rows[row, GRAD] + start, kind), n)
        m = carray(pointer(rows[row, STATE] + start, kind), n)
        for i in range(n):
            gi, mi = g[i] * factor, m[i]
            u = fmuladd(rest1, gi, mi * beta1)
            # sign(u) times lr: 0 where u is 0, and NaN where u is NaN.
            move = lr if u > zero else (-lr if u < zero else u)
            p[i] = p[i] * shrink - move
            m[i] = fmuladd(rest2, gi, mi * beta2)


@njit(cache=True, nogil=True, error_model="numpy")
def lion_float32(chunks, rows, case_of, cases, low, high):
    """Lion; columns p, g, m; cases sign, 1 − lr·λ, lr, β1, 1 − β1, β2, 1 − β2."""
    _lion(np.float32, 4, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def lion_float64(chunks, rows, case_of, cases, low, high):
    """Lion in float64."""
    _lion(np.float64, 8, chunks, rows, case_of, cases, low, high)


@njit(error_model="numpy")
def _schedule_free(kind, size, chunks, rows, case_of, cases, low, high):
    for k in range(low, high):
        row, start, n = chunks[k, 0], chunks[k, 1] * size, chunks[k, 2]
        case = cases[case_of[row]]
        factor, decay, minus_lr = kind(case[0]), kind(case[1]), kind(-case[2])
        beta2, rest2, eps = kind(case[3]), kind(case[4]), kind(case[5])
        correction, c, pull = kind(case[6]), kind(case[7]), kind(case[8])
        half, rest_c = kind(0.5), kind(case[7] - 1)
        y = carray(pointer(rows[row, PARAM] + start, kind), n)
        g = carray(pointer(rows[row, GRAD] + start, kind), n)
        z = carray(pointer(rows[row, STATE] + start, kind), n)
        v = carray(pointer(rows[row, STATE + 1] + start, kind), n)
        for i in range(n):
            gi, yi, zi = g[i] * factor, y[i], z[i]
            vi = fmuladd(rest2 * gi, gi, v[i] * beta2)
            v[i] = vi
            u = gi / (np.sqrt(vi / correction) + eps)
            u = fmuladd(decay, yi, u) if decay != 0 else u
            # torch's lerp starts from the nearer end.
            yi = fmuladd(c, zi - yi, yi) if c < half else fmuladd(rest_c, zi - yi, zi)
            y[i] = fmuladd(pull, u, yi)
            z[i] = fmuladd(minus_lr, u, zi)


@njit(cache=True, nogil=True, error_model="numpy")
def schedule_free_float32(chunks, rows, case_of, cases, low, high):
    """Schedule-free AdamW; columns y, g, z, v.

    Cases sign, λ, γ, β2, 1 − β2, ε, 1 − β2^t, c, γ(β1(1 − c) − 1).
    """
    _schedule_free(np.float32, 4, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def schedule_free_float64(chunks, rows, case_of, cases, low, high):
    """Schedule-free AdamW in float64."""
    _schedule_free(np.float64, 8, chunks, rows, case_of, cases, low, high)


@njit(error_model="numpy")
def _nadam(kind, size, chunks, rows, case_of, cases, low, high):
    for c in range(low, high):
        row, start, n = chunks[c, 0], chunks[c, 1] * size, chunks[c, 2]
        case = cases[case_of[row]]
        factor, l2, shrink = kind(case[0]), kind(case[1]), kind(case[2])
        lerp, beta2, rest2, eps = kind(case[3]), kind(case[4]), kind(case[5]), kind(case[6])
        correction, of_g, of_m = kind(case[7]), kind(case[8]), kind(case[9])
        half, minus_beta1 = kind(0.5), kind(case[3] - 1)
        p = carray(pointer(rows[row, PARAM] + start, kind), n)
        g = carray(pointer(rows[row, GRAD] + start, kind), n)
        m = carray(pointer(rows[row, STATE] + start, kind), n)
        v = carray(pointer(rows[row, STATE + 1] + start, kind), n)
        for i in range(n):
            gi, mi, pi = g[i] * factor, m[i], p[i]
            gi = fmuladd(l2, pi, gi) if l2 != 0 else gi
            mi = fmuladd(lerp, gi - mi, mi) if lerp < half else fmuladd(minus_beta1, gi - mi, gi)
            vi = fmuladd(rest2 * gi, gi, v[i] * beta2)
            m[i] = mi
            v[i] = vi
            d = np.sqrt(vi / correction) + eps
            p[i] = pi * shrink + (of_g * gi) / d + (of_m * mi) / d


@njit(cache=True, nogil=True, error_model="numpy")
def nadam_float32(chunks, rows, case_of, cases, low, high):
    """NAdam; columns p, g, m, v.

    Cases sign, L2, 1 − lr·λ, 1 − β1, β2, 1 − β2, ε, 1 − β2^t, factors of g and of m.
    """
    _nadam(np.float32, 4, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def nadam_float64(chunks, rows, case_of, cases, low, high):
    """NAdam in float64."""
    _nadam(np.float64, 8, chunks, rows, case_of, cases, low, high)


# Compiled in here: drivetrain.optim._numba 5ebf5120274e64c1
