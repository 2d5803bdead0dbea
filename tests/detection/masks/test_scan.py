"""Masks out of JSON bytes: every form, hostile bytes, threads, and no byte outside a span."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.detection.masks import (
    boundaries,
    from_counts,
    from_dense,
    from_polygons,
    from_strings,
    iou,
    reference,
    to_strings,
    union,
)
from drivetrain.detection.masks.objects import read_object
from drivetrain.detection.masks.scan import CHUNK, Decoded, decode

SEEDS = st.integers(0, 2**32 - 1)
SQUARE = [5, 2, 2, 2, 5]
CORNERS = [[1, 1, 3, 1, 3, 3, 1, 3]]


def scan(*values: str | bytes, size: tuple[int, int] = (4, 4), threads: int = 1) -> Decoded:
    """Decode the values out of a text in which other bytes lie between them."""
    coded = [one.encode() if isinstance(one, str) else one for one in values]
    text, spans = b'\\"0', []
    for one in coded:
        spans.append((len(text), len(text) + len(one)))
        text += one + b"0]}"
    sizes = np.tile(np.array(size, np.int32), (len(coded), 1))
    where = np.array(spans, np.int64).reshape(-1, 2)
    return decode(np.frombuffer(text, np.uint8), where, sizes, threads=threads)


FORMS = [
    '{"size":[4,4],"counts":"52203"}',
    '{"counts":"52203","size":[4,4]}',
    ' { "counts" : "52203" ,\n\t"size" : [ 4 , 4 ] } ',
    '{"size":[4,4],"counts":[5,2,2,2,5]}',
    '{"size":[4,4],"counts":[ 5 , 2,2,2 ,5 ]}',
    '{"size":[4.0,4],"counts":[5,2.0,2e0,2,5]}',
    '{"counts":[5,2,2,2,5],"size":[4,4]}',
    '{"\\u0063ounts":"5220\\u0033","size":[4,4]}',
    '{"size":[9,9],"counts":7,"counts":"52203","size":[4,4]}',
    '{"other":{"size":[1]},"counts":"52203","size":[4,4]}',
    "[[1,1,3,1,3,3,1,3]]",
    " [ [1.0, 1e0 ,3,1, 3,3,1,3 ] ] ",
    "[[1,1,3,1,3,3,1,3],[1,1,2,1,2,2]]",
    "[[1.0000000000000000000000001,1,3,1,3,3,1,3]]",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(4, 4), (0, 0)])
def test_every_form_is_the_same_mask(form, size):
    read = scan(form, size=size)
    if size == (0, 0) and form.lstrip().startswith("["):
        assert read.bad == {
            0: "polygons need the height and width of their image, which are unknown"
        }
        return
    assert read.bad == {}
    assert read.masks.runs.tolist() == SQUARE
    assert read.masks.areas.tolist() == [4]
    assert read.masks.boxes.tolist() == [[1, 1, 2, 2]]
    assert read.masks.sizes.tolist() == [[4, 4]]


def test_forms_side_by_side_keep_their_order():
    read = scan(*FORMS)
    assert read.bad == {}
    assert read.masks.runs.tolist() == SQUARE * len(FORMS)


def test_a_backslash_is_doubled_in_json():
    # 92 is the character of 12 with more to follow: a run of 12 + 32 k.
    counts = [1, 12 + 32, 3, 52]
    text = reference.compressed(counts)
    assert b"\\" in text
    value = json.dumps({"size": [10, 10], "counts": text.decode()})
    assert "\\\\" in value
    read = scan(value, size=(10, 10))
    assert read.masks.runs.tolist() == counts
    assert to_strings(read.masks) == [text]


BAD = [
    ('{"size":[4,4],"counts":"5220"}', "its runs must sum to height x width = 4 x 4 = 16. Got 11"),
    ('{"size":[4,4],"counts":[5,2,2,2]}', "must sum to height x width = 4 x 4 = 16. Got 11"),
    ('{"size":[4,4],"counts":[5,2,2,2,-5]}', "runs must be >= 0 and < 2**32. Got -5"),
    ('{"size":[4,4],"counts":[5,2.5,1.5,2,5]}', "must hold whole numbers of int64. Got 2.5"),
    ('{"size":[4,4],"counts":["a"]}', "must hold real numbers"),
    ('{"size":[4,4],"counts":[[5,11]]}', "must be 1-d. Got shape (1, 2)"),
    ('{"size":[4,4],"counts":"5 203"}', "hold ' ' at position 1"),
    ('{"size":[4,4],"counts":"5220S"}', "end in the middle of a number"),
    ('{"size":[4,4],"counts":"5O203"}', "run 1 must be >= 0 and < 2**32. Got -1"),
    ('{"size":[4,4],"counts":""}', "Got 0"),
    ('{"size":[4,4],"counts":null}', "counts must be a list, str or bytes. Got None"),
    ('{"size":[4,4]}', "has no 'counts'"),
    ('{"counts":"52203"}', "has no 'size'"),
    ("{}", "has no 'size'"),
    ('{"size":[8,2],"counts":"52203"}', "mask is of 8 x 2 pixels, its image of 4 x 4"),
    ('{"size":[4],"counts":"52203"}', "sizes must be (n, 2)"),
    ('{"size":[4,4,4],"counts":"52203"}', "sizes must be (n, 2)"),
    ('{"size":[-4,-4],"counts":"52203"}', "sizes must be >= 0"),
    ('{"size":[4000000000,4],"counts":"52203"}', "sizes must be >= 0 and < 2**31"),
    ('{"size":[1000000,1000000],"counts":"52203"}', "must have < 2**32 pixels"),
    ('{"size":"ab","counts":"52203"}', "real numbers"),
    ("[]", "empty list: it must hold polygons"),
    ("[[]]", "three corners or more. Got 0 numbers"),
    ("[[1,1,3,1]]", "Got 4 numbers"),
    ("[[1,1,3,1,3,3,1]]", "Got 7 numbers"),
    ("[1,1,3,1,3,3,1,3]", "polygons must be a list of lists of coordinates. Got 1"),
    ("[[1,1,3,1,3,3],5]", "list of lists of coordinates. Got 5"),
    ("[[1,1,3,NaN,3,3]]", "must be finite. Got nan at position 3"),
    ("[[1,1,3,1e300,3,3]]", "within 2**27"),
    ('[[1,1,3,"a",3,3]]', "must hold real numbers"),
    ("[[1,1,3,1,3,3]", "is not JSON"),
    ('{"size":[4,4],"counts":"52203"', "is not JSON"),
    ('{"size":[4,4],"counts":"52203', "is not JSON"),
    ('{"size":[4,4] "counts":"52203"}', "is not JSON"),
    ('{"size":[4,4],"counts":[05,2,2,2,5]}', "is not JSON"),
    ('{"size":[4,4],"counts":[5,2,2,2,5,]}', "is not JSON"),
    ('{"size":[4,4],"counts":"52203"}]', "is not JSON"),
    ("null", "must be a list of polygons or an object of size and counts. Got None"),
    ('"52203"', "Got '52203'"),
    ("5", "Got 5"),
    ("", "no segmentation"),
    (b'{"size":[4,4],"counts":"5\xff03"}', "is not JSON"),
    ("[" * 100_000, "is not JSON"),
]


@pytest.mark.parametrize(("value", "words"), BAD)
def test_what_is_no_mask_is_told_in_words(value, words):
    read = scan(FORMS[0], value, FORMS[10])
    assert list(read.bad) == [1]
    assert words in read.bad[1]
    assert read.masks.areas.tolist() == [4, 0, 4]
    assert read.masks.sizes.tolist() == [[4, 4], [0, 0], [4, 4]]
    assert read.masks.runs.tolist() == [*SQUARE, *SQUARE]


def test_spans_that_lie_nowhere_hold_nothing():
    text = np.frombuffer(FORMS[0].encode(), np.uint8)
    spans = np.array([[-1, -1], [0, 31], [0, 32], [5, 5], [9, 3], [31, 2**40], [-5, 31]])
    assert len(text) == 31
    read = decode(text, spans, np.tile(np.array([4, 4], np.int32), (7, 1)))
    assert sorted(read.bad) == [0, 2, 3, 4, 5, 6]
    assert read.masks.areas[1] == 4
    assert decode(text, np.empty((0, 2), np.int64), np.empty((0, 2), np.int32)).bad == {}


def test_threads_change_nothing(pictures):
    rng = np.random.default_rng(0)
    values = []
    for i in range(CHUNK * 2 + 100):
        m = pictures(i)[0]
        size, runs = list(m.shape), reference.runs(m)
        counts = runs if i % 5 == 0 else reference.compressed(runs).decode()
        polygon = json.dumps([rng.uniform(0, 12, 8).round(2).tolist()])
        values.append(polygon if i % 7 == 0 else json.dumps({"size": size, "counts": counts}))
    values[17] = values[CHUNK + 1] = "[[1]]"
    text, begins = "".join(values).encode(), np.cumsum([0, *map(len, values)])
    spans = np.stack([begins[:-1], begins[1:]], axis=1)
    sizes = np.zeros((len(values), 2), np.int32)
    sizes[::7] = 12
    one, four = (decode(np.frombuffer(text, np.uint8), spans, sizes, threads=n) for n in (1, 4))
    assert one.bad == four.bad and {17, CHUNK + 1} <= set(one.bad)
    for name in ("runs", "offsets", "sizes", "areas", "boxes", "packed"):
        assert getattr(one.masks, name).tolist() == getattr(four.masks, name).tolist()


def agree(value: bytes, size: tuple[int, int]) -> None:
    """Hold the kernel to what Python's json and the readers of objects make of the same bytes."""
    read = scan(FORMS[0], value, size=size)
    try:
        want = read_object(json.loads(value), size)
    except (ValueError, TypeError, RecursionError):
        assert list(read.bad)[-1:] == [1]
        return
    assert 1 not in read.bad
    got = read.masks.take([1])
    for name in ("runs", "sizes", "areas", "boxes"):
        assert getattr(got, name).tolist() == getattr(want, name).tolist()


