"""Kernels of Shapley values: rows side by side on the vector lanes, leaf after leaf.

A leaf of value v is reached by those features whose conditions hold. With o_i = 1 where the
row satisfies feature i's condition, z_i the share of the cover that does, and d conditions,

    phi_i = v (o_i - z_i) ∫_0^1 Π_{j != i} (z_j (1 - t) + o_j t) dt,

a polynomial of degree d - 1, which Gauss-Legendre integrates exactly at ceil(d/2) points. The
coefficients of a point and condition are a = z (1 - t) + o t and r = (o - z) / a, for o = 0 and
the step to o = 1. Where a = 0 the product is 0 and r is set to 0.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 32
_FAST = {"reassoc", "contract", "nsz"}

Singles = NDArray[np.float32]


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def hold(
    x: Singles,
    begin: int,
    end: int,
    feature: NDArray[np.int32],
    low: Singles,
    high: Singles,
    absent: NDArray[np.bool_],
    table: NDArray[np.int64],
    tables: NDArray[np.bool_],
    holds: Singles,
) -> None:
    """Write 1 where a row satisfies a condition of the leaf, else 0; (conditions, LANES)."""
    last = tables.shape[1] - 1
    for k in range(begin, end):
        own = x[feature[k]]
        out = holds[k - begin]
        gone = np.float32(1.0) if absent[k] else np.float32(0.0)
        if table[k] >= 0:
            row = tables[table[k]]
            for i in range(LANES):
                v = own[i]
                if v != v:
                    out[i] = gone
                else:
                    c = np.int64(v)
                    yes = row[c] if 0 <= c < last else row[last]
                    out[i] = np.float32(1.0) if yes else np.float32(0.0)
        else:
            a = low[k]
            b = high[k]
            for i in range(LANES):
                v = own[i]
                inside = np.float32(1.0) if (v >= a) & (v < b) else np.float32(0.0)
                out[i] = inside if v == v else gone


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def attribute(
    x: Singles,
    first: int,
    last: int,
    offsets: NDArray[np.int64],
    feature: NDArray[np.int32],
    low: Singles,
    high: Singles,
    absent: NDArray[np.bool_],
    table: NDArray[np.int64],
    tables: NDArray[np.bool_],
    places: NDArray[np.int64],
    coefficients: Singles,
    points: Singles,
    holds: Singles,
    sums: Singles,
    product: Singles,
    phi: NDArray[np.float64],
) -> None:
    """Add the leaves' parts to the Shapley values of a block of rows, (F, LANES).

    Args:
        x: The block's values by feature, (F, LANES).
        first: First leaf.
        last: Last leaf but one.
        offsets: Where each leaf's conditions begin.
        feature: Feature of each condition.
        low: Least value of each condition.
        high: Bound of each condition.
        absent: Whether missing satisfies it.
        table: Row of the table of categories, or -1.
        tables: The tables.
        places: Where each leaf's points and coefficients begin, (L + 1, 2).
        coefficients: Of each point and condition: a0, a1, r0, r1.
        points: Weight of each point times the leaf's value.
        holds: Room, (conditions, LANES).
        sums: Room, (conditions, LANES).
        product: Room, (LANES,).
        phi: What is added to.
    """
    for leaf in range(first, last):
        begin, end = offsets[leaf], offsets[leaf + 1]
        d = end - begin
        hold(x, begin, end, feature, low, high, absent, table, tables, holds)
        for k in range(d):
            s = sums[k]
            for i in range(LANES):
                s[i] = np.float32(0.0)
        at = places[leaf, 1]
        for q in range(places[leaf, 0], places[leaf + 1, 0]):
            v = points[q]
            for i in range(LANES):
                product[i] = v
            for k in range(d):
                a0 = coefficients[at + 4 * k]
                a1 = coefficients[at + 4 * k + 1]
                o = holds[k]
                for i in range(LANES):
                    product[i] *= a0 + o[i] * a1
            for k in range(d):
                r0 = coefficients[at + 4 * k + 2]
                r1 = coefficients[at + 4 * k + 3]
                o = holds[k]
                s = sums[k]
                for i in range(LANES):
                    s[i] += product[i] * (r0 + o[i] * r1)
            at += 4 * d
        for k in range(d):
            into = phi[feature[begin + k]]
            s = sums[k]
            for i in range(LANES):
                into[i] += s[i]


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def attribute_pairs(
    x: Singles,
    first: int,
    last: int,
    offsets: NDArray[np.int64],
    feature: NDArray[np.int32],
    low: Singles,
    high: Singles,
    absent: NDArray[np.bool_],
    table: NDArray[np.int64],
    tables: NDArray[np.bool_],
    places: NDArray[np.int64],
    coefficients: Singles,
    points: Singles,
    holds: Singles,
    ratios: Singles,
    product: Singles,
    phi: NDArray[np.float64],
) -> None:
    """Add the leaves' parts to the values of pairs of features, (F, F, LANES), upper triangle.

    Phi_ij = v/2 (o_i - z_i)(o_j - z_j) ∫ Π_{k != i,j} (z_k (1 - t) + o_k t) dt; the points that
    are exact for one feature left out are exact for two.
    """
    for leaf in range(first, last):
        begin, end = offsets[leaf], offsets[leaf + 1]
        d = end - begin
        hold(x, begin, end, feature, low, high, absent, table, tables, holds)
        at = places[leaf, 1]
        for q in range(places[leaf, 0], places[leaf + 1, 0]):
            v = points[q] * np.float32(0.5)
            for i in range(LANES):
                product[i] = v
            for k in range(d):
                a0 = coefficients[at + 4 * k]
                a1 = coefficients[at + 4 * k + 1]
                r0 = coefficients[at + 4 * k + 2]
                r1 = coefficients[at + 4 * k + 3]
                o = holds[k]
                r = ratios[k]
                for i in range(LANES):
                    product[i] *= a0 + o[i] * a1
                    r[i] = r0 + o[i] * r1
            for k in range(d - 1):
                r = ratios[k]
                a = feature[begin + k]
                for m in range(k + 1, d):
                    into = phi[a, feature[begin + m]]
                    s = ratios[m]
                    for i in range(LANES):
                        into[i] += np.float64(product[i] * r[i] * s[i])
            at += 4 * d
