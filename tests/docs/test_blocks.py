"""Every Python block and every command of the README and the documentation runs as written."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])

FENCE = re.compile(
    r"(?P<skip><!-- not run: (?P<why>[^\n]+) -->\n\s*)?"
    r"^```(?P<kind>[\w{}-]*)[^\n]*\n(?P<body>.*?)^```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, where it stands, and what it must print."""

    kind: str
    body: str
    line: int
    why_not: str = ""
    prints: str | None = None

    @property
    def commands(self) -> list[list[str]]:
        """The words of the lines that call the command line; continued lines are one."""
        if self.kind not in ("bash", "console", "sh") or self.why_not:
            return []
        lines = self.body.replace("\\\n", " ").splitlines()
        calls = [line.strip().removeprefix("$ ") for line in lines]
        split = [shlex.split(line, comments=True) for line in calls]
        return [words[1:] for words in split if words and words[0] == "drivetrain"]


def read(path: Path) -> list[Block]:
    """Return the blocks of a file; a ``text`` block right after one is what that one prints."""
    text = path.read_text(encoding="utf8")
    found: list[Block] = []
    previous_end = -1
    for match in FENCE.finditer(text):
        block = Block(
            kind=match["kind"],
            body=match["body"],
            line=text.count("\n", 0, match.start("kind")) + 1,
            why_not=match["why"] or "",
        )
        adjacent = found and not text[previous_end : match.start()].strip()
        if block.kind == "text" and adjacent:
            found[-1] = replace(found[-1], prints=block.body)
        else:
            found.append(block)
        previous_end = match.end()
    return found


def script(blocks: list[Block]) -> str:
    """Return a program that runs the Python blocks in order and checks what each prints."""
    lines = ["import contextlib, io, sys", "space = {'__name__': '__main__'}"]
    for block in blocks:
        if block.kind != "python" or block.why_not:
            continue
        # Compiled with its place in the Markdown file, so that a traceback points there.
        body = "\n" * block.line + block.body
        lines += [
            "out = io.StringIO()",
            "with contextlib.redirect_stdout(out):",
            f"    exec(compile({body!r}, sys.argv[1], 'exec'), space)",
        ]
        if block.prints is not None:
            lines += [
                f"want, got = {tidy(block.prints)!r}, '\\n'.join(",
                "    line.rstrip() for line in out.getvalue().strip().splitlines())",
                f"assert got == want, f'block at line {block.line} printed\\n{{got}}\\n"
                "but the page says\\n{want}'",
            ]
    return "\n".join(lines)


def tidy(text: str) -> str:
    """Return text without trailing blanks, as it is compared."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_python_blocks_run_and_print_what_they_say(page: Path, tmp_path: Path) -> None:
    done = run(["-c", script(read(page)), str(page)], tmp_path)
    assert done.returncode == 0, done.stderr


CALLS = [
    pytest.param(page, block, words, id=f"{page.name}:{block.line} {' '.join(words)}")
    for page in PAGES
    for block in read(page)
    for words in block.commands
]


@pytest.mark.parametrize(("page", "block", "words"), CALLS)
def test_commands_run_as_written(
    page: Path, block: Block, words: list[str], tmp_path: Path
) -> None:
    done = run(["-m", "drivetrain", *words], tmp_path)
    if block.prints is None:
        assert done.returncode == 0, done.stderr
    else:
        assert len(block.commands) == 1, "one command before the block that says what it prints"
        assert tidy(done.stdout + done.stderr) == tidy(block.prints)


# The reader itself.

SAMPLE = """
```python
x = 1
print(x + 1)
```

```text
2
```

Words between.

```text
a block of its own
```

<!-- not run: it takes hours -->
```python
raise SystemExit(3)
```

```bash
drivetrain bench optim \
    --quick   # a comment
make test
drivetrain cite "optim"
```

<!-- not run: no network -->

```bash
drivetrain fetch
```
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.md"
    path.write_text(SAMPLE)
    return path


def test_blocks_are_read(sample: Path) -> None:
    found = read(sample)
    assert [block.kind for block in found] == ["python", "text", "python", "bash", "bash"]
    assert found[0].prints == "2\n"
    assert found[0].line == 2
    assert [block.why_not for block in found] == ["", "", "it takes hours", "", "no network"]
    assert found[3].commands == [["bench", "optim", "--quick"], ["cite", "optim"]]
    assert found[4].commands == []


def test_a_page_that_tells_the_truth_passes(sample: Path, tmp_path: Path) -> None:
    assert run(["-c", script(read(sample)), "x"], tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("right", "wrong"), [("```text\n2\n", "```text\n3\n"), ("x = 1", "x = y"), ("x = 1", "x =")]
)
def test_a_page_that_does_not_fails(sample: Path, tmp_path: Path, right: str, wrong: str) -> None:
    sample.write_text(SAMPLE.replace(right, wrong))
    done = run(["-c", script(read(sample)), "sample.md"], tmp_path)
    assert done.returncode == 1
    assert "line 2 printed" in done.stderr or "sample.md" in done.stderr


def test_readme_is_short_and_whole() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf8").splitlines()
    assert len(lines) <= 120
    assert any(block.kind == "python" for block in read(ROOT / "README.md"))
