"""Atomic writes: whatever goes wrong, the old file is whole and no scrap is left."""

import os
import pty
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.core.files import atomic_write, check_writable, write_text


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def only(path: Path) -> bool:
    return [p.name for p in path.parent.iterdir()] == [path.name]


def test_replaces_the_old_file_and_leaves_nothing_else(old: Path) -> None:
    write_text(old, "neu ✓")
    assert old.read_text(encoding="utf8") == "neu ✓"
    assert only(old)


def test_the_old_file_stands_until_the_block_ends(old: Path) -> None:
    with atomic_write(old) as file:
        file.write(b"new")
        file.flush()
        assert old.read_text() == "old"
    assert old.read_text() == "new"


def test_the_content_is_on_disk_before_the_name_is(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (seen.append("replace"), replace(*names)))
    write_text(old, "new")
    assert seen == ["fsync", "replace"]
    assert old.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_any_error_leaves_the_old_file(old: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_write(old) as file:
        file.write(b"half")
        raise error
    assert old.read_text() == "old"
    assert only(old)


def test_an_error_leaves_no_file_where_none_was(tmp_path: Path) -> None:
    with pytest.raises(ValueError), atomic_write(tmp_path / "new") as file:
        file.write(b"half")
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_text("plain.txt", "here")
    assert (tmp_path / "plain.txt").read_text() == "here"


def test_new_files_obey_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_permissions_of_the_old_file_are_kept(old: Path, mode: int) -> None:
    old.chmod(mode)
    write_text(old, "new")
    assert stat.S_IMODE(old.stat().st_mode) == mode


def test_a_symbolic_link_stays_a_link(tmp_path: Path, old: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(old)
    write_text(link, "new")
    assert link.is_symlink()
    assert old.read_text() == "new"


def test_a_dangling_link_makes_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == "new"


@pytest.mark.parametrize("name", ["ü" * 120, "n" * 250, "with space", "-rf", ".hidden"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "x")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def check_refused(path: Path | str, kind: type[OSError], words: str) -> None:
    """Hold that a path is refused in one line, and that it can be known beforehand."""
    said = []
    for attempt in (lambda: write_text(path, "new"), lambda: check_writable(path)):
        with pytest.raises(kind) as caught:
            attempt()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    assert repr(str(path)) in said[0]
    assert f"cannot write: {words}" in said[0]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    check_refused(tmp_path / "folder", IsADirectoryError, "Is a directory")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_missing_folder(tmp_path: Path) -> None:
    check_refused(tmp_path / "no" / "file", FileNotFoundError, "No such file or directory")


def test_a_file_where_a_folder_should_be(old: Path) -> None:
    check_refused(old / "file", NotADirectoryError, "Not a directory")


def test_an_unwritable_folder() -> None:
    # Permissions do not bind root; the kernel's own file systems bind everybody.
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc")
    check_refused("/proc/self/file", FileNotFoundError, "No such file or directory")


@pytest.mark.parametrize("there", [False, True])
def test_asking_whether_one_may_write_changes_nothing(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "file").write_text("old")
    check_writable(tmp_path / "file")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"] * there


def test_a_name_too_long(tmp_path: Path) -> None:
    check_refused(tmp_path / ("n" * 300), OSError, "File name too long")


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    check_refused(tmp_path / "a", OSError, "Too many levels of symbolic links")


def test_a_device_is_not_replaced_by_a_file() -> None:
    # A terminal of our own: a failure here must not cost the machine its /dev/null.
    ours, theirs = pty.openpty()
    try:
        check_refused(os.ttyname(theirs), OSError, "not a regular file")
        assert stat.S_ISCHR(os.stat(os.ttyname(theirs)).st_mode)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_refused(tmp_path / "pipe", OSError, "not a regular file")


def test_errors_of_other_files_keep_their_own_name(old: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_write(old) as file:
        file.write((tmp_path / "missing").read_bytes())
    assert caught.value.filename == str(tmp_path / "missing")
    assert old.read_text() == "old"


LIMITED = """
import resource, signal, sys
from drivetrain.core.files import atomic_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with atomic_write(sys.argv[1]) as file:
        for _ in range(100):
            file.write(b"x" * 10_000)
except OSError as error:
    print(error)
"""


def test_a_file_too_large_leaves_the_old_one(old: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-c", LIMITED, str(old)], capture_output=True, text=True, check=True
    )
    assert out.stdout == f"[Errno 27] cannot write: File too large: '{old}'\n"
    assert old.read_text() == "old"
    assert only(old)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


KILLED = """
import os, signal, sys
from drivetrain.core.files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_the_old_file(old: Path) -> None:
    out = subprocess.run([sys.executable, "-c", KILLED, str(old)], check=False)
    assert out.returncode == -9
    assert old.read_text() == "old"
    write_text(old, "new")
    assert old.read_text() == "new"
