"""`drivetrain optim memory`: counts and checkpoints weighed, bad input told in a line."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from drivetrain.commands.shell import router


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command in this process."""
    with pytest.raises(SystemExit) as leaving:
        router.main(["optim", *words])
    out, err = capsys.readouterr()
    return int(leaving.value.code or 0), out, err


def totals(out: str) -> dict[str, float]:
    """Return the bytes per parameter of each printed format."""
    return {line.split()[0]: float(line.split()[-2]) for line in out.splitlines()[2:]}


def test_the_articles_figures(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "memory", "7e9")
    assert (code, err) == (0, "")
    found = totals(out)
    assert (found["fp32"], found["mixed"], found["mixed-g32"]) == (16, 16, 20)
    assert (found["bf16-sr"], found["8bit"]) == (8, 10.03)
    # 7e9 times 16 bytes, in 2^30 bytes
    assert "104.308" in out.splitlines()[2]


def test_one_layout_and_method(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "memory", "1000", "--layout", "fp32", "--method", "lion")
    assert (code, totals(out)) == (0, {"fp32": 12})


def test_a_file_and_a_folder_by_their_headers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"a": np.zeros((64, 64), "f4"), "b": np.zeros(10, "f2")}, tmp_path / "1.safetensors")
    save_file({"c": np.zeros((), "f8")}, tmp_path / "2.safetensors")
    code, out, _ = run(capsys, "memory", str(tmp_path / "1.safetensors"), "--layout", "8bit")
    assert code == 0 and out.startswith("4,106 parameters in 2 tensors")
    # The small tensor keeps fp32 moments: 4096·(10 + 8/256) + 10·16 bytes.
    assert totals(out)["8bit"] == pytest.approx((4096 * (10 + 8 / 256) + 160) / 4106, rel=1e-3)
    code, out, _ = run(capsys, "memory", str(tmp_path))
    assert code == 0 and out.startswith("4,107 parameters in 3 tensors")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-5"], "what must be >= 1"),
        (["nan"], "what must be >= 1"),
        (["inf"], "what must be >= 1 and <= 1e+18"),
        (["7e9", "--layout", "8bits"], "Did you mean '8bit'"),
        (["7e9", "--method", "lyon"], "Did you mean 'lion'"),
        (["nowhere.safetensors"], "neither a number of parameters nor a file or folder"),
    ],
)
def test_bad_input_is_a_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "memory", *words)
    assert code == 2 and out == "" and told in err and err.count("\n") == 1


def test_damaged_and_empty_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.safetensors"
    save_file({"a": np.zeros(1000, "f4")}, good)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(good.read_bytes()[:-100])
    code, _, err = run(capsys, "memory", str(cut))
    assert code == 2 and "truncated or no safetensors file" in err
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    code, _, err = run(capsys, "memory", str(nothing))
    assert code == 2 and "No .safetensors file" in err
    save_file({"a": np.zeros(0, "f4")}, nothing / "a.safetensors")
    code, _, err = run(capsys, "memory", str(nothing))
    assert code == 2 and "holds no parameter" in err


def test_a_state_is_made_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from drivetrain.optim import AdamW
    from drivetrain.optim.saved import load_state, plain_state, save_state

    weight = torch.nn.Parameter(torch.ones(64, 64))
    optimizer = AdamW([weight], state_dtype="8bit")
    weight.grad = torch.ones(64, 64)
    optimizer.step()
    low, plain = str(tmp_path / "low"), str(tmp_path / "plain")
    save_state(optimizer.state_dict(), low)
    code, out, err = run(capsys, "convert", low, plain)
    assert (code, err) == (0, "")
    # Codes and scales of two moments and a step; then two float32 moments and the step.
    assert f"{2 * (4096 + 64) + 4:,} bytes" in out and f"{2 * 4 * 4096 + 4:,} bytes" in out
    expected = plain_state(optimizer.state_dict())["state"][0]
    assert all(torch.equal(load_state(plain)["state"][0][key], expected[key]) for key in expected)
    code, _, err = run(capsys, "convert", low, low)
    assert code == 2 and "another folder" in err
    code, _, err = run(capsys, "convert", str(tmp_path / "nowhere"), plain)
    assert code == 2 and "No checkpoint" in err
