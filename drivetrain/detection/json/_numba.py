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
MINUS = U(45)
# The point xor '0'.
POINT = U(0x1E)

# Powers of ten beyond which every float is 0 or infinite, whatever its 19 digits.
BEYOND = 1 << 30
# From here on floats are even, whatever was written.
TOO_LARGE = 2.0**53
TENS = np.array([10**k for k in range(9)], np.uint64)

# Only ``scan`` and ``skip`` are called from Python and kept on disk, with all that they call: an
# entry point and a file for each function would double the time of the first compilation.
inner: Any = partial(njit, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
always: Any = partial(inner, forceinline=True)
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


@always()
def eight_digits(t: Word, k: int) -> Word:
    """Return the value of the first k (1 to 8) digits in t, a word of digits minus '0'."""
    t = t << U(64 - 8 * k)
    t = t * TEN + (t >> EIGHT)
    upper = (t & PAIRS) * UPPER_PAIRS
    lower = ((t >> U(16)) & PAIRS) * LOWER_PAIRS
    return (upper + lower) >> U(32)


@inner()
def number(b: Array, i: int) -> tuple[Word, int, bool, int, int]:
    """Read the number at i: m, e, negative, end and kind, of value ±m·10^e.

    Of a LONG number m holds the first 19 digits that count (zeros in front do not); of NONE the
    end is where it went wrong.
    """
    negative = byte(b, i) == 45
    i += negative
    start, point = i, -1
    m = NOUGHT
    count, e = 0, 0
    kind = WHOLE
    c = byte(b, i)
    while True:
        if 48 <= c <= 57:
            if count < 19:
                m = m * TEN + U(c - 48)
                count += m != NOUGHT
                e -= point >= 0
            else:
                kind = LONG
                e += point < 0
        elif c == 46 and point < 0 and i > start:
            point = i + 1
            if kind != LONG:
                kind = DECIMAL
        else:
            break
        i += 1
        c = byte(b, i)
    whole = point - 1 if point >= 0 else i
    padded = whole > start + 1 and b[start] == 48
    padded = padded or i == start
    if padded or i == point:
        return m, e, negative, i, NONE
    if c | 32 == 101:
        if kind != LONG:
            kind = DECIMAL
        i += 1
        c = byte(b, i)
        sign = -1 if c == 45 else 1
        i += c == 45 or c == 43
        start = i
        power = 0
        c = byte(b, i)
        while 48 <= c <= 57:
            if power < BEYOND:
                power = power * 10 + c - 48
            i += 1
            c = byte(b, i)
        if i == start:
            return m, e, negative, i, NONE
        e += sign * power
    return m, e, negative, i, kind


@always()
def usual(b: Array, i: int) -> tuple[Word, int, bool, int, int]:
    """Read the number at i as ``number`` does, if it is of the usual kind, else say NONE.

    Usual are up to 7 characters before the point and 19 digits in all, no exponent, not at the
    very end of the file. There is no branch on how many digits there are.
    """
    if i + 48 > len(b):
        return NOUGHT, 0, False, i, NONE
    w = load(b, i)
    negative = w & LOW_BYTE == MINUS
    sign: Any = np.int64(negative)
    i += sign
    t = (w >> U(8 * sign)) ^ ZEROS
    others = ((t + BELOW_TEN) | t) & HIGH
    k = trailing_zeros(others) >> 3
    if k == 0 or k + sign > 7 or (k > 1) & (t & LOW_BYTE == NOUGHT):
        return NOUGHT, 0, False, i, NONE
    end, e, kind = k, 0, WHOLE
    if (t >> U(8 * k)) & LOW_BYTE == POINT:
        kind = DECIMAL
        others &= others - ONE
        stop = trailing_zeros(others) >> 3
        if stop + sign <= 7:
            # The whole number lies in the word: close the gap that the point leaves.
            before = (ONE << U(8 * k)) - ONE
            t = (t & before) | ((t >> EIGHT) & ~before)
            end, e = stop, k + 1 - stop
    m = eight_digits(t, k - e)
    i += end
    if kind == DECIMAL and end == k:
        i += 1
        point = i
        f = np.int64(8)
        while f == 8 and i < point + 24:
            t = load(b, i) ^ ZEROS
            f = trailing_zeros(((t + BELOW_TEN) | t) & HIGH) >> 3
            if f > 0:
                m = m * TENS[f] + eight_digits(t, f)
            i += f
        e = point - i
    # A point without digits behind it; too many; a power.
    if (kind == DECIMAL and e == 0) or k - e > 19 or b[i] | 32 == 101:
        kind = NONE
    return m, e, negative, i, kind


@inner()
def eisel_lemire(m: Word, e: int, five: Word, five_below: Word) -> tuple[Any, bool]:
    """Return m·10^e, m > 0, correctly rounded; False where 128 bits of 5^e do not tell.

    References:
        Lemire, Number parsing at a gigabyte per second, 2021, algorithm 1.
    """
    shift = leading_zeros(m)
    m = m << U(shift)
    upper, lower = multiply(m, five)
    if upper & LOW_NINE == LOW_NINE:
        second, _ = multiply(m, five_below)
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
    elif e < -342 or e > 308:
        return 0.0, False
    else:
        five, five_below = fives[e + 342, 0], fives[e + 342, 1]
        value, known = eisel_lemire(m, e, five, five_below)
        if kind == LONG and known:
            # The number lies between m and m + 1: where both round alike, so does it.
            below = value
            value, known = eisel_lemire(m + ONE, e, five, five_below)
            known = known and value == below
    # The integer -0 is 0; the decimal -0.0 is not.
    if negative and (kind != WHOLE or m != NOUGHT):
        value = -value
    return value, known and kind != NONE


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
    if four == TRUE or four == NULL:  # noqa: SIM109 (a tuple would be compiled)
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


@always()
def run(
    b: Array, i: int, operation: Array, text: Array, out: Array, tens: Array
) -> tuple[int, int]:
    """Read numbers that lie between equal texts: where they end, how many they were.

    Only those of at most seven characters, without sign or power, and never the last of the
    operation's run: what is left is read as everything else is.
    """
    first, length, which = operation[0], operation[2], operation[5]
    between, counts = text[first, 0], text[first, 1]
    n: Any = np.int64(0)
    most, size = operation[6] - 1, len(b)
    if i + 8 > size or (load(b, i) ^ between) & counts != NOUGHT:
        return i, n
    while n < most and i + 32 <= size:
        at = i + length
        t = load(b, at) ^ ZEROS
        others = ((t + BELOW_TEN) | t) & HIGH
        k = trailing_zeros(others) >> 3
        end, fraction = k, np.int64(0)
        if (t >> U((8 * k) & 63)) & LOW_BYTE == POINT:
            end = trailing_zeros(others & (others - ONE)) >> 3
            fraction = end - k - 1
            before = (ONE << U((8 * k) & 63)) - ONE
            padded = (t & before) | ((t >> EIGHT) & ~before)
            if fraction == 0:
                break
            m = eight_digits(padded, end - 1)
        else:
            m = eight_digits(t, k)
        if k == 0 or end > 7 or (k > 1) & (t & LOW_BYTE == NOUGHT):
            break
        at += end
        if (load(b, at) ^ between) & counts != NOUGHT:
            break
        out[which + n] = np.float64(m) / tens[fraction]
        i = at
        n += 1
    return i, n


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
    stack: Array,
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
            length in bytes, what to read, slot, position in the list or constant, how many numbers
            of the list follow each other between the same text, (O, 7).
        text: Words of text, and which of their bits count, (W, 2).
        ints: Integers by slot and row. Of WORDS, the position of the opening quote.
        reals: Floats by slot and row.
        boxes: Numbers of the lists in slot 0, (rows, 4 or 5).
        points: Numbers of the lists in slot 1, (rows, any).
        spans: Begin and end of the values that are read later, by slot and row.
        forms: How each field was found.
        places: Position of each object.
        stack: Room for the brackets that are open, (DEPTH,).
        tens: Powers of ten.
        fives: Powers of five.
    """
    n, size = len(heads), len(b)
    begin, row, t, failed = cursor[POSITION], cursor[ROW], cursor[CURRENT], 0
    limit, rows = cursor[LIMIT], cursor[ROWS]
    while begin < limit and row < rows and failed < n:
        i, fits = begin, True
        k, last = starts[t] - 1, starts[t + 1] - 1
        while k < last:
            k += 1
            if program[k, 6] > 1:
                i, passed = run(b, i, program[k], text, points[row], tens)
                k += passed
            first, after = program[k, 0], program[k, 1]
            fits = i + 8 * (after - first) <= size
            if not fits:
                break
            differs = NOUGHT
            at = i
            for q in range(first, after):
                differs |= (load(b, at) ^ text[q, 0]) & text[q, 1]
                at += 8
            fits = differs == NOUGHT
            if not fits:
                break
            i += program[k, 2]
            what, slot, which = program[k, 3], program[k, 4], program[k, 5]
            if what <= NUMBERS:
                m, e, negative, at, kind = usual(b, i)
                if kind == NONE:
                    m, e, negative, at, kind = number(b, i)
                i = at
                if what == INTEGER and kind == WHOLE and m <= LARGEST:
                    ints[slot, row] = -np.int64(m) if negative else np.int64(m)
                    continue
                if m <= EXACT and -22 <= e <= 0 and kind == DECIMAL:
                    value = np.float64(m) / tens[-e]
                    value = -value if negative else value
                else:
                    value, fits = as_real(m, e, negative, kind, tens, fives)
                if what == REAL:
                    reals[slot, row] = value
                elif what == INTEGER:
                    # A whole number written as a float is an id all the same.
                    fits = fits and kind == DECIMAL and value == np.rint(value)
                    fits = fits and -TOO_LARGE < value < TOO_LARGE
                    if fits:
                        ints[slot, row] = np.int64(value)
                elif slot == 0:
                    boxes[row, which] = value
                else:
                    points[row, which] = value
                if not fits:
                    break
            elif what <= WORDS:
                # A null where the template has a value makes the member absent.
                fits = what != SPAN or byte(b, i) != 110
                if what == WORDS:
                    fits = byte(b, i) == 34
                    ints[slot, row] = i
                at = i
                i, error, foreign = skip(b, i, stack)
                fits = fits and error == 0
                if not fits:
                    break
                cursor[BEYOND_ASCII] |= foreign
                if what == SPAN:
                    spans[slot, row, 0] = at
                    spans[slot, row, 1] = i
            elif what == CONSTANT:
                ints[slot, row] = which
        if fits:
            forms[row] = heads[t, 0]
            places[row] = begin + heads[t, 1]
            begin = i
            row += 1
            failed = 0
        else:
            failed += 1
            t = t + 1 if t + 1 < n else 0
    cursor[POSITION], cursor[ROW], cursor[CURRENT] = begin, row, t
