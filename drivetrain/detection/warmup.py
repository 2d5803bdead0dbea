"""Compiles the kernels of boxes, masks and keypoints ahead of use, or reads them from the cache."""


def warmup() -> None:
    """Read and judge two tiny files in each task, by way of what every evaluation calls."""
    import json
    import tempfile
    from pathlib import Path

    from drivetrain.detection import evaluate

    box, square = [1.0, 1.0, 4.5, 4.0], [1, 1, 5, 1, 5, 5, 1, 5]
    points = [1.0, 1.0, 2] * 17
    truth = {
        "images": [{"id": 1, "height": 9, "width": 9}],
        "categories": [{"id": 1, "name": "one"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "area": 16.0,
                "bbox": box,
                "segmentation": [square],
                "keypoints": points,
                "num_keypoints": 17,
            }
        ],
    }
    mask = {"size": [9, 9], "counts": ":4500000S1"}
    kinds: dict[str, dict[str, object]] = {
        "bbox": {"bbox": box},
        "segm": {"segmentation": mask},
        "keypoints": {"keypoints": points},
    }
    with tempfile.TemporaryDirectory() as folder:
        there, said = Path(folder) / "gt.json", Path(folder) / "dt.json"
        there.write_text(json.dumps(truth), encoding="utf8")
        for task, what in kinds.items():
            # Rising scores, so that they are sorted too.
            found = [{"image_id": 1, "category_id": 1, "score": s, **what} for s in (0.123, 0.5)]
            said.write_text(json.dumps(found), encoding="utf8")
            evaluate(there, said, task=task)
