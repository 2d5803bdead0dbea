"""The command line from outside: what a person types, reads and gets back."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivetrain.commands.shell import router
from drivetrain.commands.shell.messages import guarded
from drivetrain.commands.shell.parse import one_line
from drivetrain.commands.shell.verbs import kebab, verbs
from drivetrain.core.rooms import method_names, module_names

TWELVE = ["amp", "approximation", "attention", "boosting", "detection", "ensemble"]
TWELVE += ["flow_matching", "flows", "medusa", "optim", "sd3", "upsampling"]


def run(*words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "drivetrain", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
    )


def refused(*words: str, cwd: Path | None = None) -> str:
    """Run the command; return its one line of complaint after checking that it is one."""
    done = run(*words, cwd=cwd)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("drivetrain: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("drivetrain: ").strip()


def in_process(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command here: quicker, for what does not depend on the process."""
    with pytest.raises(SystemExit) as leaving:
        router.main(words)
    out, err = capsys.readouterr()
    return int(leaving.value.code or 0), out, err


def test_help_lists_the_twelve_with_a_line_each() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert method_names() == TWELVE
    for method in TWELVE:
        line = re.search(rf"^  {method} +(\S.*)$", done.stdout, re.MULTILINE)
        assert line is not None and len(line[1]) > 20
    for command in ("bench", "cite", "demo", "doctor", "warmup"):
        assert re.search(rf"^  {command} +\S", done.stdout, re.MULTILINE)


