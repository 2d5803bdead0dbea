"""Columns of a JSON text equal what Python's json reads, or both refuse: no third way."""

import ctypes
import json
import math
import mmap
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.detection.json import source as source_module
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.document import read_sections
from drivetrain.detection.json.failure import BrokenJson
from drivetrain.detection.json.powers import powers_of_five
from drivetrain.detection.json.schema import ABSENT, GOOD, TEXT, WRONG, Schema
from drivetrain.detection.json.source import Source
from drivetrain.detection.json.texts import spans_of, text_ids

SCHEMA = Schema(
    entry="entry",
    integers=("id", "image_id"),
    reals=("score", "area"),
    boxes="bbox",
    points="keypoints",
    spans=("segmentation",),
)


def read(text: bytes, threads: int = 1, name: str = "text") -> tuple[Source, Columns]:
    source = Source(name, text)
    return source, read_sections(source, {"annotations": SCHEMA}, threads=threads)["annotations"]


def values(source: Source, columns: Columns) -> list[dict[str, Any]]:
    """Every entry as the columns hold it, absent members left out, wrong ones as WRONG."""
    words = {key: text_ids(columns, key, source) for key in SCHEMA.integers}
    rows: list[dict[str, Any]] = []
    for row in range(len(columns)):
        entry: dict[str, Any] = {}
        for key, (_, wanted) in SCHEMA.fields.items():
            form = columns.form(key)[row]
            if form == WRONG:
                entry[key] = WRONG
            elif form == TEXT:
                entry[key] = words[key][row]
            elif form == GOOD:
                entry[key] = cell(source, columns, row, wanted)
        rows.append(entry)
    return rows


def cell(source: Source, columns: Columns, row: int, wanted: Any) -> Any:
    if wanted.key in SCHEMA.integers:
        return int(columns.ints[wanted.slot, row])
    if wanted.key in SCHEMA.reals:
        return float(columns.reals[wanted.slot, row])
    if wanted.key == "segmentation":
        begin, end = spans_of(columns, wanted.key)[row].tolist()
        return json.loads(bytes(source.buffer[begin:end]))
    return (columns.boxes if wanted.key == "bbox" else columns.points)[row].tolist()


def number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def expected_cell(key: str, value: Any, width: int) -> Any:
    if key in SCHEMA.integers:
        if isinstance(value, (str, bool)):
            return value if isinstance(value, str) else int(value)
        whole = is_number(value) and math.isfinite(value) and value == int(value)
        return int(value) if whole and -(2**63) <= value < 2**63 else WRONG
    if key in SCHEMA.reals:
        return number(value) if is_number(value) else WRONG
    if key == "segmentation":
        return value
    right = isinstance(value, list) and all(is_number(x) for x in value)
    return [number(x) for x in value] if right and len(value) == width else WRONG


def expected(text: bytes) -> list[dict[str, Any]]:
    """The same by Python's json; ValueError where it is no list of objects."""
    entries = json.loads(text.removeprefix(b"\xef\xbb\xbf").decode())
    if isinstance(entries, dict):
        entries = entries["annotations"]
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise ValueError("no list of objects")
    lists = [one.get("keypoints") for one in entries]
    first = [x for x in lists if isinstance(x, list) and x and all(is_number(y) for y in x)]
    widths = {"bbox": 4, "keypoints": len(first[0]) if first else 0}
    rows = []
    for one in entries:
        members = {k: v for k, v in one.items() if k in SCHEMA.fields and v is not None}
        gone = {k for k in widths if members.get(k) == []}
        rows.append(
            {k: expected_cell(k, v, widths.get(k, 0)) for k, v in members.items() if k not in gone}
        )
    return rows


