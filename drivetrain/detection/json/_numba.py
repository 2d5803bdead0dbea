"""The scanner's kernels: JSON objects, eight bytes at a time, straight into columns.

Programs write all objects of an array alike. So the text between the values of an object (its
template, made by ``templates``) is compared with the next object's, and only the values are
read. An object that no template fits is Python's to read; so is a number whose digits do not
decide its rounding.

Every byte is read through ``byte`` or ``word``, which give zeros past the end, or after a test
of the same kind: a file may end anywhere.
"""

from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.detection.json.schema import (
    CONSTANT,
    INTEGER,
    NUMBERS,
    REAL,
    SPAN,
    WORDS,
)
from drivetrain.detection.json.words import (
    as_float,
    leading_zeros,
    load,
    multiply,
    trailing_zeros,
)

Array = NDArray[Any]
Word = Any
"""uint64, as the machine has it."""

# What a number is: none; whole; with a point or an exponent; of more digits than fit 64 bits.
NONE, WHOLE, DECIMAL, LONG = range(4)
# What a string holds: escapes, bytes beyond ASCII.
PLAIN, ESCAPED, FOREIGN = 0, 1, 2
# Why a value is none.
VALUE, COMMA, KEY, COLON, NUMBER, CONTROL, ESCAPE, DEEP = range(1, 9)
# The cursor, in and out: where the scan begins and stops, the next row and their number, the
# template that fitted last, whether bytes beyond ASCII were met.
POSITION, LIMIT, ROW, ROWS, CURRENT, BEYOND_ASCII = range(6)

DEPTH = 500

U = np.uint64
ZEROS, BELOW_TEN, HIGH = U(0x3030303030303030), U(0x7676767676767676), U(0x8080808080808080)
ONES, QUOTES, SLASHES = U(0x0101010101010101), U(0x2222222222222222), U(0x5C5C5C5C5C5C5C5C)
SPACES, PAIRS = U(0x2020202020202020), U(0x000000FF000000FF)
UPPER_PAIRS, LOWER_PAIRS = U(0x000F424000000064), U(0x0000271000000001)
NOUGHT, ONE, THREE, EIGHT, NINE, TEN = U(0), U(1), U(3), U(8), U(9), U(10)
LOW_BYTE, LOW_NINE, ALL, EVEN = U(0xFF), U(0x1FF), U(2**64 - 1), U(2**64 - 2)
EXACT, LARGEST, FRACTION = U(1 << 53), U((1 << 63) - 1), U((1 << 52) - 1)
HIDDEN = U(1 << 52)
TRUE, NULL, FALSE, NAN = U(0x65757274), U(0x6C6C756E), U(0x65736C6166), U(0x4E614E)
FOUR_BYTES, FIVE_BYTES, THREE_BYTES = U(2**32 - 1), U(2**40 - 1), U(2**24 - 1)
INFINITY, MINUS_INFINITY = U(0x7974696E69666E49), U(0x74696E69666E492D)
NO_POWER = 1 << 40

TENS = np.array([10**k for k in range(9)], np.uint64)

