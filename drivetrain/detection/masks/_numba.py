# mypy: disable-error-code="assignment,operator,arg-type"
"""Kernels of run-length masks: read out of JSON bytes, measured, merged, compared.

A mask's runs are lengths of 0, of 1, of 0 ... down the columns; its ends are their running sums,
so the pixels of 1 are [ends[0], ends[1]), [ends[2], ends[3]) ... Text is never read at or past the
given end. What a kernel cannot read it marks; words are found by slower code that looks again.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.detection.json._numba import NONE, as_real, number

Array = NDArray[Any]
# A Python or a numpy integer: inside a kernel they are one.
Int = Any

QUOTE, COMMA, BACKSLASH, COLON = 34, 44, 92, 58
LIST, LIST_END, OBJECT, OBJECT_END = 91, 93, 123, 125

# What a segmentation is: ODD is for code that looks again.
ODD, TEXT, NUMBERS, POLYGONS = range(4)

# Vertices lie on a grid of fifths; beyond this C's int would overflow.
SCALE = 5
FARTHEST = 2.0**27


# ---- measuring ----------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def measure(
    store: Array, places: Array, sizes: Array, areas: Array, boxes: Array, totals: Array
) -> None:
    """Write the area, the tight box and the sum of runs of every mask."""
    for i in range(len(sizes)):
        totals[i] = measure_one(
            store, places[i, 0], places[i, 1], np.int64(sizes[i, 0]), areas, boxes, i
        )


@njit(nogil=True, cache=True)
def measure_one(
    runs: Array, begin: Int, end: Int, height: Int, areas: Array, boxes: Array, i: Int
) -> Int:
    """Write area and box of one mask; return the sum of its runs.

    Rows are followed by subtraction: a division at each run would cost more than all the rest.
    """
    area, total = 0, 0
    x, y = 0, 0
    left, right, top, bottom = -1, -1, height, -1
    for k in range(begin, end):
        run = np.int64(runs[k])
        total += run
        if ((k - begin) & 1) and run > 0:
            area += run
            if left < 0:
                left = x
            last = y + run - 1
            right = x
            if last < height:
                top = min(top, y)
                bottom = max(bottom, last)
            else:
                top = 0
                bottom = height - 1
                right += last // max(height, 1)
        y += run
        if y >= height:
            y -= height
            x += 1
            if y >= height:
                columns = y // max(height, 1)
                x += columns
                y -= columns * height
    areas[i] = area
    if area == 0:
        boxes[i, :] = 0.0
    else:
        boxes[i, 0] = left
        boxes[i, 1] = top
        boxes[i, 2] = right - left + 1
        boxes[i, 3] = bottom - top + 1
    return total


# ---- JSON ---------------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def past_space(text: Array, at: Int, end: Int) -> Int:
    """Return the first position from ``at`` that holds no JSON white space."""
    while at < end and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
        at += 1
    return at


@njit(nogil=True, cache=True)
def past_string(text: Array, at: Int, end: Int) -> Int:
    """Return the position after the string whose first character is at ``at``; -1: not closed."""
    while at < end:
        c = text[at]
        if c == QUOTE:
            return at + 1
        at += 2 if c == BACKSLASH else 1
    return -1


@njit(nogil=True, cache=True)
def past_list(text: Array, at: Int, end: Int) -> Int:
    """Return the position after the flat list of which ``at`` is inside; -1: no such list."""
    while at < end:
        c = text[at]
        if c == LIST_END:
            return at + 1
        if c in (LIST, OBJECT, QUOTE):
            return -1
        at += 1
    return -1


@njit(nogil=True, cache=True)
def read_whole(text: Array, at: Int, end: Int) -> tuple[Int, Int]:
    """Return a whole number >= 0 and the position after it; the position is -1 if it is none."""
    value, begin = 0, at
    while at < end and 48 <= text[at] <= 57 and at - begin < 12:
        value = value * 10 + np.int64(text[at]) - 48
        at += 1
    padded = at - begin > 1 and text[begin] == 48
    if at == begin or padded or (at < end and text[at] not in (COMMA, LIST_END, 32, 9, 10, 13)):
        return value, -1
    return value, at


@njit(nogil=True, cache=True)
def read_size(text: Array, at: Int, end: Int, sizes: Array, i: Int) -> bool:
    """Read ``[height, width]``; return whether it is one."""
    at = past_space(text, at, end)
    if at >= end or text[at] != LIST:
        return False
    at += 1
    for k in range(2):
        value, at = read_whole(text, past_space(text, at, end), end)
        if at < 0 or value > 0x7FFFFFFF:
            return False
        sizes[i, k] = value
        at = past_space(text, at, end)
        if at >= end or text[at] != (COMMA if k == 0 else LIST_END):
            return False
        at += 1
    return True


@njit(nogil=True, cache=True)
def locate(text: Array, at: Int, end: Int, sizes: Array, i: Int, places: Array) -> Int:
    """Find counts and size of a run-length object; write where the counts lie; return their kind.

    Other keys, repeated ones, and values that are neither string nor flat list make it ODD.
    """
    kind, sized = ODD, False
    at = past_space(text, at + 1, end)
    while at < end and text[at] == QUOTE:
        key = at + 1
        at = past_string(text, key, end)
        if at < 0:
            return ODD
        length = at - 1 - key
        at = past_space(text, at, end)
        if at >= end or text[at] != COLON:
            return ODD
        at = past_space(text, at + 1, end)
        if at >= end:
            return ODD
        quoted = text[at] == QUOTE
        if not quoted and text[at] != LIST:
            return ODD
        after = past_string(text, at + 1, end) if quoted else past_list(text, at + 1, end)
        if after < 0:
            return ODD
        if length == 6 and kind == ODD and is_counts(text, key):
            kind = TEXT if quoted else NUMBERS
            places[i, 0], places[i, 1] = at + 1, after - 1
        elif length == 4 and not sized and not quoted and is_size(text, key):
            sized = read_size(text, at, after, sizes, i)
            if not sized:
                return ODD
        else:
            return ODD
        at = past_space(text, after, end)
        if at < end and text[at] == OBJECT_END:
            return kind if sized and past_space(text, at + 1, end) == end else ODD
        if at >= end or text[at] != COMMA:
            return ODD
        at = past_space(text, at + 1, end)
    return ODD


@njit(nogil=True, cache=True)
def is_counts(text: Array, at: Int) -> bool:
    """Return whether the six characters from ``at`` are ``counts``."""
    return (
        text[at] == 99
        and text[at + 1] == 111
        and text[at + 2] == 117
        and text[at + 3] == 110
        and text[at + 4] == 116
        and text[at + 5] == 115
    )


@njit(nogil=True, cache=True)
def is_size(text: Array, at: Int) -> bool:
    """Return whether the four characters from ``at`` are ``size``."""
    return text[at] == 115 and text[at + 1] == 105 and text[at + 2] == 122 and text[at + 3] == 101


@njit(nogil=True, cache=True)
def count_text(text: Array) -> Int:
    """Return how many runs a compressed string holds: characters whose bit 5 is clear end one."""
    n = 0
    for c in text:
        n += (c - np.uint8(48)) & np.uint8(32) == 0
    return n


@njit(nogil=True, cache=True)
def count_numbers(text: Array) -> Int:
    """Return how many numbers a flat list holds, an upper bound where it is not well formed."""
    commas, digits = 0, False
    for c in text:
        commas += c == COMMA
        digits |= c > 32
    return commas + 1 if digits else 0


@njit(nogil=True, cache=True)
def read_entries(
    text: Array,
    spans: Array,
    sizes: Array,
    first: Int,
    last: Int,
    kinds: Array,
    places: Array,
    areas: Array,
    boxes: Array,
) -> bool:
    """Tell of the segmentations first..last what they are, where, of which size; measure strings.

    ``sizes`` comes with those of the images and leaves with those the masks state. Returns
    whether any is neither a compressed string nor ODD.
    """
    limit, others = len(text), False
    for i in range(first, last):
        kinds[i], areas[i] = ODD, 0
        begin, end = spans[i, 0], spans[i, 1]
        if begin < 0 or end > limit or begin >= end:
            continue
        begin = past_space(text, begin, end)
        if begin < end and text[begin] == OBJECT:
            height, width = sizes[i, 0], sizes[i, 1]
            kind = locate(text, begin, end, sizes, i, places)
            tall, wide = np.int64(sizes[i, 0]), np.int64(sizes[i, 1])
            known = height > 0 or width > 0
            if (known and (tall != height or wide != width)) or tall * wide > 0xFFFFFFFF:
                kind = ODD
            if kind == TEXT and not measure_text(
                text, places[i, 0], places[i, 1], tall, wide, areas, boxes, i
            ):
                kind = ODD
            if kind == ODD:
                sizes[i, 0], sizes[i, 1] = height, width
            kinds[i] = kind
        elif begin < end and text[begin] == LIST:
            kinds[i] = POLYGONS
            places[i, 0], places[i, 1] = begin, end
        others |= kinds[i] > TEXT
    return others


@njit(nogil=True, cache=True)
def measure_text(
    text: Array,
    at: Int,
    end: Int,
    height: Int,
    width: Int,
    areas: Array,
    boxes: Array,
    i: Int,
) -> bool:
    """Measure the mask of a compressed string as JSON holds it; return whether it is one.

    Each run is the difference to the run before the previous one, from the fourth on, in five
    bits a character, low bits first, bit 5: more follow, bit 4 of the last: negative.
    One pass reads, sums and measures.
    """
    bad, first, odd = 0, True, False
    before, previous = 0, 0
    area, total = 0, 0
    x, y = 0, 0
    left, right, top, bottom = -1, -1, height, -1
    while at < end:
        c = np.int64(text[at]) - 48
        at += 1
        if c < 32:
            # One character: sign-extend five bits. A character below 48 is negative: bad.
            run = c - ((c & 16) << 1)
            bad |= c
        else:
            run, at = long_run(text, at, end, c)
            bad |= at
        run += before
        before = previous
        previous = 0 if first else run
        first = False
        bad |= run
        if bad < 0:
            return False
        total += run
        if odd and run > 0:
            area += run
            if left < 0:
                left = x
            last = y + run - 1
            right = x
            if last < height:
                top = min(top, y)
                bottom = max(bottom, last)
            else:
                top = 0
                bottom = height - 1
                right += last // max(height, 1)
        odd = not odd
        y += run
        if y >= height:
            y -= height
            x += 1
            if y >= height:
                columns = y // max(height, 1)
                x += columns
                y -= columns * height
    if total != height * width or first:
        return False
    areas[i] = area
    if area == 0:
        boxes[i, :] = 0.0
    else:
        boxes[i, 0] = left
        boxes[i, 1] = top
        boxes[i, 2] = right - left + 1
        boxes[i, 3] = bottom - top + 1
    return True


@njit(nogil=True, cache=True)
def long_run(text: Array, at: Int, end: Int, c: Int) -> tuple[Int, Int]:
    """Return the value of several characters, the first being c, and the position after them.

    The position is -1 where they are cut off, foreign or too many, or a backslash stands alone:
    JSON doubles it.
    """
    run, shift = 0, 0
    while True:
        if c == BACKSLASH - 48:
            if at >= end or text[at] != BACKSLASH:
                return 0, -1
            at += 1
        if c < 0 or c > 63:
            return 0, -1
        run |= (c & 31) << shift
        shift += 5
        if not c & 32:
            return run - ((c & 16) << (shift - 4)), at
        if at >= end or shift > 30:
            return 0, -1
        c = np.int64(text[at]) - 48
        at += 1


@njit(nogil=True, cache=True)
def unpack(text: Array, at: Int, end: Int, pixels: Int, out: Array) -> Int:
    """Write the runs of a compressed string; return how many, -1 if they do not sum to pixels.

    ``out`` holds as many as the string has characters.
    """
    n, before, previous, total, bad = 0, 0, 0, 0, 0
    while at < end:
        c = np.int64(text[at]) - 48
        at += 1
        if c < 32:
            run = c - ((c & 16) << 1)
            bad |= c
        else:
            run, at = long_run(text, at, end, c)
            bad |= at
        run += before
        before = previous
        previous = run if n else 0
        bad |= run
        if bad < 0:
            return -1
        out[n] = run
        n += 1
        total += run
    return n if total == pixels else -1


@njit(nogil=True, cache=True)
def read_numbers(text: Array, at: Int, end: Int, runs: Array) -> bool:
    """Read a flat list of whole numbers >= 0 that fills ``runs``; return whether it is one."""
    for k in range(len(runs)):
        value, at = read_whole(text, past_space(text, at, end), end)
        if at < 0 or value > 0xFFFFFFFF:
            return False
        runs[k] = value
        at = past_space(text, at, end)
        if k + 1 < len(runs):
            if at >= end or text[at] != COMMA:
                return False
            at += 1
    return at == end


@njit(nogil=True, cache=True)
def lay_out(
    text: Array,
    store: Array,
    packed: Array,
    places: Array,
    sizes: Array,
    offsets: Array,
    runs: Array,
) -> Int:
    """Write the runs of all masks one after the other; return a mask that is none, or -1."""
    for i in range(len(sizes)):
        begin, end = places[i, 0], places[i, 1]
        out = runs[offsets[i] : offsets[i + 1]]
        if not packed[i]:
            out[:] = store[begin:end]
            continue
        room = np.empty(end - begin, np.uint32)
        pixels = np.int64(sizes[i, 0]) * np.int64(sizes[i, 1])
        n = unpack(text, begin, end, pixels, room)
        if n != len(out):
            return i
        out[:] = room[:n]
    return -1


@njit(nogil=True, cache=True)
def count_runs(text: Array, packed: Array, places: Array, lengths: Array) -> None:
    """Write how many runs each mask has."""
    for i in range(len(lengths)):
        begin, end = places[i, 0], places[i, 1]
        lengths[i] = count_text(text[begin:end]) if packed[i] else end - begin


# ---- compressed strings -------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def write_text(runs: Array, offsets: Array, out: Array, ends: Array) -> None:
    """Write each mask's compressed string after the one before; ``out`` holds 7 bytes a run."""
    at = 0
    for i in range(len(ends)):
        begin = offsets[i]
        for k in range(begin, offsets[i + 1]):
            x = np.int64(runs[k])
            if k - begin > 2:
                x -= np.int64(runs[k - 2])
            more = True
            while more:
                c = x & 31
                x >>= 5
                more = x != (-1 if c & 16 else 0)
                out[at] = c + (80 if more else 48)
                at += 1
        ends[i] = at


