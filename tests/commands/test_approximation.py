"""`drivetrain approximation`: streams summarized as numpy would, gains judged."""

import io
from pathlib import Path

import numpy as np
import pytest

from drivetrain.commands import approximation
from drivetrain.commands.shell import router


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command in this process."""
    with pytest.raises(SystemExit) as leaving:
        router.main(["approximation", *words])
    out, err = capsys.readouterr()
    return int(leaving.value.code or 0), out, err


def table(out: str) -> dict[str, list[str]]:
    """Return the printed table by its first column."""
    rows = [line.split() for line in out.splitlines()[1:]]
    return {row[0]: row[1:] for row in rows}


def test_it_equals_numpy_over_many_blocks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approximation, "BLOCK_ROWS", 100)
    x = np.random.default_rng(0).lognormal(size=(1050, 2))
    lines = [f"{a!r},word,{b!r}" for a, b in x.tolist()]
    lines[3] = f"NA,word,{x[3, 1]}"
    path = tmp_path / "data.csv"
    path.write_text("first,text,second\n" + "\n".join(lines) + "\n")
    code, out, err = run(capsys, "summarize", str(path))
    assert (code, err) == (0, "")
    assert out.split()[:2] == ["first", "second"]
    kept = np.delete(x[:, 0], 3)
    rows = table(out)
    assert rows["count"] == ["1049", "1050"] and rows["missing"] == ["1", "0"]
    for name, value in (("mean", kept.mean()), ("std", kept.std(ddof=1)), ("min", kept.min())):
        # Six printed digits round by half of the sixth.
        np.testing.assert_allclose(float(rows[name][0]), value, rtol=5e-6)
    below = np.mean(kept <= float(rows["q0.5"][0]))
    assert abs(below - 0.5) < 0.01


def test_standard_input_and_chosen_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a;b\n1;2\n3;4\n"))
    code, out, _ = run(
        capsys, "summarize", "-", "--columns", "b", "--delimiter", ";", "--quantiles", "0.5"
    )
    assert code == 0
    assert table(out)["mean"] == ["3"] and out.split()[0] == "b"


@pytest.mark.parametrize(
    ("text", "flags", "says"),
    [
        ("", [], "is empty: a header line was expected."),
        ("a,b\nx,y\n", [], "has no column of numbers. Got a, b."),
        ("a\n1\nx\n", ["--columns", "a"], "column 'a' must hold numbers. Got 'x' in line 3."),
        ("alpha\n1\n", ["--columns", "alpa"], "Unknown column 'alpa'. Did you mean 'alpha'?"),
        ("a\n1\ninf\n", [], "must be finite"),
        ("a,b,a\n1,2,3\n", [], "has 2 columns named 'a'."),
        ("a\n" + "1" * 200_000 + "\n", [], "must be CSV in UTF-8. Got field larger than"),
        ("a\n1\n", ["--quantiles", "1.5"], "quantiles must be in [0, 1]. Got 1.5."),
        ("a\n1\n", ["--delimiter", ""], "delimiter must be one character. Got ''."),
    ],
)
def test_bad_input_is_one_line(
    text: str, flags: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    code, out, err = run(capsys, "summarize", str(path), *flags)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert says in err


def test_a_constant_column_is_no_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,\n1,NA\n1,2\n")
    code, out, err = run(capsys, "summarize", str(path))
    assert (code, err) == (0, "")
    rows = table(out)
    assert rows["std"] == ["0", "nan"] and rows["skew"] == ["nan", "nan"]
    assert rows["missing"] == ["0", "2"] and rows["q0.5"] == ["1", "2"]


def test_one_row_after_a_byte_order_mark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n3,4\n", encoding="utf-8-sig")
    code, out, err = run(capsys, "summarize", str(path), "--columns", "a")
    assert (code, err) == (0, "")
    rows = table(out)
    assert [rows[name] for name in ("count", "mean", "min", "max")] == [["1"], ["3"], ["3"], ["3"]]
    assert rows["std"] == ["nan"]


def test_closed_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    code, _, err = run(capsys, "summarize", "-")
    assert code == 2 and "standard input is closed" in err and err.count("\n") == 1


def test_missing_and_binary_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "summarize", str(tmp_path / "none.csv"))
    assert code == 2 and "none.csv: No such file or directory" in err
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    code, _, err = run(capsys, "summarize", str(tmp_path / "binary"))
    assert code == 2 and err.count("\n") == 1 and "binary must be CSV in UTF-8" in err


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ([], 0, "sum a_k"),
        (["--alpha", "0.5"], 1, "sum a_k"),
        (["--alpha", "1.2"], 1, "sum a_k"),
        (["--a", "0.2", "--slope", "1"], 1, "1/2"),
    ],
)
def test_gains_are_judged(
    flags: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got, out, _ = run(capsys, "gain", *flags)
    assert got == code and words in out


def test_a_bad_gain_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "gain", "--a", "-1")
    assert code == 2 and err.count("\n") == 1 and "a must be > 0" in err
