"""Checkpoints: what goes in comes out, and no damage goes unseen."""

import json
import os
import shutil
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drivetrain.core import checkpoint
from drivetrain.core.checkpoint import CONFIG, TENSORS, load, save
from drivetrain.core.errors import CheckpointError

CONFIGURATION = {"layers": 2, "name": "crc32", "rate": 0.1, "nested": {"a": [1, None, True]}}
TORCH_KINDS = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint64,
    torch.uint32,
    torch.uint16,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    return {
        "matrix": np.arange(6.0).reshape(2, 3),
        "whole": np.arange(5, dtype=np.int16),
        "odd": np.array([1, 2, 3], np.uint8),
        "scalar": np.array(2.5, np.float32),
        "empty": np.empty((0, 3)),
    }


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype.newbyteorder("=")
        assert ours[name].shape == array.shape
        assert ours[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()


# What goes in comes out.


def test_numpy_comes_back(tmp_path: Path) -> None:
    save(tmp_path / "deep" / "folder", arrays(), CONFIGURATION)
    tensors, config = load(tmp_path / "deep" / "folder")
    same(tensors, arrays())
    assert config == CONFIGURATION
    assert json.loads((tmp_path / "deep" / "folder" / CONFIG).read_text()) == CONFIGURATION


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8).filter(lambda name: name != "__metadata__"),
        hnp.arrays(
            st.sampled_from(["f8", "f4", "f2", "i8", "i4", "u2", "u1", "?", "c8", ">f4", ">i8"]),
            hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
        ),
        max_size=4,
    ),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none(), max_size=3),
)
def test_anything_comes_back(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Any], config: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    save(folder, tensors, config)
    read, settings_read = load(folder)
    same(read, tensors)
    assert settings_read == config
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", TORCH_KINDS, ids=str)
def test_torch_comes_back_in_every_kind(tmp_path: Path, kind: torch.dtype) -> None:
    bits = torch.arange(24, dtype=torch.uint8)
    whole = bits.view(kind) if kind is not torch.bool else bits.bool()
    save(tmp_path, {"x": whole, "odd": torch.ones(3, dtype=torch.uint8)}, {})
    read, _ = load(tmp_path, "torch")
    assert read["x"].dtype == kind
    assert torch.equal(read["x"].view(torch.uint8), whole.view(torch.uint8))


def test_torch_of_every_stride_and_state(tmp_path: Path) -> None:
    tensors = {
        "transposed": torch.arange(6.0).reshape(2, 3).t(),
        "sliced": torch.arange(10)[::3],
        "expanded": torch.ones(1).expand(3),
        "scalar": torch.tensor(3.0),
        "empty": torch.empty(0, 2),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "conjugate": torch.tensor([1 + 2j], dtype=torch.complex64).conj(),
        "negative": torch.tensor([1 + 2j], dtype=torch.complex64).conj().imag,
    }
    save(tmp_path, tensors, {})
    read, _ = load(tmp_path, "torch")
    for name, tensor in tensors.items():
        assert read[name].shape == tensor.shape
        assert torch.equal(read[name], tensor.detach())


def test_tied_weights_are_written_once_each(tmp_path: Path) -> None:
    weight = torch.arange(4.0)
    save(tmp_path, {"embedding": weight, "head": weight, "part": weight[1:]}, {})
    read, _ = load(tmp_path, "torch")
    assert torch.equal(read["embedding"], read["head"])
    assert torch.equal(read["part"], weight[1:])


def test_numpy_and_torch_may_be_mixed(tmp_path: Path) -> None:
    save(tmp_path, {"a": np.ones(2), "b": torch.ones(2)}, {})
    assert set(load(tmp_path)[0]) == {"a", "b"}


def test_inputs_are_not_changed(tmp_path: Path) -> None:
    tensors = arrays()
    save(tmp_path, tensors, CONFIGURATION)
    same(tensors, arrays())


def test_the_library_reads_ours_and_we_read_its(tmp_path: Path) -> None:
    save(tmp_path, arrays(), CONFIGURATION)
    same(safetensors.numpy.load_file(tmp_path / TENSORS), arrays())
    assert set(safetensors.torch.load_file(tmp_path / TENSORS)) == set(arrays())
    safetensors.numpy.save_file(arrays(), tmp_path / TENSORS)
    (tmp_path / CONFIG).write_text('{"made": "elsewhere"}')
    tensors, config = load(tmp_path)
    same(tensors, arrays())
    assert config == {"made": "elsewhere"}