@njit(nogil=True, cache=True)
def read_loosely(text: Array, begins: Array, runs: Array, used: Array) -> None:
    """Decode strings laid end to end as C does: no run is checked, 32 bits are kept of each.

    A number that a string ends in the middle of is dropped.
    """
    n = 0
    for i in range(len(used)):
        first = n
        value, shift = 0, 0
        for at in range(begins[i], begins[i + 1]):
            c = np.int64(text[at]) - 48
            if shift < 60:
                value |= (c & 31) << shift
            shift += 5
            if c & 32:
                continue
            if c & 16 and shift < 60:
                value -= 1 << shift
            if n - first > 2:
                value += np.int64(runs[n - 2])
            runs[n] = value & 0xFFFFFFFF
            n += 1
            value, shift = 0, 0
        used[i] = n - first


# ---- dense arrays -------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def count_changes(pixels: Array, counts: Array) -> None:
    """Write how many runs each row of ``pixels`` (n, height * width, column-major) holds."""
    for i in range(len(pixels)):
        n, value = 1, np.uint8(0)
        for p in pixels[i]:
            n += p != value
            value = p
        counts[i] = n


@njit(nogil=True, cache=True)
def encode(pixels: Array, offsets: Array, runs: Array) -> None:
    """Write the runs of each row of ``pixels`` at its offset."""
    for i in range(len(pixels)):
        n, value, length = offsets[i], np.uint8(0), 0
        for p in pixels[i]:
            if p != value:
                runs[n] = length
                n += 1
                length = 0
                value = p
            length += 1
        runs[n] = length


