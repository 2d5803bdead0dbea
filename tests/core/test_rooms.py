"""The rooms of the house, and the papers they cite."""

import re
from pathlib import Path

import pytest

from drivetrain.core import rooms
from drivetrain.core.citations import citation

METHODS = [
    "amp",
    "approximation",
    "attention",
    "boosting",
    "detection",
    "ensemble",
    "flow_matching",
    "flows",
    "medusa",
    "optim",
    "sd3",
    "upsampling",
]
ENTRY = re.compile(r"@(\w+)\{([\w-]+),\n((?:  .*\n)+)\}", re.MULTILINE)
FIELD = re.compile(r"^  (\w+)\s*= \{(.*)\},?$")


def entries(text: str) -> dict[str, dict[str, str]]:
    """Read BibTeX of the plain form kept here; whatever does not fit is left over."""
    found = {}
    for match in ENTRY.finditer(text):
        lines = match[3].splitlines()
        pairs = [FIELD.match(line) for line in lines]
        assert all(pairs), f"{match[2]}: {lines}"
        assert all(line.endswith("},") for line in lines[:-1]), match[2]
        assert lines[-1].endswith("}"), match[2]
        assert match[2] not in found, f"{match[2]} twice"
        found[match[2]] = {"kind": match[1], **{p[1]: p[2] for p in pairs if p}}
    assert ENTRY.sub("", text).strip() == "", "text outside of entries"
    return found


def test_the_twelve_methods_are_found_by_walking() -> None:
    assert rooms.method_names() == METHODS
    assert set(METHODS) < set(rooms.room_names())
    assert {"core", "data", "bench", "gallery", "commands"} <= set(rooms.room_names())


def test_a_new_room_is_found_without_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta", "_hidden", "__pycache__"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'"""The room {name}."""\n')
    for name in ("alpha", "_hidden"):
        (tmp_path / name / "citation.bib").write_text("")
    (tmp_path / "alpha" / "thing.py").write_text("x = 1\n")
    (tmp_path / "alpha" / "_private.py").write_text("")
    monkeypatch.setattr(rooms, "PACKAGE", tmp_path)
    assert rooms.room_names() == ["alpha", "beta"]
    assert rooms.method_names() == ["alpha"]
    assert rooms.module_names("alpha") == ["thing"]
    assert rooms.is_built("alpha")
    assert not rooms.is_built("beta")
    assert rooms.summary("beta") == "The room beta."
    assert rooms.summary("alpha", "thing") == ""


@pytest.mark.parametrize("room", rooms.room_names())
def test_every_room_says_what_it_is_in_one_line(room: str) -> None:
    line = rooms.summary(room)
    assert 10 < len(line) <= 100
    assert line.endswith(".")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_cites_whole_entries(method: str) -> None:
    found = entries(citation(method) + "\n")
    assert found
    for key, fields in found.items():
        assert {"author", "title", "year"} <= set(fields), key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"]), key
        assert fields["author"].count("{") == fields["author"].count("}"), key
        assert fields["title"].count("{") == fields["title"].count("}"), key
        assert fields["year"] in key, key
        if "pages" in fields:
            first, last = fields["pages"].split("--")
            assert int(first) < int(last), key
        if "eprint" in fields:
            assert re.fullmatch(r"\d{4}\.\d{4,5}", fields["eprint"]), key
            assert fields["archivePrefix"] == "arXiv", key


def test_no_key_is_used_for_two_papers() -> None:
    seen: dict[str, str] = {}
    for method in METHODS:
        for key, fields in entries(citation(method) + "\n").items():
            assert seen.setdefault(key, fields["title"]) == fields["title"]


def test_unknown_method_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^Unknown method 'optin'. Did you mean 'optim'\?$"):
        citation("optin")


@pytest.mark.parametrize("method", ["core", "../core", "", "optim/../amp"])
def test_only_methods_are_cited(method: str) -> None:
    with pytest.raises(ValueError, match=r"^Unknown method"):
        citation(method)
