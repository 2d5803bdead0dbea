"""What chunks are read from, what is wrong with them, and what an interruption leaves."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from drivetrain.boosting.booster import Booster
from drivetrain.boosting.chunks import cache, stripes, tables
from drivetrain.boosting.chunks.chunk import Chunk
from drivetrain.boosting.chunks.datasets import dataset_from_arrays, dataset_from_chunks
from drivetrain.boosting.chunks.tables import dataset_from_table
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.tables import encode, read_table
from drivetrain.boosting.training import Settings, boost

X = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
Y = X[:, 0] * X[:, 1]
HOW = Settings(n_estimators=3)


def fit(data: Dataset) -> Booster:
    return boost(data, SquaredError(), HOW)[0]


EXPECTED = fit(Dataset(x=X, label=Y))


def same(a: Booster, b: Booster) -> None:
    for name, array in vars(a.forest).items():
        assert np.array_equal(array, getattr(b.forest, name)), name


def pieces(change: Callable[[int, int, Any], Any] = lambda passes, k, chunk: chunk) -> Any:
    """Return a reader of three chunks, each changed as told."""
    passes = 0

    def read() -> Iterator[Any]:
        nonlocal passes
        passes += 1
        for k in range(3):
            some = slice(300 * k, 300 * k + 300)
            changed = change(passes, k, (X[some], Y[some]))
            if changed is not None:
                yield changed

    return read


FORMS = {
    "tuple": lambda passes, k, chunk: chunk,
    "dict": lambda passes, k, chunk: {"x": chunk[0], "label": chunk[1]},
    "Chunk": lambda passes, k, chunk: Chunk(x=chunk[0], label=chunk[1]),
    "float64": lambda passes, k, chunk: (chunk[0].astype(float), chunk[1]),
    "fortran": lambda passes, k, chunk: (np.asfortranarray(chunk[0]), chunk[1]),
    "lists": lambda passes, k, chunk: (chunk[0].tolist(), chunk[1].tolist()),
    "sparse": lambda passes, k, chunk: (csr_matrix(chunk[0]), chunk[1]),
}


@pytest.mark.parametrize("form", FORMS)
def test_chunks_come_in_many_forms(form: str) -> None:
    same(EXPECTED, fit(dataset_from_chunks(pieces(FORMS[form]))))


def test_queries_may_cross_chunks() -> None:
    qid = np.repeat([3, 7, 9], 300)

    def read() -> Iterator[Chunk]:
        for a in range(0, 900, 250):
            some = slice(a, a + 250)
            yield Chunk(x=X[some], label=Y[some], qid=qid[some])

    data = dataset_from_chunks(read)
    assert data.group_offsets is not None
    assert data.group_offsets.tolist() == [0, 300, 600, 900]
    qid[0] = 9
    with pytest.raises(ValueError, match="qid must not fall"):
        dataset_from_chunks(read)


def _only(at: int, made: Any) -> Callable[[int, int, Any], Any]:
    return lambda passes, k, chunk: made(chunk) if k == at else chunk


def _later(made: Any) -> Callable[[int, int, Any], Any]:
    return lambda passes, k, chunk: made(chunk) if k == 1 and passes > 1 else chunk


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_only(1, lambda c: (c[0][:, :2], c[1])), "chunk 1: x must have 3 columns.* Got 2"),
        (_only(2, lambda c: (c[0], c[1][:-1])), "chunk 2: label must have 300 rows.* Got 299"),
        (_only(1, lambda c: (c[0].astype(str), c[1])), "chunk 1: x must hold real numbers"),
        (_only(1, lambda c: (c[0] * np.inf, c[1])), "chunk 1: x must not be infinite"),
        (_only(0, lambda c: c[0]), "chunk 0: a chunk must be a tuple"),
        (_only(1, lambda c: {"y": 1}), "chunk 1: Unknown column of a chunk 'y'"),
        (_only(1, lambda c: {"label": c[1]}), "chunk 1: a chunk must have x"),
        (_only(1, lambda c: (*c, c[1] ** 2)), r"chunk 1: must have \['label'\] beside x"),
        (_only(1, lambda c: (c[0], np.stack([c[1]] * 2, 1))), "chunk 1: label must have 1 columns"),
        (_later(lambda c: (c[0][1:], c[1][1:])), r"chunk 1 changed between passes: .*\(299, 3\)"),
        (_later(lambda c: (c[0] + 1, c[1])), "chunk 1 changed between passes: its values differ"),
        (_later(lambda c: None), "chunk 1 changed between passes: its values|chunk 2 is missing"),
        (lambda passes, k, c: None if passes > 1 and k else c, "chunk 1 is missing in a later"),
        (lambda passes, k, c: c if passes > 1 or k < 2 else None, "chunk 2 is new"),
        (lambda passes, k, c: None, "read must yield at least one chunk"),
    ],
)
def test_what_is_wrong_with_a_chunk_is_named(change: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        fit(dataset_from_chunks(pieces(change)))
    assert "\n" not in str(caught.value)


def test_a_reader_that_can_be_read_once_is_named() -> None:
    once = iter([(X, Y)])
    data = dataset_from_chunks(lambda: once)
    with pytest.raises(ValueError, match="chunk 0 is missing in a later pass: read must start"):
        fit(data)


def test_what_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"y\.npy is no array"):
        (tmp_path / "y.npy").write_bytes(b"nothing")
        dataset_from_arrays(X, tmp_path / "y.npy")
    with pytest.raises(ValueError, match="label must have 900 rows"):
        dataset_from_arrays(X, Y[1:])
    with pytest.raises(ValueError, match="at least one folder"):
        dataset_from_chunks(pieces(), cache=[])
    with pytest.raises(ValueError, match="different folders"):
        dataset_from_chunks(pieces(), cache=[tmp_path, tmp_path])
    with pytest.raises(ValueError, match="reference must be a data set of chunks"):
        dataset_from_chunks(pieces(), reference=Dataset(x=X, label=Y))
    with pytest.raises(ValueError, match="rising order"):
        dataset_from_chunks(pieces()).take(np.array([3, 1]))


def _counted(read: Any, seen: list[int]) -> Any:
    def counting() -> Iterator[Any]:
        seen.append(0)
        for chunk in read():
            seen[-1] += 1
            yield chunk

    return counting


@pytest.mark.parametrize("stop", [1, 2])
def test_an_interrupted_cache_is_continued(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_STEP", 1)
    monkeypatch.setattr(stripes, "BLOCK", 1 << 12)
    folders = [tmp_path / "a", tmp_path / "b"]

    def failing(passes: int, k: int, chunk: Any) -> Any:
        # Pass 1 looks, pass 2 cuts, pass 3 bins.
        if passes == 3 and k == stop:
            raise OSError("the disk is gone")
        return chunk

    with pytest.raises(OSError, match="the disk is gone"):
        fit(dataset_from_chunks(pieces(failing), cache=folders))
    assert not list(tmp_path.rglob("rows.?"))
    binned: list[int] = []
    original = cache.bin_matrix
    monkeypatch.setattr(
        cache, "bin_matrix", lambda x, cuts: binned.append(len(x)) or original(x, cuts)
    )
    seen: list[int] = []
    same(EXPECTED, fit(dataset_from_chunks(_counted(pieces(), seen), cache=folders)))
    # Cuts were kept, so one pass to look and one to bin; of that only what was not written.
    assert len(seen) == 2
    assert binned == [0] + [300] * (3 - stop)
    assert not list(tmp_path.rglob("*.part"))
    # The third run only looks: all is there.
    same(EXPECTED, fit(dataset_from_chunks(_counted(pieces(), seen), cache=folders)))
    assert len(seen) == 3


@pytest.mark.parametrize("harm", ["cuts", "notes", "short", "gone"])
def test_a_damaged_cache_is_written_anew(harm: str, tmp_path: Path) -> None:
    fit(dataset_from_chunks(pieces(), cache=tmp_path))
    (folder,) = tmp_path.iterdir()
    if harm == "cuts":
        (folder / "cuts.npz").write_bytes(b"PK\x03\x04 and nothing more")
    elif harm == "notes":
        (folder / "written.json").write_text('{"rows": "all"}')
    elif harm == "short":
        (folder / "rows.0").write_bytes(b"")
    else:
        (folder / "columns.0").unlink()
    same(EXPECTED, fit(dataset_from_chunks(pieces(), cache=tmp_path)))


def test_other_data_has_bins_of_its_own(tmp_path: Path) -> None:
    fit(dataset_from_chunks(pieces(), cache=tmp_path))
    moved = dataset_from_chunks(pieces(lambda p, k, c: (c[0] + 1, c[1])), cache=tmp_path)
    same(fit(Dataset(x=X + 1, label=Y)), fit(moved))
    assert len(list(tmp_path.iterdir())) == 2


def _table(folder: Path, kind: str) -> Path:
    rng = np.random.default_rng(1)
    words = rng.choice(["oak", "ash", "elm", "", "7"], 500)
    lines = ["a,tree,n,late,y,w"]
    for k in range(500):
        a = "NA" if k % 7 == 0 else f" {X[k, 0]:.9g} "
        # A column of numbers whose only word stands in the last row.
        late = "x" if k == 499 else k % 5
        lines.append(f'{a},"{words[k]}",{k % 11},{late},{Y[k]:.9g},{1 + k % 3}')
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    if kind != "parquet":
        return path
    arrow = pytest.importorskip("pyarrow")
    columns = read_table(path)
    parquet = pytest.importorskip("pyarrow.parquet")
    held = arrow.table({n: arrow.array(c.tolist(), from_pandas=True) for n, c in columns.items()})
    parquet.write_table(held, folder / "t.parquet", row_group_size=123)
    return folder / "t.parquet"


@pytest.mark.parametrize("kind", ["arrow", "plain", "parquet"])
def test_a_table_is_read_in_batches(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _table(tmp_path, kind)
    if kind == "plain":
        monkeypatch.setattr(tables, "find_spec", lambda name: None)
    elif kind == "arrow":
        pytest.importorskip("pyarrow")
    columns = read_table(path)
    label, weight = columns.pop("y"), columns.pop("w")
    whole = encode(columns).dataset(label=label.astype("f4"), weight=weight.astype("f4"))
    chunked = dataset_from_table(path, "y", weight="w", rows=120, cache=tmp_path / "bins")
    assert chunked.categories == whole.categories
    assert chunked.feature_names == whole.feature_names
    assert np.array_equal(chunked.labels, whole.labels)
    assert chunked.table is not None
    held = np.concatenate([x for _, x in chunked.table.blocks()])
    assert np.array_equal(held, whole.x, equal_nan=True)
    same(fit(whole), fit(chunked))


def test_what_is_wrong_with_a_table_is_named(tmp_path: Path) -> None:
    path = _table(tmp_path, "csv")
    with pytest.raises(ValueError, match="Unknown column 'z'"):
        dataset_from_table(path, "z")
    with pytest.raises(ValueError, match="Got words in 'tree'"):
        dataset_from_table(path, "tree")
    path.write_text("a,b\n1,2\n1\n")
    with pytest.raises(ValueError, match=r"t\.csv.*2") as caught:
        dataset_from_table(path, "b")
    assert "\n" not in str(caught.value)
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="no rows"):
        dataset_from_table(path, "b")


_LIMITED = """
import resource, sys
import numpy as np
from drivetrain.boosting.chunks.datasets import dataset_from_chunks
from drivetrain.boosting.dataset import Dataset
from drivetrain.boosting.objectives.squared import SquaredError
from drivetrain.boosting.training import Settings, boost

