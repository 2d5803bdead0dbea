# mypy: allow-untyped-defs
"""The kernel of the distances between keypoints."""

from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def exponents(pairs, found, truth, rule, many, terms):
    """Write the exponents -e of each pair that may reach the least similarity; return how many.

    A pair is given up as soon as it cannot reach it any more: exp(-e) <= 1 / (1 + e), here with
    e to a few roundings, and what is left contributes 1 each. ``many`` holds the exponents of
    each pair, 0 where it was given up; ``terms`` all of them, one after the other.
    """
    d_at, t_at = pairs
    points, boxes, areas, seen = truth
    variances, minimum, n_points = rule
    n = 0
    for p in range(len(d_at)):
        d, t = d_at[p], t_at[p]
        n_seen, area = seen[t], areas[t]
        counted = n_seen if n_seen > 0 else n_points
        # Far below the least by the roundings of e, of 1 / (1 + e) and of their sum.
        least = (minimum * (1 - 1e-9)) * counted
        x0, x1 = boxes[t, 0] - boxes[t, 2], boxes[t, 0] + boxes[t, 2] * 2
        y0, y1 = boxes[t, 1] - boxes[t, 3], boxes[t, 1] + boxes[t, 3] * 2
        bound, scale, begin = 1.0 * counted, 0.5 / area, n
        for i in range(n_points):
            if n_seen > 0:
                if not points[t, i, 2] > 0:
                    continue
                dx, dy = found[d, i, 0] - points[t, i, 0], found[d, i, 1] - points[t, i, 1]
            else:
                # To the box, doubled about its centre; 0 inside.
                x, y = found[d, i, 0], found[d, i, 1]
                dx = (x0 - x if x0 > x else 0.0) + (x - x1 if x > x1 else 0.0)
                dy = (y0 - y if y0 > y else 0.0) + (y - y1 if y > y1 else 0.0)
            square = dx * dx + dy * dy
            rough = square * variances[1, i] * scale
            bound -= rough / (1.0 + rough)
            if bound < least:
                break
            terms[n] = square
            n += 1
        many[p] = 0
        if bound < least:
            n = begin
            continue
        many[p] = n - begin
        i = 0
        for at in range(begin, n):
            while n_seen > 0 and not points[t, i, 2] > 0:
                i += 1
            terms[at] = -(terms[at] / variances[0, i] / area / 2)
            i += 1
    return n
