"""The files around the code: changelog, citation, hooks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import drivetrain

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[2]
KINDS = ("feature", "bugfix", "doc", "removal", "misc")


def test_changelog_builds_and_holds_every_fragment() -> None:
    pytest.importorskip("towncrier")
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "## 9.9.9" in done.stdout
    fragments = list((ROOT / "changelog.d").glob("*.md"))
    assert fragments
    for fragment in fragments:
        assert fragment.name.split(".")[-2] in KINDS, fragment.name
        if not fragment.name.endswith(".misc.md"):
            first = fragment.read_text(encoding="utf8").split("\n")[0]
            assert first in done.stdout


def test_citation_file_is_of_this_version() -> None:
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    # What the format requires.
    assert {"cff-version", "message", "title", "authors"} <= set(cff)
    assert cff["cff-version"] == "1.2.0"
    assert all("name" in author or "family-names" in author for author in cff["authors"])
    assert cff["version"] == drivetrain.__version__
    assert cff["license"] == "Apache-2.0"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    assert f'version = "{drivetrain.__version__}"' in project


def test_hooks_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf8"))
    for repo in config["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            assert hook["language"] == "system"
            assert hook["entry"].startswith(".venv/bin/")


def test_hooks_are_valid() -> None:
    pytest.importorskip("pre_commit")
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf8")
        named = re.findall(r"(?:^|`|    )make (\w[\w-]*)", text, re.MULTILINE)
        assert named
        assert set(named) <= targets, page


def test_every_folder_and_file_that_is_named_exists() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for path in re.findall(
            r"`((?:drivetrain|docs|tests|changelog\.d)/[\w./-]*)`", page.read_text()
        ):
            if "METHOD" not in path:
                assert (ROOT / path).exists(), f"{page.name} names {path}"
