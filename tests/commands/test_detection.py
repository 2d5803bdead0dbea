"""`drivetrain detection`: numbers, files and reports, and bad input told in a line."""

import json
from pathlib import Path

import pytest

from drivetrain.commands.shell import router
from drivetrain.detection import evaluate
from drivetrain.detection.examples import survey_data


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run the command in this process."""
    with pytest.raises(SystemExit) as leaving:
        router.main(["detection", *map(str, words)])
    out, err = capsys.readouterr()
    return int(leaving.value.code or 0), out, err


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the survey's truths, its detections, and the same less sure of itself."""
    truth, found = survey_data()
    data = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in truth.image_ids.tolist()],
        "categories": [{"id": 1, "name": "person [1]"}],
        "annotations": [
            {
                "id": n + 1,
                "image_id": image,
                "category_id": 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for n, (image, box) in enumerate(
                zip(truth.images.tolist(), truth.boxes.tolist(), strict=True)
            )
        ],
    }
    listed = [
        {"image_id": image, "category_id": 1, "bbox": box, "score": score}
        for image, box, score in zip(
            found.images.tolist(), found.boxes.tolist(), found.scores.tolist(), strict=True
        )
    ]
    (tmp_path / "gt.json").write_text(json.dumps(data))
    (tmp_path / "dt.json").write_text(json.dumps(listed))
    (tmp_path / "other.json").write_text(json.dumps(listed[::2]))
    return tmp_path


def test_prints_the_twelve_numbers(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "evaluate", files / "gt.json", files / "dt.json", "--classes")
    assert code == 0
    assert "coco, bbox: 24 detections, 15 truths, 7 images, 1 classes" in out
    expected = evaluate(*survey_data()).summary
    printed = {line.split()[0]: line.split()[1] for line in out.splitlines() if line[:2] == "AP"}
    assert float(printed["AP50"]) == pytest.approx(expected["AP50"], abs=5e-5)  # four decimals
    assert printed["APl"] == "–"  # no large truth: no number, and never -1
    assert "person [1]" in out
    assert "reading truths" in err  # progress, apart from what is piped on


