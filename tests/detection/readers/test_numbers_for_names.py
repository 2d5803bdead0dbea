"""COCO's results on truths whose files have names only: the numbers' meaning is told."""

import json
from pathlib import Path

from drivetrain.detection import (
    evaluate,
    read_detections,
    read_ground_truth,
    write_detections,
    write_ground_truth,
)

KIND = "numbers-for-names"


def written(folder: Path) -> tuple[Path, Path]:
    table, results = folder / "truth.csv", folder / "found.json"
    table.write_text("image,class,x,y,w,h\n10,cat,1,2,30,40\n9,cat,1,2,30,40\n")
    entry = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5}
    results.write_text(json.dumps([entry]))
    return table, results


def test_numbers_for_names_are_told(tmp_path: Path) -> None:
    table, results = written(tmp_path)
    truth = read_ground_truth(table)
    first = int(truth.category_ids[0])
    results.write_text(results.read_text().replace('"category_id": 1', f'"category_id": {first}'))
    issues = [one for one in evaluate(table, results).issues if one.kind == KIND]
    assert len(issues) == 1
    assert "image 1 for '10'" in str(issues[0])


def test_names_for_names_and_numbers_for_numbers_are_not(tmp_path: Path) -> None:
    table, _ = written(tmp_path)
    truth = read_ground_truth(table)
    write_ground_truth(truth, tmp_path / "truth.json", to="coco")
    results = tmp_path / "again.json"
    results.write_text(
        json.dumps(
            [
                {
                    "image_id": 1,
                    "category_id": int(truth.category_ids[0]),
                    "bbox": [1, 2, 30, 40],
                    "score": 0.5,
                }
            ]
        )
    )
    found = read_detections(results, truth)
    write_detections(found, truth, tmp_path / "found.csv", to="csv")
    for pair in (("truth.json", "again.json"), ("truth.csv", "found.csv")):
        paths = [tmp_path / one for one in pair]
        assert KIND not in evaluate(*paths).issues.counts