def test_every_tensor_lies_aligned(tmp_path: Path) -> None:
    save(tmp_path, {f"{i}": np.ones(i + 1, k) for i, k in enumerate(("u1", "f8", "f2"))}, {})
    raw = (tmp_path / TENSORS).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    sizes = {"F64": 8, "F16": 2, "U8": 1}
    for name in "012":
        begin = 8 + length + header[name]["data_offsets"][0]
        assert begin % sizes[header[name]["dtype"]] == 0


def test_saving_makes_no_second_copy_in_memory(tmp_path: Path) -> None:
    big = np.zeros(4_000_000)
    tracemalloc.start()
    try:
        save(tmp_path, {"big": big}, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Buffers of a file and a header; the array itself has 32 MB.
    assert peak < 2_000_000


def test_saving_is_repeatable_to_the_byte(tmp_path: Path) -> None:
    save(tmp_path / "a", arrays(), CONFIGURATION)
    save(tmp_path / "b", dict(reversed(arrays().items())), dict(reversed(CONFIGURATION.items())))
    assert (tmp_path / "a" / TENSORS).read_bytes() == (tmp_path / "b" / TENSORS).read_bytes()


# What cannot go in.


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ([1.0], "'x' must be a numpy array or a torch tensor. Got list."),
        (1.0, "'x' must be a numpy array or a torch tensor. Got float."),
        (None, "'x' must be a numpy array or a torch tensor. Got NoneType."),
        (np.float64(1), "'x' must be a numpy array or a torch tensor. Got float64."),
        (np.array([None]), "'x' holds object, which a checkpoint cannot."),
        (np.array(["a"]), "'x' holds str32, which a checkpoint cannot."),
        (np.array([1j]), "'x' holds complex128, which a checkpoint cannot."),
        (torch.ones(1, dtype=torch.complex128), "'x' holds complex128, which a checkpoint"),
        (torch.ones(2, 2).to_sparse(), "'x' must be a dense tensor that holds its data."),
        (torch.ones(2, device="meta"), "'x' must be a dense tensor that holds its data."),
    ],
)
def test_what_is_no_tensor_is_refused(tmp_path: Path, tensor: Any, words: str) -> None:
    save(tmp_path, arrays(), CONFIGURATION)
    with pytest.raises(TypeError) as caught:
        save(tmp_path, {"a": np.ones(2), "x": tensor}, {})
    assert str(caught.value).startswith(words)
    assert load(tmp_path)[1] == CONFIGURATION


@pytest.mark.parametrize("name", [1, None, "__metadata__", b"x"])
def test_odd_names_are_refused(tmp_path: Path, name: Any) -> None:
    with pytest.raises(TypeError, match=r"^A tensor's name must be text"):
        save(tmp_path, {name: np.ones(2)}, {})


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"a": object()}, TypeError),
        ({"a": np.ones(2)}, TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": [float("inf")]}, ValueError),
    ],
)
def test_config_must_be_json(tmp_path: Path, config: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^config must be JSON"):
        save(tmp_path, arrays(), config)
    assert list(tmp_path.iterdir()) == []


def test_unknown_framework(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'torch'\?"):
        load(tmp_path, "troch")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_numbers_that_numpy_lacks_say_so(tmp_path: Path, kind: torch.dtype) -> None:
    save(tmp_path, {"weight": torch.ones(2).to(kind)}, {})
    with pytest.raises(TypeError, match=r"^'weight' holds \w+ numbers, which numpy lacks: use"):
        load(tmp_path)


# What is damaged.


def refused(folder: Path, words: str = "") -> None:
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert words in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match=r"^No checkpoint in .*safetensors is missing"):
            load(folder)


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    save(tmp_path, {"w": np.arange(3, dtype=np.float32), "b": np.ones(2, np.int8)}, {"rate": 0.1})
    path = tmp_path / TENSORS
    whole = path.read_bytes()
    for position in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            refused(tmp_path)


def test_every_truncation_is_seen(tmp_path: Path) -> None:
    save(tmp_path, {"w": np.arange(3, dtype=np.float32)}, {"rate": 0.1})
    path = tmp_path / TENSORS
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused(tmp_path)
    path.write_bytes(whole + b"\0")
    refused(tmp_path)


def test_swapped_halves_of_two_checkpoints_are_seen(tmp_path: Path) -> None:
    for name, fill in (("a", 1.0), ("b", 2.0)):
        save(tmp_path / name, {"w": np.full(100, fill)}, {})
    a, b = ((tmp_path / name / TENSORS).read_bytes() for name in "ab")
    (tmp_path / "a" / TENSORS).write_bytes(a[:-400] + b[-400:])
    refused(tmp_path / "a", "its checksum does not match its content")


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff" * 100, b"PK\x03\x04", b"\0" * 64])
def test_files_of_another_kind_are_refused(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / TENSORS).write_bytes(junk)
    (tmp_path / CONFIG).write_text("{}")
    refused(tmp_path, "is truncated or corrupt")


def test_damaged_folders_made_elsewhere_never_crash(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"w": np.arange(3.0)}, tmp_path / TENSORS)
    (tmp_path / CONFIG).write_text("{}")
    path = tmp_path / TENSORS
    whole = path.read_bytes()
    header = len(whole) - 24
    for position in range(header):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            # Without a checksum a changed name or shape cannot be known for damage.
            try:
                load(tmp_path)
            except (CheckpointError, TypeError) as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[1]", "must hold a JSON object. Got list."),
        ("null", "must hold a JSON object. Got NoneType."),
        ("[" * 200_000, "is not JSON"),
        ("\0", "is not JSON"),
    ],
)
def test_damaged_configuration_made_elsewhere(tmp_path: Path, text: str, words: str) -> None:
    safetensors.numpy.save_file({"w": np.arange(3.0)}, tmp_path / TENSORS)
    (tmp_path / CONFIG).write_text(text)
    refused(tmp_path, words)
    (tmp_path / CONFIG).unlink()
    with pytest.raises(FileNotFoundError, match=r"^No checkpoint in .*config.json is missing"):
        load(tmp_path)