@given(SEEDS, st.sampled_from([(4, 4), (0, 0)]))
@settings(max_examples=300)
def test_mutated_bytes_give_what_slow_code_gives_or_words(seed, size):
    rng = np.random.default_rng(seed)
    value = bytearray(FORMS[rng.integers(len(FORMS))].encode())
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(value) + 1))
        kind = rng.integers(4)
        signs = b'[]{}",:\\ 0159-+.eE\nnul\x00\xffo'
        if kind == 0:
            del value[at : at + int(rng.integers(1, 4))]
        elif kind == 1:
            value[at:at] = bytes(rng.choice(list(signs), int(rng.integers(1, 3))).tolist())
        elif kind == 2 and at < len(value):
            value[at] = int(rng.choice(list(signs)))
        else:
            del value[at:]
        if not value:
            break
    agree(bytes(value), size)


@given(SEEDS)
@settings(max_examples=60)
def test_random_strings_give_what_slow_code_gives_or_words(seed):
    rng = np.random.default_rng(seed)
    text = bytes(rng.integers(46, 114, int(rng.integers(0, 20))).tolist()).decode()
    agree(json.dumps({"size": [4, 4], "counts": text}).encode(), (4, 4))


def test_masks_read_here_compare_as_those_made_elsewhere():
    read = scan(*FORMS[:2]).masks
    made = from_counts([SQUARE], [[4, 4]])
    assert iou(read, made).tolist() == [[1.0], [1.0]]
    assert union(read).runs.tolist() == SQUARE


@pytest.mark.slow
def test_no_kernel_reads_past_an_array(tmp_path):
    """All of these tests once more, with every index of every kernel checked."""
    here = os.path.dirname(__file__)
    if os.environ.get("NUMBA_BOUNDSCHECK") == "1":
        pytest.skip("this is that run")
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow and not peer", here],
        env=environment,
        cwd=os.path.join(here, "..", "..", ".."),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_read_object_wants_a_form():
    with pytest.raises(TypeError, match="list of polygons or an object of size and counts"):
        read_object("52203")
    assert read_object({"size": [4, 4], "counts": b"52203"}).runs.tolist() == SQUARE
    assert read_object({"size": (4, 4), "counts": np.array(SQUARE)}).runs.tolist() == SQUARE
    assert read_object([np.array(CORNERS[0])], (4, 4)).runs.tolist() == SQUARE
    assert from_polygons(CORNERS, (4, 4)).runs.tolist() == SQUARE
    assert boundaries(from_dense(np.ones((1, 4, 4)))).areas.tolist() == [12]
    assert from_strings([], []).runs.tolist() == []
