"""Each script runs here, and says the same on both libraries."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drivetrain.boosting import compat

_SPEC = importlib.util.spec_from_file_location("scripts", Path(__file__).with_name("scripts.py"))
assert _SPEC is not None and _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
SCRIPTS: dict[str, str] = _MODULE.SCRIPTS


def names() -> dict[str, Any]:
    """What every script finds."""
    rng = np.random.default_rng(7)
    x = np.round(rng.random((400, 5)) * 20) / 20
    signal = 2 * x[:, 0] + np.sin(5 * x[:, 1]) - 1.5 * (x[:, 2] > 0.6) * x[:, 3]
    y = np.round(np.abs(signal + 0.1 * rng.normal(size=400)), 3)
    return {
        "x": x,
        "y": y,
        "c": (signal > np.median(signal)).astype(int),
        "k": np.digitize(signal, np.quantile(signal, [0.33, 0.67])),
        "r": np.digitize(signal, np.quantile(signal, [0.2, 0.4, 0.6, 0.8])),
        "qid": rng.integers(0, 40, 400),
        "np": np,
        "pd": pd,
    }


def run(xgb: ModuleType, script: str, folder: Path) -> tuple[dict[str, Any], str]:
    held = names() | {"xgb": xgb, "folder": folder}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(script, held)
    return held["out"], said.getvalue()


def same(ours: Any, theirs: Any, where: str) -> None:
    """Check shapes, dtypes, keys and values."""
    if isinstance(theirs, np.ndarray):
        assert isinstance(ours, np.ndarray), where
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), where
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, err_msg=where)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key in theirs:
            same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=TOLERANCE, abs=TOLERANCE), where
    else:
        assert (ours, type(ours)) == (theirs, type(theirs)), where


# Ours quantises gradients to 2^-31 of their sum and rounds them at random, XGBoost sums float32
# gradients in float64: leaf values differ by a few float32 epsilons of the sums, and metrics with
# them. The scripts' labels have no equal gains that the last bit could turn over.
TOLERANCE = 2e-4


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs(name: str, tmp_path: Path) -> None:
    out, _ = run(compat, SCRIPTS[name], tmp_path)
    assert out


@pytest.mark.peer
@pytest.mark.parametrize("name", SCRIPTS)
def test_it_says_the_same_on_both(name: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
    ours, said = run(compat, SCRIPTS[name], tmp_path / "ours")
    theirs, their_words = run(xgboost, SCRIPTS[name], tmp_path / "theirs")
    same(ours, theirs, name)
    words = [re.sub(r"\d+\.\d+", "#", text) for text in (said, their_words)]
    assert words[0] == words[1]