def test_json_holds_every_digit(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = files / "out.json"
    words = ("--style", "coco", "voc2007", "voc2010", "--json", kept)
    code, out, _ = run(capsys, "evaluate", files / "gt.json", files / "dt.json", *words)
    assert code == 0 and "from coco to voc2007" in out
    held = json.loads(kept.read_text())
    for name, result in evaluate(*survey_data(), style=["coco", "voc2007", "voc2010"]).items():
        known = {k: None if v != v else v for k, v in result.summary.items()}
        assert held["styles"][name]["summary"] == known
    for gap in held["gaps"]:
        changes = [float(term["change"]) for term in gap["terms"]]
        # Exact decimals, added here as doubles: an epsilon of 1 for each of at most 15 terms.
        assert sum(changes) == pytest.approx(gap["last"] - gap["first"], abs=15 * 2.3e-16)
    assert list(files.glob(".*")) == []  # nothing temporary is left


def test_printed_gap_sums_as_it_stands(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--style", "coco", "ultralytics")
    _, out, _ = run(capsys, "evaluate", files / "gt.json", files / "dt.json", *words)
    rows = out[out.index("from coco to") :].splitlines()
    changes = [
        round(float(word) * 100_000)
        for row in rows
        for word in row.split()
        if word[0] in "+-" and word[1:2].isdigit()
    ]
    assert len(changes) > 2 and sum(changes[:-1]) == changes[-1]


def test_compares_two_detectors(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, page = files / "out.json", files / "r.html"
    words = ("--compare", files / "other.json", "--resamples", 50, "--json", kept, "--html", page)
    code, out, _ = run(capsys, "evaluate", files / "gt.json", files / "dt.json", *words)
    assert code == 0 and "50 resamples" in out
    held = json.loads(kept.read_text())
    interval = held["compared"]["differences"]["coco"]
    both = (held[k]["styles"] if k else held["styles"] for k in ("", "compared"))
    first, second = (each["coco"]["summary"]["AP"] for each in both)
    assert interval["estimate"] == first - second
    assert interval["low"] <= interval["estimate"] <= interval["high"]
    assert "other.json" in page.read_text()


def test_finds_are_told_or_counted(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads((files / "dt.json").read_text())
    listed[3]["bbox"][2] = -5
    listed[5]["image_id"] = 99
    bad = files / "bad.json"
    bad.write_text(json.dumps(listed))
    code, out, err = run(capsys, "evaluate", files / "gt.json", bad)
    told = err.splitlines()[-1]
    assert code == 2 and out == "" and told.startswith("drivetrain: ") and "entry" in told
    page = files / "bad.html"
    code, out, _ = run(capsys, "evaluate", files / "gt.json", bad, "--lenient", "--html", page)
    assert code == 0 and "22 detections" in out
    assert "2 findings in the data" in out
    assert "negative-box" in out and "negative-box" in page.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gt.json", "nowhere.json"], "nowhere.json"),
        (["gt.json", "dt.json", "--style", "cocoo"], "Did you mean 'coco'"),
        (["gt.json", "dt.json", "--task", "boxes"], "task must be one of"),
        (["gt.json", "dt.json", "--threads", "0"], "threads must be >= 1"),
        (["gt.json", "dt.json", "--resamples", "1"], "resamples must be >= 2"),
        (["gt.json", "dt.json", "--json", "no/such/folder.json"], "cannot write"),
        (["gt.json", "dt.json", "--html", "."], "cannot write"),
        (["gt.json", "cut.json"], "cut.json"),
        (["gt.json", "dt.json", "--task", "segm"], "segmentation"),
        (["gt.json"], "DT"),
        (["dt.json", "gt.json"], "a list, which is what detections are"),
        (["gt.json", "dt.json", "--names", "no.yaml"], "names must be a file"),
        (["gt.json", "dt.json", "--pictures", "none"], "pictures must be a file or folder"),
    ],
)
def test_bad_input_is_a_line(
    words: list[str],
    told: str,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    (files / "cut.json").write_bytes((files / "dt.json").read_bytes()[:-40])
    code, out, err = run(capsys, "evaluate", *words)
    last = err.splitlines()[-1]
    assert code == 2 and out == "" and last.startswith("drivetrain: ") and told in last
    assert "Traceback" not in err


def test_converts_both_ways(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "convert", files / "gt.json", files / "gt.csv", "--to", "csv")
    assert code == 0 and "written as csv" in out
    words = ("--to", "csv", "--truth", files / "gt.json")
    assert run(capsys, "convert", files / "dt.json", files / "dt.csv", *words)[0] == 0
    results = [evaluate(files / f"gt.{kind}", files / f"dt.{kind}") for kind in ("json", "csv")]
    first, second = (json.dumps(each.to_dict()["summary"]) for each in results)
    assert first == second


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gt.json", "gt.json", "--to", "csv"], "another path"),
        (["gt.json", "x", "--to", "vok"], "Did you mean 'voc'"),
        (["nowhere", "x", "--to", "csv"], "nowhere"),
        (["gt.json", "x", "--to", "csv", "--pictures", "none"], "pictures must be a file"),
    ],
)
def test_bad_conversions_are_a_line(
    words: list[str],
    told: str,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    code, out, err = run(capsys, "convert", *words)
    assert code == 2 and out == "" and told in err and err.count("\n") == 1


def test_nothing_to_find_and_nothing_found(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads((files / "gt.json").read_text())
    (files / "empty_dt.json").write_text("[]")
    (files / "empty_gt.json").write_text(json.dumps({**data, "annotations": []}))
    words = ("--style", "coco", "voc2010", "--json", files / "o.json", "--html", files / "r.html")
    code, out, _ = run(capsys, "evaluate", files / "gt.json", files / "empty_dt.json", *words)
    assert code == 0 and "0.0000" in out
    pair = (files / "empty_gt.json", files / "dt.json")
    code, out, _ = run(capsys, "evaluate", *pair, *words, "--compare", files / "other.json")
    assert code == 0 and "0.0000" not in out and " -1" not in out
    held = json.loads((files / "o.json").read_text())
    assert held["styles"]["coco"]["summary"]["AP"] is None and held["gaps"] == []