def same(a: Any, b: Any) -> bool:
    """Equal, NaN to NaN and -0.0 only to -0.0."""
    if isinstance(a, float) and isinstance(b, float):
        return np.float64(a).view(np.int64) == np.float64(b).view(np.int64) or (a != a and b != b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and bool(a == b)


def check(text: bytes, threads: int = 1) -> bool:
    """Hold both readings against each other; return whether the text was accepted."""
    try:
        wanted = expected(text)
    except (ValueError, KeyError, RecursionError):
        with pytest.raises((BrokenJson, KeyError)):
            read(text, threads)
        return False
    got = values(*read(text, threads))
    assert same(got, wanted), (text, got, wanted)
    return True


ENTRY = b'{"id":1,"image_id":7,"bbox":[1,2.5,3e1,4],"score":0.5,"area":12,"x":"y"}'


# Golden values.


def test_a_result_list() -> None:
    source, columns = read(b"[" + ENTRY + b", " + ENTRY.replace(b"0.5", b"0.25") + b"]")
    assert columns.reals.tolist() == [[0.5, 0.25], [12.0, 12.0]]
    assert columns.boxes.tolist() == [[1.0, 2.5, 30.0, 4.0]] * 2
    assert columns.places.tolist() == [1, len(ENTRY) + 3]
    assert source.begin == 0


def test_powers_of_five_are_those_of_the_paper() -> None:
    # The first and last rows of the table in Lemire's fast_float (C++), and 5^-1 and 5^0.
    rows = [[hex(half) for half in powers_of_five()[q + 342].tolist()] for q in (-342, -1, 0, 308)]
    assert rows[0] == ["0xeef453d6923bd65a", "0x113faa2906a13b3f"]
    assert rows[1] == ["0xcccccccccccccccc", "0xcccccccccccccccd"]
    assert rows[2] == ["0x8000000000000000", "0x0"]
    assert rows[3] == ["0x8e679c2f5e44ff8f", "0x570f09eaa7ea7648"]


# Numbers.


def repeated(numbers: list[str]) -> bytes:
    """One entry a number, behind one that makes the template."""
    return ("[" + ",".join(f'{{"score":{x}}}' for x in ["0.5", "0.5", *numbers]) + "]").encode()


def check_numbers(numbers: list[str]) -> None:
    _, columns = read(repeated(numbers))
    wanted = np.array([number(json.loads(x)) for x in numbers])
    got = columns.reals[0, 2:]
    wrong = np.flatnonzero(got.view(np.int64) != wanted.view(np.int64))
    assert wrong.size == 0, [(numbers[i], got[i], wanted[i]) for i in wrong[:5]]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
@settings(max_examples=60)
def test_floats_as_python_writes_them(numbers: list[float]) -> None:
    check_numbers([repr(x) for x in numbers])


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=40))
@settings(max_examples=40)
def test_single_precision_in_full(numbers: list[float]) -> None:
    check_numbers([repr(x) for x in numbers] + [f"{x:.20f}" for x in numbers if abs(x) < 1e6])


DIGITS = st.text("0123456789", min_size=1, max_size=40)
LITERAL = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.one_of(st.just("0"), DIGITS.map(lambda x: x.lstrip("0") or "0")),
    st.one_of(st.just(""), DIGITS.map(lambda x: "." + x)),
    st.one_of(
        st.just(""),
        st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]),
                  st.integers(0, 360)),
    ),
)  # fmt: skip


@given(st.lists(LITERAL, min_size=1, max_size=40))
@settings(max_examples=150)
def test_any_number_that_json_allows(numbers: list[str]) -> None:
    check_numbers(numbers)


def halfway(bits: int) -> str:
    """The exact decimal between a float and the next one: the hardest to round."""
    low, high = np.array([bits, bits + 1], np.int64).view(np.float64).tolist()
    from fractions import Fraction

    middle = (Fraction(low) + Fraction(high)) / 2
    scale = middle.denominator.bit_length() - 1
    return f"{middle.numerator * 5**scale}e-{scale}"


@given(st.lists(st.integers(1, 0x7FEFFFFFFFFFFFFE), min_size=1, max_size=10), st.data())
@settings(max_examples=40)
def test_halfway_between_two_floats(bits: list[int], data: st.DataObject) -> None:
    exact = [halfway(one) for one in bits]
    kept = data.draw(st.integers(15, 22))
    cut = []
    for one in exact:
        digits, power = one.split("e")
        cut.append(f"{digits[:kept]}e{int(power) + len(digits[kept:])}")
    check_numbers([x for x in exact if len(x) < 400] + cut)


def test_the_ends_of_the_range() -> None:
    ends = ["5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-400", "1e400"]
    ends += ["1.7976931348623157e308", "1.7976931348623159e308", "2.2250738585072011e-308"]
    ends += ["-0", "-0.0", "0", "0e999999999999", "1" + "0" * 350, "9007199254740993", "1e23"]
    ends += ["8.442911973260991817129021e-309", "0." + "0" * 400 + "1", "123456789012345678901234"]
    check_numbers(ends)


@given(st.lists(st.integers(-(2**64), 2**64), min_size=1, max_size=30))
def test_ids_are_never_rounded(ids: list[int]) -> None:
    check(json.dumps([{"id": 1}, {"id": 2}, *({"id": one} for one in ids)]).encode())


def test_ids_that_are_written_as_floats() -> None:
    ids = [1, 5.0, 7e2, 2.5, 1e300, -3.0, True, False, None, "a", [1], {"b": 2}, math.nan]
    assert check(json.dumps([{"id": one} for one in ids * 3]).encode())


# Documents.

