"""Errors: the nearest word, and what to install."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.errors import (
    CheckpointError,
    MissingDependency,
    did_you_mean,
    require,
    unknown,
)

METHODS = ["optim", "amp", "approximation", "attention"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("optin", " Did you mean 'optim'?"),
        ("OPTIM", " Did you mean 'optim'?"),
        ("aproximation", " Did you mean 'approximation'?"),
        ("atention", " Did you mean 'attention'?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_did_you_mean_names_the_nearest(word: str, hint: str) -> None:
    assert did_you_mean(word, METHODS) == hint


def test_did_you_mean_keeps_the_spelling_of_the_choice() -> None:
    assert did_you_mean("adamw", ["AdamW", "SGD"]) == " Did you mean 'AdamW'?"


@given(st.text(), st.lists(st.text(), max_size=5))
def test_did_you_mean_never_fails_and_only_names_choices(word: str, choices: list[str]) -> None:
    hint = did_you_mean(word, choices)
    assert hint == "" or any(hint == f" Did you mean {choice!r}?" for choice in choices)


def test_unknown_is_a_value_error_with_the_nearest() -> None:
    assert str(unknown("method", "optin", METHODS)) == (
        "Unknown method 'optin'. Did you mean 'optim'?"
    )


def test_unknown_lists_the_choices_where_none_is_near() -> None:
    assert str(unknown("method", "zebra", METHODS)) == (
        "Unknown method 'zebra'. Expected one of: amp, approximation, attention, optim."
    )


@pytest.mark.parametrize("word", [3, None, 2.5, ["optim"]])
def test_unknown_takes_what_is_no_word(word: object) -> None:
    assert repr(word) in str(unknown("method", word, METHODS))


def test_kinds_of_errors_are_what_callers_catch() -> None:
    assert issubclass(MissingDependency, ImportError)
    assert issubclass(CheckpointError, ValueError)


def test_require_imports_what_is_there() -> None:
    assert require("json", "nothing").dumps(1) == "1"
    assert require("os.path", "nothing").sep == "/"


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_require_says_what_to_install(module: str) -> None:
    with pytest.raises(MissingDependency) as caught:
        require(module, "drivetrain[report]")
    assert str(caught.value) == (
        "no_such_package is not installed: pip install 'drivetrain[report]'"
    )


def test_require_names_a_missing_part_of_a_package_that_is_there() -> None:
    with pytest.raises(MissingDependency, match=r"^json\.no_such_part is not installed"):
        require("json.no_such_part", "x")


def test_require_does_not_hide_an_import_that_fails_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as caught:
        require("broken_package", "x")
    assert not isinstance(caught.value, MissingDependency)
    sys.modules.pop("broken_package", None)