def test_help_marks_what_is_not_built(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = in_process(capsys)
    planned = {line.split()[0] for line in out.splitlines() if line.endswith("(planned)")}
    built = {method for method in TWELVE if module_names(method)}
    assert planned == set(TWELVE) - built
    assert {"approximation", "optim"} <= built


def test_help_imports_neither_tyro_nor_torch() -> None:
    code = (
        "import sys\nfrom drivetrain.commands.shell.router import overview\noverview()\n"
        "print(sorted({'torch', 'numpy', 'tyro', 'rich', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = in_process(capsys, "--version")
    assert code == 0 and re.match(r"drivetrain \d+\.\d+\.\d+", out)


@pytest.mark.parametrize("command", ["bench", "cite", "demo", "doctor", "warmup"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = in_process(capsys, command, "--help")
    assert (code, err) == (0, "")
    assert f"usage: drivetrain {command}" in out


@pytest.mark.parametrize("method", [name for name in TWELVE if name in module_names("commands")])
def test_every_verb_has_help(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = in_process(capsys, method, "--help")
    assert code == 0 and f"usage: drivetrain {method} VERB" in out
    found = verbs(method)
    assert found
    for verb, line in found.items():
        assert line, f"{method}.{verb} says nothing of itself"
        code, out, err = in_process(capsys, method, kebab(verb), "--help")
        assert (code, err) == (0, "")
        assert f"usage: drivetrain {method} {kebab(verb)}" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["optin"], "Unknown command 'optin'. Did you mean 'optim'?"),
        (["zzzzzz"], "Unknown command 'zzzzzz'. drivetrain --help lists them."),
        (["cite", "flow"], "Unknown method 'flow'. Did you mean 'flows'?"),
        (["cite"], "Missing: METHOD. See: drivetrain cite --help"),
        (["cite", "a", "b"], "Unrecognized options: b. See: drivetrain cite --help"),
        (["bench", "--thread", "2"], "Unrecognized options: --thread, 2. Did you mean --threads?"),
        (["bench", "--threads", "x"], "--threads: invalid literal for int() with base 10: 'x'"),
        (["bench", "--threads", "0"], "threads must be >= 1. Got 0."),
        (["bench", "optin"], "Unknown method 'optin'. Did you mean 'optim'?"),
        (["demo", "optin"], "Unknown method 'optin'. Did you mean 'optim'?"),
        (["demo", "--seed", "-1"], "seed must be >= 0. Got -1."),
        (["--tyro-print-completion"], "takes a shell: one of bash, zsh, tcsh, fish."),
    ],
)
def test_mistakes_are_one_line_and_exit_two(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = in_process(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("drivetrain: ") and err.count("\n") == 1
    assert says in err


def test_unbuilt_methods_say_so() -> None:
    unbuilt = next(name for name in TWELVE if not module_names(name))
    assert "not built in this version" in refused(unbuilt)
    assert "not built" in refused("bench", unbuilt)
    assert run("cite", unbuilt).stdout.startswith("@")


def test_unwritable_output_is_one_line(tmp_path: Path) -> None:
    # A file where a folder should be is not writable for anybody, root included.
    (tmp_path / "file").write_text("kept")
    complaint = refused("demo", "optim", "--out", str(tmp_path / "file" / "page.html"))
    assert "file" in complaint
    complaint = refused("bench", "--show", "--store", str(tmp_path / "none.jsonl"))
    assert "No rows" in complaint and "none.jsonl" in complaint
    assert (tmp_path / "file").read_text() == "kept"


def test_a_missing_package_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from drivetrain.commands.shell.router import main; main(['demo'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr == (
        "drivetrain: matplotlib is not installed: pip install 'drivetrain[report]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback() -> None:
    done = run("--debug", "cite", "flow")
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert "Did you mean 'flows'?" in done.stderr


def test_a_closed_pipe_is_silent() -> None:
    line = f"{sys.executable} -m drivetrain cite optim | head -1"
    done = subprocess.run(
        ["bash", "-c", line], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("@") and done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_terminal_without_unicode_is_served(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("temp °C µ 温\n1\n2\n", encoding="utf8")
    for words in (("approximation", "summarize", "data.csv"), ("approximation", "gain", "--help")):
        done = subprocess.run(
            [sys.executable, "-m", "drivetrain", *words],
            check=True,
            capture_output=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert done.stderr == b"" and done.stdout.decode(encoding)
        if words[1] == "summarize":
            assert b"\\u6e29" in done.stdout  # which character it was can still be told


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("--help >&-", 0, ""),
        ("approximation gain --help >&-", 0, ""),
        ("bogus 2>&-", 2, ""),
        ("approximation summarize - <&-", 2, "drivetrain: file must be readable"),
    ],
)
def test_closed_streams_are_no_trouble(line: str, code: int, err: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m drivetrain {line}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code and done.stdout == ""
    assert done.stderr.startswith(err) and done.stderr.count("\n") == bool(err)


def test_words_are_repeated_as_they_were_typed() -> None:
    assert refused("-x").startswith("Unknown command '-x'.")
    assert refused("optim", "convert", "here").startswith("Missing: TARGET.")
    assert "takes a shell and the file" in refused("--tyro-write-completion", "bash")


def test_a_store_that_cannot_be_written_is_told_before_measuring(tmp_path: Path) -> None:
    said = refused("bench", "startup", "--store", str(tmp_path / "none" / "rows.jsonl"))
    assert said.endswith("rows.jsonl: cannot write: No such file or directory")
    assert "cannot write: Is a directory" in refused("bench", "--store", str(tmp_path))


def test_interrupt_is_clean(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "drivetrain", "bench", "optim", "--store", "rows.jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stderr is not None
    process.stderr.readline()  # the first line of progress: it is at work
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err and err.endswith("interrupted\n")


def test_interrupt_and_memory_are_caught_here(capsys: pytest.CaptureFixture[str]) -> None:
    def raises(error: BaseException) -> int:
        raise error

    assert guarded(lambda: raises(KeyboardInterrupt())) == 130
    assert guarded(lambda: raises(MemoryError())) == 2
    assert guarded(lambda: raises(OSError(28, "No space left on device", "x.html"))) == 2
    assert capsys.readouterr().err.splitlines() == [
        "interrupted",
        "drivetrain: MemoryError",
        "drivetrain: x.html: No space left on device",
    ]
    with pytest.raises(RuntimeError):  # a fault of ours is not dressed up as the user's
        guarded(lambda: raises(RuntimeError("bug")))


def test_on_a_terminal_the_doctor_answers_too() -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "drivetrain", "doctor"], stdout=follower, stderr=follower
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # Linux says EIO where the other end has gone
            break
        if not piece:
            break
        seen += piece
    os.close(leader)
    assert process.wait(timeout=60) == 0
    for word in ("torch", "numba", "vectors", "usable cores", "triton", "report"):
        assert word in seen.decode()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_covers_commands_and_flags(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "completion"
    code, _, _ = in_process(capsys, "--tyro-write-completion", shell, str(path))
    script = path.read_text()
    assert code == 0
    for word in ("doctor", "bench", "threads", "summarize", "quantiles"):
        assert word in script
    if shell == "bash":
        subprocess.run(["bash", "-n", path], check=True)


def test_one_line_reads_boxes_of_both_kinds() -> None:
    unicode = (
        "╭─ No ───╮\n│ Bad: --ftm │\n│ ───── │\n│ Perhaps you meant: │\n│  --fmt {a} │\n╰────╯"
    )
    ascii_ = " No \n ----- \n  Bad: --ftm \n  ------\n  Perhaps you meant:\n  --fmt {a}\n"
    assert one_line(unicode) == one_line(ascii_) == "Bad: --ftm. Did you mean --fmt?"
    assert one_line("") == "Invalid arguments."