WORDS = st.text(max_size=6)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
REAL = st.floats() | st.integers(-5, 700)
MEMBERS = {
    "id": st.integers(0, 10**18) | st.just("a7") | ANY,
    "image_id": st.integers(0, 99) | ANY,
    "score": REAL | ANY,
    "area": REAL,
    "bbox": st.lists(REAL, min_size=4, max_size=4) | ANY,
    "keypoints": st.lists(REAL, min_size=6, max_size=6) | ANY,
    "segmentation": ANY,
    "other": ANY,
    'o"\\th\u00e9r': ANY,
}


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Lists of entries, mostly alike, with any white space, order, escapes and repetitions."""
    keys = draw(st.lists(st.sampled_from(sorted(MEMBERS)), max_size=7))
    space = st.sampled_from(["", " ", "\n", "\t\r\n  "])
    gap, ascii_only = draw(space), draw(st.booleans())
    entries = []
    for _ in range(draw(st.integers(0, 6))):
        own = draw(st.permutations(keys)) if draw(st.integers(0, 4)) == 0 else keys
        members = []
        for key in own:
            name = json.dumps(key, ensure_ascii=ascii_only)
            if draw(st.integers(0, 9)) == 0:
                name = '"' + "".join(f"\\u{ord(c):04x}" for c in key) + '"'
            value = json.dumps(draw(MEMBERS[key]), ensure_ascii=ascii_only)
            members.append(f"{name}{gap}:{draw(space)}{value}")
        entries.append("{" + gap + f",{gap}".join(members) + gap + "}")
    listed = "[" + gap + f"{gap},{gap}".join(entries) + "]" + gap
    if draw(st.booleans()):
        listed = '{"info": {"é": [1, {}]}, "annotations"' + gap + ":" + listed + ', "x": null}'
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return mark + listed.encode(errors="surrogatepass")


@given(documents())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_documents(text: bytes) -> None:
    check(text)


@given(documents(), st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_documents_with_a_byte_changed(text: bytes, data: st.DataObject) -> None:
    if text:
        at = data.draw(st.integers(0, len(text) - 1))
        check(text[:at] + data.draw(st.binary(max_size=2)) + text[at + 1 :])


REGULAR = b"[" + b",".join(
    b'{"id":%d,"image_id":"\xc3\xa9%d","bbox":[1.5,-2,3e-1,1234.5678],"score":0.%d,'
    b'"keypoints":[1,2.25,2,3,4,0],"segmentation":{"size":[2,3],"counts":"a\\\\b"}}' % (i, i % 2, i)
    for i in range(1, 5)
) + b"]"  # fmt: skip


def test_a_file_that_is_cut_short_anywhere() -> None:
    assert check(REGULAR)
    for n in range(1, len(REGULAR)):
        with pytest.raises(BrokenJson, match="byte") as caught:
            read(REGULAR[:n])
        assert "cut short" in str(caught.value) or "UTF-8" in str(caught.value)


def test_every_byte_changed() -> None:
    random = np.random.default_rng(0)
    accepted = 0
    for at in range(len(REGULAR)):
        for byte in (*random.integers(0, 256, 2).tolist(), ord('"'), ord("9")):
            accepted += check(REGULAR[:at] + bytes([byte]) + REGULAR[at + 1 :])
    assert accepted > 400  # Most changed digits and letters still make JSON.


def test_values_alike_but_not_quite() -> None:
    for value in ("1.", ".5", "01", "-", "+1", "1e", "1e+", "0x1", "1_0", "tru", "nul", "--1"):
        for key in ("id", "score"):
            assert not check(repeated([]).replace(b"score", key.encode())[:-1]
                             + f',{{"{key}":{value}}}]'.encode())  # fmt: skip
    assert check(b'[{"score":NaN},{"score":-Infinity},{"score":Infinity},{"score":1}]')


def test_nesting_has_a_limit_that_is_told() -> None:
    assert check(b'[{"x":' + b"[" * 400 + b"]" * 400 + b"}]")
    with pytest.raises(BrokenJson, match="500 nested"):
        read(b'[{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]")


def test_objects_of_more_kinds_than_templates() -> None:
    entries = [{f"k{i % 37}": 1, "id": i, "score": i / 7} for i in range(300)]
    assert check(json.dumps(entries).encode())


def test_a_member_that_is_no_list() -> None:
    with pytest.raises(BrokenJson, match="list of objects in 'annotations', found b'3' at byte 16"):
        read(b'{"annotations": 3}')
    with pytest.raises(BrokenJson, match="an object, found b'1' at byte 1"):
        read(b"[1]")
    assert check(b'{"annotations": [{"id": 1}], "annotations": [{"id": 2}]}')


# Pieces.


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "FIRST_PIECE", 64)
    monkeypatch.setattr(source_module, "PIECE", 200)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("threads", [1, 3])
def test_pieces_that_begin_anywhere(threads: int) -> None:
    entries: list[dict[str, Any]] = []
    for i in range(120):
        entries.append({"id": i, "score": i / 7, "bbox": [i, 1, 2, 3]})
        if i % 11 == 0:
            # Text and nested objects that look as if one object ended and another began.
            entries.append({"id": i, "x": '}, {"id":1}, {"id":2}, {"id":3}, ' * 9, "score": 0.5})
            entries.append({"id": -i, "x": [{"id": 5}, {"id": 6}] * 40, "image_id": "text"})
    assert check(json.dumps(entries).encode(), threads)
    assert check(json.dumps({"annotations": entries, "images": entries}).encode(), threads)
    assert not check(json.dumps(entries).encode()[:-40] + b"}", threads)


@pytest.mark.usefixtures("small_pieces")
def test_points_whose_length_is_seen_late() -> None:
    entries = [{"id": i} for i in range(100)] + [{"id": 7, "keypoints": [1, 2, 3.5]}] * 50
    assert check(json.dumps(entries).encode(), 2)


@pytest.mark.usefixtures("small_pieces")
def test_faults_and_text_follow_their_rows() -> None:
    entries = [{"id": i if i % 9 else f"t{i}", "score": [] if i % 13 == 5 else i, "x": [{}] * 3}
               for i in range(200)]  # fmt: skip
    text = json.dumps(entries).encode()
    assert check(text, 2)
    _, columns = read(text, 2)
    assert {row for row, _ in columns.faults} == {i for i in range(200) if i % 13 == 5}


def test_threads_do_not_change_the_columns() -> None:
    random = np.random.default_rng(1)
    rows = [{"id": i, "score": random.random(), "bbox": random.random(4).tolist()}
            for i in range(30_000)]  # fmt: skip
    text = json.dumps(rows).encode()
    assert len(text) > 2 * source_module.PIECE
    _, one = read(text)
    _, four = read(text, 4)
    for name in ("boxes", "forms", "places"):
        np.testing.assert_array_equal(getattr(one, name), getattr(four, name))
    np.testing.assert_array_equal(one.ints[0], four.ints[0])
    np.testing.assert_array_equal(one.reals[0], four.reals[0])
    assert one.reals[0].tolist() == [row["score"] for row in rows]
    assert one.boxes.tolist() == [row["bbox"] for row in rows]


# Memory.


@pytest.mark.skipif(sys.platform != "linux", reason="protects a page by mprotect")
def test_nothing_is_read_past_the_end() -> None:
    # The text ends where a page begins that may not be read: a stray load would end the process.
    page = mmap.PAGESIZE
    region = mmap.mmap(-1, 3 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(region))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address + 2 * page), page, 0) == 0
    for n in range(1, len(REGULAR) + 1):
        begin = 2 * page - n
        region[begin : 2 * page] = REGULAR[:n]
        guarded = np.frombuffer(region, np.uint8, n, begin)
        guarded.flags.writeable = False
        source = Source("guarded", REGULAR[:n])
        object.__setattr__(source, "data", guarded)
        if n < len(REGULAR):
            with pytest.raises(BrokenJson):
                read_sections(source, {"annotations": SCHEMA})
        else:
            assert len(read_sections(source, {"annotations": SCHEMA})["annotations"]) == 4
    assert libc.mprotect(ctypes.c_void_p(address + 2 * page), page, 3) == 0


CHECKED = """
import json
import numpy as np
from drivetrain.detection.json.document import read_sections
from drivetrain.detection.json.failure import BrokenJson
from drivetrain.detection.json.schema import Schema
from drivetrain.detection.json.source import Source