N, F, SIZE = 400_000, 60, 20_000

def read():
    for k in range(N // SIZE):
        rng = np.random.default_rng(k)
        x = rng.random((SIZE, F), np.float32)
        yield x, x[:, 0] * x[:, 1]

def fit(data):
    return boost(data, SquaredError(), Settings(n_estimators=2))[0]

small = next(iter(read()))
fit(Dataset(x=small[0][:500], label=small[1][:500]))  # compiles
fit(dataset_from_chunks(lambda: [(small[0][:500], small[1][:500])]))
held = int(open("/proc/self/statm").read().split()[5]) * 4096
resource.setrlimit(resource.RLIMIT_DATA, (held + (int(sys.argv[2]) << 20),) * 2)
if sys.argv[1] == "chunks":
    fit(dataset_from_chunks(read, cache=sys.argv[3], memory=16 << 20))
else:
    parts = list(read())
    x = np.empty((N, F), np.float32)
    for k, part in enumerate(parts):
        x[k * SIZE : (k + 1) * SIZE] = part[0]
        parts[k] = part[1]
    fit(Dataset(x=x, label=np.concatenate(parts)))
print("done")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_chunks_train_where_arrays_do_not_fit(tmp_path: Path) -> None:
    """The values take 92 MiB and their bins 2 x 24: 80 MiB suffice for chunks alone."""

    def run(kind: str) -> subprocess.CompletedProcess[str]:
        told = [sys.executable, "-c", _LIMITED, kind, "80", str(tmp_path)]
        return subprocess.run(told, capture_output=True, text=True, check=False)

    out = run("chunks")
    assert out.stdout == "done\n", out.stderr
    assert "MemoryError" in run("arrays").stderr