def test_ours_needs_no_config_file(tmp_path: Path) -> None:
    save(tmp_path, arrays(), CONFIGURATION)
    for damage in ("{", None):
        if damage is None:
            (tmp_path / CONFIG).unlink()
        else:
            (tmp_path / CONFIG).write_text(damage)
        assert load(tmp_path)[1] == CONFIGURATION


# What goes wrong while writing.


def test_a_crash_between_the_two_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, {"w": np.zeros(2)}, {"run": "old"})

    def crash(*_: object) -> None:
        raise SystemExit("power cut")

    monkeypatch.setattr(checkpoint, "write_text", crash)
    with pytest.raises(SystemExit):
        save(tmp_path, {"w": np.ones(2)}, {"run": "new"})
    assert json.loads((tmp_path / CONFIG).read_text()) == {"run": "old"}
    tensors, config = load(tmp_path)
    assert tensors["w"].tolist() == [1.0, 1.0]
    assert config == {"run": "new"}


@pytest.mark.parametrize("parent", ["file", "file/below"])
def test_a_file_where_the_folder_should_be(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        save(tmp_path / parent, arrays(), {})
    assert (tmp_path / "file").read_text() == "in the way"


def test_an_unwritable_folder() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc")
    with pytest.raises(OSError, match="cannot write: "):
        save("/proc/self", arrays(), {})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small disk needs more rights than these")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_checkpoint(small_disk: Path) -> None:
    save(small_disk / "run", {"w": np.arange(1000.0)}, {"run": "old"})
    before = sorted(path.name for path in (small_disk / "run").iterdir())
    with pytest.raises(OSError, match=r"cannot write: No space left on device: '.*safetensors'"):
        save(small_disk / "run", {"w": np.zeros(100_000)}, {"run": "new"})
    tensors, config = load(small_disk / "run")
    assert tensors["w"].tolist() == list(range(1000))
    assert config == {"run": "old"}
    assert sorted(path.name for path in (small_disk / "run").iterdir()) == before


LIMITED = """
import resource, signal, sys
import numpy as np
from drivetrain.core.checkpoint import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(sys.argv[1], {"w": np.zeros(100_000)}, {"run": "new"})
except OSError as error:
    print(error)
"""


def test_a_file_too_large_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, {"w": np.arange(1000.0)}, {"run": "old"})
    run = [sys.executable, "-c", LIMITED, str(tmp_path)]
    out = subprocess.run(run, capture_output=True, text=True, check=True)
    assert out.stdout == f"[Errno 27] cannot write: File too large: '{tmp_path / TENSORS}'\n"
    assert load(tmp_path)[1] == {"run": "old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG, TENSORS]
