"""Keeps Numba's cache honest: stamps each kernel file with what other files compile into it.

Numba renews a cached kernel when the text of its own file changes, not when a kernel that it
calls in another file does. So each ``_numba.py`` that imports from others carries their hashes
in a comment: a change there changes the text here.

Run it to rewrite the comments; ``--check`` only tells which are old.
"""

import ast
import hashlib
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
_MARK = "# Compiled in here: "


def kernel_files() -> dict[str, Path]:
    """Return the files of kernels by module name."""
    files = sorted((ROOT / "drivetrain").rglob("_numba.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}


def imports(path: Path, known: dict[str, Path]) -> list[str]:
    """Return the kernel modules that a file imports from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {name for name in names if name in known}
    return sorted(found)


def stamped(text: str, stamps: list[str]) -> str:
    """Return a file's text with these stamps at its end instead of the old ones."""
    lines = [line for line in text.splitlines() if not line.startswith(_MARK)]
    while lines and not lines[-1]:
        lines.pop()
    blank = ["", ""] if stamps else []
    return "\n".join([*lines, *blank, *(_MARK + stamp for stamp in stamps)]) + "\n"


def renewed() -> dict[Path, str]:
    """Return the files whose stamps are old, with the text they should have."""
    known = kernel_files()
    needs = {name: imports(path, known) for name, path in known.items()}
    texts: dict[str, str] = {}
    out = {}
    # Callees first: their own stamps are part of what their callers are stamped with.
    for name in TopologicalSorter(needs).static_order():
        old = known[name].read_text()
        stamps = [
            f"{callee} {hashlib.sha256(texts[callee].encode()).hexdigest()[:16]}"
            for callee in needs[name]
        ]
        texts[name] = stamped(old, stamps)
        if texts[name] != old:
            out[known[name]] = texts[name]
    return out


def main() -> int:
    """Rewrite the stamps, or tell which are old."""
    old = renewed()
    for path, text in old.items():
        print(path.relative_to(ROOT))
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
    return int(bool(old) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