schema = Schema(entry="e", integers=("id", "image_id"), reals=("score",), boxes="bbox",
                points="keypoints", spans=("segmentation",))
entry = {"id": 1, "image_id": "a", "score": 0.25, "bbox": [1, -2.5, 3e-7, 12345678.123456789],
         "keypoints": [1.5, 2, 1], "segmentation": {"counts": "a\\\\\\\\b\\u00e9"}, "x": [1, None]}
text = json.dumps([entry] * 4 + [{"id": 3.0, "image_id": True, "score": 7}] * 3).encode()
random = np.random.default_rng(0)
for k in range(1500):
    changed = bytearray(text)
    for _ in range(k % 3):
        changed[random.integers(len(text))] = random.integers(256)
    try:
        read_sections(Source("t", bytes(changed[: len(text) - k % 5])), {"annotations": schema})
    except BrokenJson:
        pass
print("no index out of bounds")
"""


def test_no_index_is_out_of_bounds() -> None:
    # Checked indexing is compiled anew, in a cache of its own.
    run = subprocess.run(
        [sys.executable, "-c", CHECKED],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": os.devnull + "-none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "no index out of bounds\n", run.stderr[-2000:]


def test_columns_are_sized_by_their_objects() -> None:
    _, columns = read(b"[" + b",".join([ENTRY] * 1000) + b"]")
    assert len(columns) == 1000
    assert columns.form("keypoints").tolist() == [ABSENT] * 1000