# Only ``scan`` and ``skip`` are called from Python and kept on disk, with all that they call: an
# entry point and a file for each function would double the time of the first compilation.
inner: Any = partial(njit, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
entry: Any = partial(njit, nogil=True, cache=True)


@inner()
def byte(b: Array, i: int) -> Any:
    """Return byte i, zero past the end: a byte that no JSON holds."""
    return np.int64(b[i]) if i < len(b) else np.int64(0)


@inner()
def word(b: Array, i: int) -> Word:
    """Return eight bytes from i on, zeros past the end."""
    if i + 8 <= len(b):
        return load(b, i)
    w = NOUGHT
    for q in range(len(b) - i):
        w |= U(b[i + q]) << U(8 * q)
    return w


@inner()
def blank(b: Array, i: int) -> int:
    """Return the first position from i on that is not white space."""
    c = byte(b, i)
    while c == 32 or c == 10 or c == 13 or c == 9:
        i += 1
        c = byte(b, i)
    return i


# Numbers.


@inner()
def eight_digits(t: Word, k: int) -> Word:
    """Return the value of the first k (1 to 8) digits in t, a word of digits minus '0'."""
    t = t << U(64 - 8 * k)
    t = t * TEN + (t >> EIGHT)
    upper = (t & PAIRS) * UPPER_PAIRS
    lower = ((t >> U(16)) & PAIRS) * LOWER_PAIRS
    return (upper + lower) >> U(32)


@inner()
def digits(b: Array, i: int, m: Word) -> tuple[Word, int, Any]:
    """Append the digits from i on to m; return m, the end, and the byte there.

    m wraps around beyond 19 digits; the caller counts.
    """
    while True:
        w = word(b, i)
        t = w ^ ZEROS
        k = trailing_zeros(((t + BELOW_TEN) | t) & HIGH) >> 3
        if k > 0:
            m = m * TENS[k] + eight_digits(t, k)
        i += k
        if k < 8:
            return m, i, np.int64((w >> U(8 * k)) & LOW_BYTE)


@inner()
def number(b: Array, i: int) -> tuple[Word, int, bool, int, int]:
    """Read the number at i: m, e, negative, end and kind, of value ±m·10^e.

    Of a LONG number m holds the first 19 digits; of NONE the end is where it went wrong.
    """
    negative = byte(b, i) == 45
    if negative:
        i += 1
    start = i
    m, i, c = digits(b, start, NOUGHT)
    count = i - start
    if count == 0 or (count > 1 and byte(b, start) == 48):
        return m, 0, negative, start, NONE
    e = 0
    kind = WHOLE
    if c == 46:
        kind = DECIMAL
        point = i + 1
        m, i, c = digits(b, point, m)
        if i == point:
            return m, 0, negative, i, NONE
        e = point - i
        count += i - point
    if c == 101 or c == 69:
        kind = DECIMAL
        power, i = exponent(b, i + 1)
        if power == NO_POWER:
            return m, 0, negative, i, NONE
        e += power
    if count > 19:
        m, cut, kept = leading_digits(b, start)
        if kept:
            return m, e, negative, i, kind
        return m, e + cut, negative, i, LONG
    return m, e, negative, i, kind


@inner()
def exponent(b: Array, i: int) -> tuple[int, int]:
    """Read the digits behind an e and their end; NO_POWER where there are none."""
    c = byte(b, i)
    negative = c == 45
    if c == 45 or c == 43:
        i += 1
    start = i
    power = 0
    c = byte(b, i)
    while 48 <= c <= 57:
        # Beyond this every float is 0 or infinite, whatever its 19 digits.
        power = min(power * 10 + c - 48, 1 << 30)
        i += 1
        c = byte(b, i)
    if i == start:
        return NO_POWER, i
    return -power if negative else power, i


@inner()
def leading_digits(b: Array, i: int) -> tuple[Word, int, bool]:
    """Read the first 19 significant digits: them, the power of ten cut off, whether that is all.

    Zeros in front do not count: 0.00012345678901234567 has 17.
    """
    m = NOUGHT
    count, cut = 0, 0
    while True:
        c = byte(b, i)
        if 48 <= c <= 57:
            if count < 19:
                m = m * TEN + U(c - 48)
                count += m != NOUGHT
            else:
                cut += 1
        elif c != 46:
            return m, cut, cut == 0
        i += 1


@inner()
def eisel_lemire(m: Word, e: int, fives: Array) -> tuple[Any, bool]:
    """Return m·10^e, m > 0, correctly rounded; False where 128 bits do not tell.

    References:
        Lemire, Number parsing at a gigabyte per second, 2021, algorithm 1.
    """
    if e < -342 or e > 308:
        return 0.0, False
    shift = leading_zeros(m)
    m = m << U(shift)
    upper, lower = multiply(m, fives[e + 342, 0])
    if upper & LOW_NINE == LOW_NINE:
        second, _ = multiply(m, fives[e + 342, 1])
        lower += second
        if lower < second:
            upper += ONE
        if lower == ALL and (e < -27 or e > 55):
            return 0.0, False
    top = np.int64(upper >> U(63))
    mantissa = upper >> U(top + 9)
    # floor(e·log2(10)) for all e in the table.
    power = ((217706 * e) >> 16) + 63 + top - shift + 1023
    if power <= 0 or power >= 2047:
        return 0.0, False
    halfway = lower <= ONE and -4 <= e <= 23 and mantissa & THREE == ONE
    if halfway and (mantissa << U(top + 9)) == upper:
        mantissa &= EVEN
    mantissa = (mantissa + (mantissa & ONE)) >> ONE
    if mantissa >= EXACT:
        mantissa = HIDDEN
        power += 1
        if power >= 2047:
            return 0.0, False
    return as_float((mantissa & FRACTION) | (U(power) << U(52))), True


@inner()
def as_real(
    m: Word, e: int, negative: bool, kind: int, tens: Array, fives: Array
) -> tuple[Any, bool]:
    """Return ±m·10^e correctly rounded; False where Python's float has to tell."""
    known = True
    if m <= EXACT and -22 <= e <= 22 and kind != LONG:
        # Both are exact, so one operation rounds once.
        value: Any = np.float64(m)
        value = value / tens[-e] if e < 0 else value * tens[e]
    elif m == NOUGHT:
        value = 0.0
    else:
        value, known = eisel_lemire(m, e, fives)
    if kind == LONG and m != NOUGHT:
        # The number lies between m and m + 1: where both round alike, so does it.
        below = value
        value, also = eisel_lemire(m + ONE, e, fives)
        known = known and also and value == below
    # The integer -0 is 0; the decimal -0.0 is not.
    if negative and (kind != WHOLE or m != NOUGHT):
        value = -value
    return value, known


# Strings, literals, values of any kind.


@inner()
def escape(b: Array, i: int) -> int:
    """Return the length of the escape whose backslash is at i, 0 where it is none."""
    c = byte(b, i + 1)
    if c == 117:
        for q in range(i + 2, i + 6):
            d = byte(b, q) | 32
            if not (48 <= byte(b, q) <= 57 or 97 <= d <= 102):
                return 0
        return 6
    # The eight of JSON: " / and backslash, b f n r t.
    known = c == 34 or c == 47 or c == 92 or c == 98 or c == 102 or c == 110
    return 2 if known or c == 114 or c == 116 else 0


@inner()
def string(b: Array, i: int) -> tuple[int, int, int]:
    """Pass the string whose opening quote is before i: the end, an error or 0, what it holds."""
    holds = PLAIN
    while True:
        w = word(b, i)
        quote = w ^ QUOTES
        slash = w ^ SLASHES
        # A byte is zero, or below a space, where subtracting borrows: exact for the lowest one.
        found = (quote - ONES) & ~quote | (slash - ONES) & ~slash | (w - SPACES) & ~w | w
        found &= HIGH
        if found == NOUGHT:
            i += 8
            continue
        i += trailing_zeros(found) >> 3
        c = byte(b, i)
        if c == 34:
            return i + 1, 0, holds
        if c == 92:
            holds |= ESCAPED
            length = escape(b, i)
            if length == 0:
                return i, ESCAPE, holds
            i += length
        elif c < 32:
            return i, CONTROL, holds
        else:
            holds |= FOREIGN
            i += 1


@inner()
def literal(b: Array, i: int) -> int:
    """Return the length of true, false, null, NaN, Infinity or -Infinity at i, or 0."""
    w = word(b, i)
    four = w & FOUR_BYTES
    if four in (TRUE, NULL):
        return 4
    if w & FIVE_BYTES == FALSE:
        return 5
    if w & THREE_BYTES == NAN:
        return 3
    if w == INFINITY:
        return 8
    if w == MINUS_INFINITY and byte(b, i + 8) == 121:
        return 9
    return 0


@inner()
def key(b: Array, i: int) -> tuple[int, int, int, int]:
    """Pass a key and its colon: where the value begins, where the key ends, an error, its kind."""
    if byte(b, i) != 34:
        return i, i, KEY, PLAIN
    end, error, holds = string(b, i + 1)
    if error:
        return end, end, error, holds
    i = blank(b, end)
    if byte(b, i) != 58:
        return i, end, COLON, holds
    return blank(b, i + 1), end, 0, holds


@entry()
def skip(b: Array, i: int, stack: Array) -> tuple[int, int, int]:
    """Pass the value at i, whatever it is: its end, an error or 0, what its strings hold."""
    depth = 0
    foreign = PLAIN
    while True:
        c = byte(b, i)
        opened = c == 123 or c == 91
        if opened:
            if depth == DEPTH:
                return i, DEEP, foreign
            stack[depth] = c
            depth += 1
            i = blank(b, i + 1)
            # Closing follows opening by two in ASCII.
            if byte(b, i) != c + 2:
                if c == 123:
                    i, _, error, holds = key(b, i)
                    foreign |= holds
                    if error:
                        return i, error, foreign
                continue
        elif c == 34:
            i, error, holds = string(b, i + 1)
            foreign |= holds
            if error:
                return i, error, foreign
        elif c == 45 or 48 <= c <= 57:
            length = literal(b, i)
            if length:
                i += length
            else:
                _, _, _, i, kind = number(b, i)
                if kind == NONE:
                    return i, NUMBER, foreign
        else:
            length = literal(b, i)
            if length == 0:
                return i, VALUE, foreign
            i += length
        # A value has ended: close what ends with it, up to the next one.
        while True:
            if depth == 0:
                return i, 0, foreign & FOREIGN
            i = blank(b, i)
            c = byte(b, i)
            last = np.int64(stack[depth - 1])
            if c == last + 2:
                depth -= 1
                i += 1
            elif c == 44:
                i = blank(b, i + 1)
                if last == 123:
                    i, _, error, holds = key(b, i)
                    foreign |= holds
                    if error:
                        return i, error, foreign
                break
            else:
                return i, COMMA, foreign


# Objects.


@inner()
def fits(
    b: Array,
    cursor: Array,
    begin: int,
    end: int,
    program: Array,
    text: Array,
    ints: Array,
    reals: Array,
    boxes: Array,
    points: Array,
    spans: Array,
    stack: Array,
    tens: Array,
    fives: Array,
) -> int:
    """Read the object at the cursor by one template into the cursor's row; its end, or -1."""
    i, row = cursor[POSITION], cursor[ROW]
    for k in range(begin, end):
        first, after = program[k, 0], program[k, 1]
        if i + 8 * (after - first) > len(b):
            return -1
        at = i
        for q in range(first, after):
            if (load(b, at) ^ text[q, 0]) & text[q, 1]:
                return -1
            at += 8
        i += program[k, 2]
        what, slot, which = program[k, 3], program[k, 4], program[k, 5]
        if what <= NUMBERS:
            m, e, negative, i, kind = number(b, i)
            if kind == NONE:
                return -1
            if what == INTEGER and kind == WHOLE:
                if m > LARGEST:
                    return -1
                ints[slot, row] = -np.int64(m) if negative else np.int64(m)
                continue
            value, known = as_real(m, e, negative, kind, tens, fives)
            if not known:
                return -1
            if what == REAL:
                reals[slot, row] = value
            elif what == INTEGER:
                # A whole number written as a float is an id all the same.
                if value != np.floor(value) or abs(value) >= 2.0**53:
                    return -1
                ints[slot, row] = np.int64(value)
            elif slot == 0:
                boxes[row, which] = value
            else:
                points[row, which] = value
        elif what <= WORDS:
            if what == WORDS:
                if byte(b, i) != 34:
                    return -1
                ints[slot, row] = i
            at = i
            i, error, foreign = skip(b, i, stack)
            if error:
                return -1
            cursor[BEYOND_ASCII] |= foreign
            if what == SPAN:
                spans[slot, row, 0] = at
                spans[slot, row, 1] = i
        elif what == CONSTANT:
            ints[slot, row] = which
    return i


@entry()
def scan(
    b: Array,
    cursor: Array,
    starts: Array,
    heads: Array,
    program: Array,
    text: Array,
    ints: Array,
    reals: Array,
    boxes: Array,
    points: Array,
    spans: Array,
    forms: Array,
    places: Array,
    tens: Array,
    fives: Array,
) -> None:
    """Read objects from the cursor on, a row each, until its limit or one that fits no template.

    Args:
        b: The file.
        cursor: See above; it is moved on.
        starts: First operation of each template and the number of all, (T + 1,).
        heads: Of each template the form of its rows, and the bytes before the object, (T, 2).
        program: Operations: first word of the text before it and first word after, the text's
            length in bytes, what to read, slot, position in the list or constant, (O, 6).
        text: Words of text, and which of their bits count, (W, 2).
        ints: Integers by slot and row. Of WORDS, the position of the opening quote.
        reals: Floats by slot and row.
        boxes: Numbers of the lists in slot 0, (rows, 4 or 5).
        points: Numbers of the lists in slot 1, (rows, any).
        spans: Begin and end of the values that are read later, by slot and row.
        forms: How each field was found.
        places: Position of each object.
        tens: Powers of ten.
        fives: Powers of five.
    """
    stack = np.empty(DEPTH, np.uint8)
    n = len(heads)
    while cursor[POSITION] < cursor[LIMIT] and cursor[ROW] < cursor[ROWS]:
        end = -1
        t = cursor[CURRENT]
        for _ in range(n):
            end = fits(
                b, cursor, starts[t], starts[t + 1], program, text, ints, reals, boxes, points,
                spans, stack, tens, fives,
            )  # fmt: skip
            if end >= 0:
                break
            t = t + 1 if t + 1 < n else 0
        if end < 0:
            return
        row = cursor[ROW]
        forms[row] = heads[t, 0]
        places[row] = cursor[POSITION] + heads[t, 1]
        cursor[CURRENT] = t
        cursor[POSITION] = end
        cursor[ROW] = row + 1