@njit(nogil=True, cache=True)
def paint(runs: Array, pixels: Array) -> bool:
    """Set the runs of 1 in zeroed column-major pixels; return whether all runs fit."""
    at = 0
    for k in range(len(runs)):
        end = at + np.int64(runs[k])
        if end > len(pixels):
            return False
        if k & 1:
            pixels[at:end] = 1
        at = end
    return True


# ---- polygons -----------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def merge_sort(values: Array, spare: Array) -> None:
    """Sort in place, n log n at worst: runs of 16 by insertion, then merged in pairs."""
    n = len(values)
    for low in range(0, n, 16):
        for k in range(low + 1, min(low + 16, n)):
            v, j = values[k], k
            while j > low and values[j - 1] > v:
                values[j] = values[j - 1]
                j -= 1
            values[j] = v
    width = 16
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            if middle >= high or values[middle - 1] <= values[middle]:
                continue
            spare[low:middle] = values[low:middle]
            a, b, k = low, middle, low
            while a < middle:
                if b < high and values[b] < spare[a]:
                    values[k] = values[b]
                    b += 1
                else:
                    values[k] = spare[a]
                    a += 1
                k += 1
        width *= 2


@njit(nogil=True, cache=True)
def row_of(v: Int, height: Int) -> Int:
    """Return the row below a point of the grid of fifths, held inside the picture.

    COCO's ceil((v + 1/2) / 5 - 1/2) is ceil((v - 2) / 5): exact where it is whole, else a fifth
    away from where rounding could matter.
    """
    return min(max(v + 2, 0) // SCALE, height)


@njit(nogil=True, cache=True)
def room_for(points: Array, width: Int) -> Int:
    """Return how many columns the edges may cross, at most."""
    n, corners = 0, len(points) // 2
    for j in range(corners):
        following = (j + 1) % corners
        n += min(np.int64(abs(points[2 * following] - points[2 * j])) + 3, width)
    return n


@njit(nogil=True, cache=True)
def cross_columns(points: Array, height: Int, width: Int, out: Array, columns: Array) -> Int:
    """Write where the closed polygon crosses the middles of which columns; return how often.

    COCO walks every point of the outline on a grid of fifths of a pixel and keeps those where x
    steps from 5k + 2 to 5k + 3 (the middle of column k), with the upper of the two rows. Those
    steps are found here without the walk: along flat edges by index, along steep ones by
    inverting the line and stepping to where the very same rounded expression changes.
    """
    n, corners = 0, len(points) // 2
    for j in range(corners):
        following = (j + 1) % corners
        x0, y0 = grid(points[2 * j]), grid(points[2 * j + 1])
        x1, y1 = grid(points[2 * following]), grid(points[2 * following + 1])
        dx, dy = abs(x1 - x0), abs(y1 - y0)
        flat = dx >= dy
        if (flat and x0 > x1) or (not flat and y0 > y1):
            x0, x1, y0, y1 = x1, x0, y1, y0
        low, high = min(x0, x1), max(x0, x1)
        # Columns whose step 5k + 2 -> 5k + 3 lies in [low, high]; a margin where x is rounded.
        first, last = max((low - 3) // SCALE, 0), min((high - 2) // SCALE + 1, width - 1)
        if dx == 0 or first > last:
            continue
        if flat:
            slope = float(y1 - y0) / dx
            for k in range(first, last + 1):
                t = SCALE * k + 2 - x0
                if t < 0 or t >= dx:
                    continue
                v = min(np.int64(y0 + slope * t + 0.5), np.int64(y0 + slope * (t + 1) + 0.5))
                out[n], columns[n] = k * height + row_of(v, height), k
                n += 1
        else:
            slope = float(x1 - x0) / dy
            for k in range(first, last + 1):
                t = first_beyond(x0, slope, dy, SCALE * k + 3)
                if t < 1 or t > dy:
                    continue
                out[n], columns[n] = k * height + row_of(y0 + t - 1, height), k
                n += 1
    return n


@njit(nogil=True, cache=True)
def grid(coordinate: float) -> Int:
    """Return a coordinate in fifths of a pixel, rounded as C's cast does: towards zero."""
    return np.int64(SCALE * coordinate + 0.5)


@njit(nogil=True, cache=True)
def first_beyond(x0: Int, slope: float, dy: Int, level: Int) -> Int:
    """Return the first t in 1..dy at which int(x0 + slope t + 1/2) has changed sides of ``level``.

    dy + 1 where it never does. The expression is monotone in t, so a guess and steps suffice.
    """
    rising = slope > 0
    guess = (level - 0.5 - x0) / slope
    t = np.int64(min(max(guess, 0.0), float(dy)))
    while t > 0 and (np.int64(x0 + slope * t + 0.5) >= level) == rising:
        t -= 1
    while t <= dy and (np.int64(x0 + slope * t + 0.5) >= level) != rising:
        t += 1
    return t


@njit(nogil=True, cache=True)
def sort_by_columns(values: Array, columns: Array, width: Int, out: Array) -> None:
    """Write the values in rising order, which rise with their columns; few share a column."""
    begins = np.zeros(width + 1, np.int64)
    for column in columns:
        begins[column + 1] += 1
    most = 0
    for k in range(width):
        most = max(most, begins[k + 1])
        begins[k + 1] += begins[k]
    for i in range(len(values)):
        k = columns[i]
        out[begins[k]] = values[i]
        begins[k] += 1
    if most > 64:
        # A zigzag inside few columns: insertion would be quadratic.
        merge_sort(out, values)
        return
    for i in range(1, len(out)):
        v, j = out[i], i
        while j > 0 and out[j - 1] > v:
            out[j] = out[j - 1]
            j -= 1
        out[j] = v


@njit(nogil=True, cache=True)
def draw(points: Array, height: Int, width: Int) -> Array:
    """Return the runs of one closed polygon, as COCO draws it."""
    room = room_for(points, width) + 1
    space = np.empty(3 * room, np.int64)
    crossings, columns, ends = space[:room], space[room : 2 * room], space[2 * room :]
    n = cross_columns(points, height, width, crossings, columns)
    sort_by_columns(crossings[:n], columns[:n], width, ends[:n])
    ends[n] = height * width
    # Ends to lengths; two equal ends cancel: the run between them and its neighbours are one.
    runs = np.empty(n + 1, np.uint32)
    runs[0] = ends[0]
    m, j = 1, 1
    while j <= n:
        if ends[j] > ends[j - 1]:
            runs[m] = ends[j] - ends[j - 1]
            m += 1
            j += 1
        else:
            j += 1
            if j <= n:
                runs[m - 1] += np.uint32(ends[j] - ends[j - 1])
                j += 1
    return runs[:m]


@njit(nogil=True, cache=True)
def read_polygon(
    text: Array, at: Int, end: Int, points: Array, tens: Array, fives: Array
) -> tuple[Array, Int, Int]:
    """Read a flat list of coordinates: the buffer (grown), how many, the position after the list.

    The position is -1 where it is not a list of numbers of a size that can be drawn.
    """
    n = 0
    if at >= end or text[at] != LIST:
        return points, 0, -1
    at = past_space(text, at + 1, end)
    while at < end:
        m, e, negative, at, kind = number(text, at)
        if kind == NONE or at >= end:
            return points, n, -1
        value, known = as_real(m, e, negative, kind, tens, fives)
        if not known or abs(value) > FARTHEST:
            return points, n, -1
        if n == len(points):
            grown = np.empty(2 * n, np.float64)
            grown[:n] = points
            points = grown
        points[n] = value
        n += 1
        at = past_space(text, at, end)
        if at < end and text[at] == LIST_END:
            return points, n, at + 1
        if at >= end or text[at] != COMMA:
            return points, n, -1
        at = past_space(text, at + 1, end)
    return points, n, -1


@njit(nogil=True, cache=True)
def read_others(
    text: Array,
    first: Int,
    last: Int,
    kinds: Array,
    places: Array,
    sizes: Array,
    areas: Array,
    boxes: Array,
    tens: Array,
    fives: Array,
) -> Array:
    """Return the runs of those segmentations first..last that are lists of runs or polygons.

    ``places`` leaves with where in them each lies. What is not of those forms becomes ODD: runs
    that do not fill the picture, an image of unknown size, fewer than three corners, half a
    corner, anything but numbers.
    """
    store, used = np.empty(1024, np.uint32), 0
    points = np.empty(256, np.float64)
    for i in range(first, last):
        kind = kinds[i]
        if kind <= TEXT:
            continue
        kinds[i] = ODD
        height, width = np.int64(sizes[i, 0]), np.int64(sizes[i, 1])
        begin, end = places[i, 0], places[i, 1]
        if kind == NUMBERS:
            mask = np.empty(count_numbers(text[begin:end]), np.uint32)
            if not read_numbers(text, begin, end, mask):
                continue
        else:
            if height <= 0 or width <= 0 or height * width > 0xFFFFFFFF:
                continue
            mask, points = read_polygons(text, begin, end, height, width, points, tens, fives)
            if len(mask) == 0:
                continue
        if used + len(mask) > len(store):
            grown = np.empty(2 * (used + len(mask)), np.uint32)
            grown[:used] = store[:used]
            store = grown
        store[used : used + len(mask)] = mask
        total = measure_one(store, used, used + len(mask), height, areas, boxes, i)
        if total == height * width:
            kinds[i] = kind
            places[i, 0], places[i, 1] = used, used + len(mask)
            used += len(mask)
    return store[:used]


@njit(nogil=True, cache=True)
def read_polygons(
    text: Array,
    begin: Int,
    end: Int,
    height: Int,
    width: Int,
    points: Array,
    tens: Array,
    fives: Array,
) -> tuple[Array, Array]:
    """Return the runs of a list of polygons, none where it is no such list, and the buffer."""
    at = past_space(text, begin + 1, end)
    mask, parts = np.empty(0, np.uint32), 0
    while at < end:
        points, n, at = read_polygon(text, at, end, points, tens, fives)
        if at < 0 or n < 6 or n & 1:
            break
        part = draw(points[:n], height, width)
        mask = part if parts == 0 else merge(mask, part, False)
        parts += 1
        at = past_space(text, at, end)
        if at < end and text[at] == LIST_END:
            return mask if past_space(text, at + 1, end) == end else mask[:0], points
        if at >= end or text[at] != COMMA:
            break
        at = past_space(text, at + 1, end)
    return mask[:0], points


@njit(nogil=True, cache=True)
def merge(a: Array, b: Array, intersect: bool) -> Array:
    """Return the runs of the union or the intersection of two masks of one size.

    Follows COCO's loop step by step, so that runs of length 0 do what they do there. Where one
    mask ends before the other, this ends too (COCO's loop does not end at all).
    """
    out = np.empty(len(a) + len(b) + 1, np.uint32)
    m = 0
    if len(a) == 0 or len(b) == 0:
        return out[:0]
    ca, cb = np.int64(a[0]), np.int64(b[0])
    va, vb, v = False, False, False
    i, j, length = 1, 1, 0
    while True:
        c = min(ca, cb)
        length += c
        ca -= c
        cb -= c
        if ca == 0 and i < len(a):
            ca = np.int64(a[i])
            i += 1
            va = not va
        if cb == 0 and j < len(b):
            cb = np.int64(b[j])
            j += 1
            vb = not vb
        now = (va and vb) if intersect else (va or vb)
        done = (ca == 0 and (cb == 0 or i == len(a))) or (cb == 0 and j == len(b))
        if now != v or done:
            out[m] = length
            m += 1
            length = 0
        v = now
        if done:
            return out[:m]


# ---- comparing ----------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def sum_up(runs: Array, ends: Array) -> Int:
    """Write the running sums of ``runs``; return how many form whole pairs of a 0 and a 1 run."""
    total, pairs = 0, len(runs) // 2 * 2
    for k in range(pairs):
        total += np.int64(runs[k])
        ends[k] = total
    return pairs


@njit(nogil=True, cache=True)
def shared(a: Array, b: Array) -> Int:
    """Return how many pixels are 1 in both masks, of which running sums are given.

    The interval that ends first is left behind; no branch but the loop's own.
    """
    n, m = len(a), len(b)
    i, j, common = 0, 0, 0
    while i < n and j < m:
        a_end, b_end = np.int64(a[i + 1]), np.int64(b[j + 1])
        begin = max(np.int64(a[i]), np.int64(b[j]))
        common += max(min(a_end, b_end) - begin, 0)
        i += 2 * np.int64(a_end <= b_end)
        j += 2 * np.int64(b_end <= a_end)
    return common


@njit(nogil=True, cache=True)
def pair_overlaps(
    text: Array,
    d_store: Array,
    d_packed: Array,
    d_places: Array,
    d_sizes: Array,
    d_areas: Array,
    d_boxes: Array,
    g_store: Array,
    g_places: Array,
    g_sizes: Array,
    g_areas: Array,
    g_boxes: Array,
    d_at: Array,
    g_at: Array,
    crowd: Array,
    minimum: float,
    out: Array,
) -> Int:
    """Write the IoU of each pair (d_at[p], g_at[p]); 0 where it cannot reach ``minimum``.

    No more pixels are shared than the boxes share, or than either mask has; IoU rises with what
    is shared, and rounding is monotone, so a bound below the minimum proves the IoU below it.
    Pairs of one detection should follow each other. Returns a detection whose string no longer
    is a mask (its file was overwritten), or -1.
    """
    a, b = np.empty(256, np.uint32), np.empty(256, np.uint32)
    current, n = -1, 0
    for p in range(len(d_at)):
        d, g = np.int64(d_at[p]), np.int64(g_at[p])
        out[p] = 0.0
        w = min(d_boxes[d, 0] + d_boxes[d, 2], g_boxes[g, 0] + g_boxes[g, 2]) - max(
            d_boxes[d, 0], g_boxes[g, 0]
        )
        h = min(d_boxes[d, 1] + d_boxes[d, 3], g_boxes[g, 1] + g_boxes[g, 3]) - max(
            d_boxes[d, 1], g_boxes[g, 1]
        )
        if w <= 0 or h <= 0:
            continue
        d_area, g_area = float(d_areas[d]), float(g_areas[g])
        most = min(d_area, g_area, w * h)
        if most / (d_area if crowd[p] else d_area + g_area - most) < minimum:
            continue
        if d_sizes[d, 0] != g_sizes[g, 0] or d_sizes[d, 1] != g_sizes[g, 1]:
            continue
        if d != current:
            current = d
            begin, end = d_places[d, 0], d_places[d, 1]
            if end - begin > len(a):
                a = np.empty(2 * (end - begin), np.uint32)
            if d_packed[d]:
                pixels = np.int64(d_sizes[d, 0]) * np.int64(d_sizes[d, 1])
                n = unpack(text, begin, end, pixels, a)
                if n < 0:
                    return d
                n = sum_up(a[:n], a)
            else:
                n = sum_up(d_store[begin:end], a)
        begin, end = g_places[g, 0], g_places[g, 1]
        if end - begin > len(b):
            b = np.empty(2 * (end - begin), np.uint32)
        m = sum_up(g_store[begin:end], b)
        common = float(shared(a[:n], b[:m]))
        if common > 0:
            out[p] = common / (d_area if crowd[p] else d_area + g_area - common)
    return -1


# ---- boundaries ---------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def erode(
    runs: Array, height: Int, left: Int, top: Int, wide: Int, tall: Int, depth: Int, core: Array
) -> None:
    """Set ``core`` (wide, tall) where the mask's square of side 2 depth + 1 is all 1.

    Down the columns each interval loses ``depth`` at both ends; along the rows a pixel stays
    where 2 depth + 1 columns in a row hold it.
    """
    core[:, :] = 0
    at, pending, k, n = 0, 0, 0, len(runs)
    while k + 1 < n:
        begin = at + np.int64(runs[k])
        at = begin + np.int64(runs[k + 1])
        k += 2
        # Runs of 0 of length 0 do not part an interval.
        while k + 1 < n and runs[k] == 0:
            at += np.int64(runs[k + 1])
            k += 2
        pending = begin
        while pending < at:
            x = pending // height
            stop = min(at, (x + 1) * height)
            low, high = pending - x * height - top + depth, stop - x * height - top - depth
            if low < high:
                core[x - left, low:high] = 1
            pending = stop
    side, streak = 2 * depth + 1, np.zeros(tall, np.int32)
    for x in range(wide):
        column = core[x]
        for y in range(tall):
            streak[y] = (streak[y] + 1) * np.int32(column[y])
        if x >= depth:
            target = core[x - depth]
            for y in range(tall):
                target[y] = streak[y] >= side
    for x in range(max(wide - depth, 0), wide):
        core[x] = 0


@njit(nogil=True, cache=True)
def hollow(
    runs: Array, height: Int, left: Int, top: Int, core: Array, out: Array, n: Int
) -> tuple[Array, Int]:
    """Append the runs of the mask without its core to out[n:]; return the buffer and its use."""
    length = 0
    at, value = 0, False
    for k in range(len(runs)):
        end = at + np.int64(runs[k])
        if not k & 1:
            if value and end > at:
                out, n = append(out, n, length)
                length, value = 0, False
            length += end - at
            at = end
            continue
        while at < end:
            x = at // height
            stop = min(end, (x + 1) * height)
            column = core[x - left]
            for y in range(at - x * height - top, stop - x * height - top):
                now = column[y] == 0
                if now != value:
                    out, n = append(out, n, length)
                    length, value = 0, now
                length += 1
            at = stop
    out, n = append(out, n, length)
    return out, n


@njit(nogil=True, cache=True)
def append(out: Array, n: Int, value: Int) -> tuple[Array, Int]:
    """Set out[n], in a buffer twice as large where it is full."""
    if n == len(out):
        grown = np.empty(2 * n + 16, np.uint32)
        grown[:n] = out
        out = grown
    out[n] = value
    return out, n + 1


@njit(nogil=True, cache=True)
def outlines(
    store: Array, places: Array, sizes: Array, boxes: Array, depths: Array, lengths: Array
) -> Array:
    """Return the runs of what lies within ``depths`` pixels of each mask's outer edge."""
    out, n = np.empty(2 * len(store) + 16, np.uint32), 0
    for i in range(len(sizes)):
        mask, before = store[places[i, 0] : places[i, 1]], n
        left, top = np.int64(boxes[i, 0]), np.int64(boxes[i, 1])
        wide, tall = np.int64(boxes[i, 2]), np.int64(boxes[i, 3])
        side = 2 * depths[i] + 1
        if wide < side or tall < side:
            for run in mask:
                out, n = append(out, n, np.int64(run))
        else:
            core = np.empty((wide, tall), np.uint8)
            height = np.int64(sizes[i, 0])
            erode(mask, height, left, top, wide, tall, depths[i], core)
            out, n = hollow(mask, height, left, top, core, out, n)
        lengths[i] = n - before
    return out[:n]


# Compiled in here: drivetrain.detection.json._numba 335539e4bd2a5253
