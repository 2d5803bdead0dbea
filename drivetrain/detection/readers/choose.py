"""Which reader a path is for: told, or seen from what the files hold."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from drivetrain.core.checks import check_choice
from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.issues import Issue, Issues
from drivetrain.detection.readers import dota, voc, yolo
from drivetrain.detection.readers.lines import label_files, numbers
from drivetrain.detection.readers.text import split_line
from drivetrain.detection.readers.told import Told, told_of


@dataclass(frozen=True)
class Format:
    """A format: the module that reads it, and its functions."""

    module: str
    truth: str = "read_ground_truth"
    found: str = "read_detections"

    def reader(self, name: str) -> Callable[..., Any]:
        """Return one of the functions of the module."""
        function: Callable[..., Any] = getattr(
            import_module(f"drivetrain.detection.readers.{self.module}"), name
        )
        return function


#: The formats by the names that ``format=`` takes.
FORMATS: dict[str, Format] = {
    "coco": Format("coco"),
    "voc": Format("voc"),
    "yolo": Format("yolo"),
    "csv": Format("table"),
    "parquet": Format("table"),
    "openimages": Format("openimages"),
    "padilla": Format("text", "read_padilla_truth", "read_padilla_detections"),
    "cartucho": Format("text", "read_cartucho_truth", "read_cartucho_detections"),
    "dota": Format("dota"),
}

# Files and lines that are looked at before a folder's format is named.
_SAMPLE_FILES, _SAMPLE_LINES, _SAMPLE_BYTES = 40, 40, 65536


def read_ground_truth(
    path: str | PathLike[str],
    *,
    format: str = "auto",
    issues: Issues | None = None,
    **told: Any,
) -> GroundTruth:
    """Return the truths of a file or folder of any format.

    Args:
        path: COCO JSON, CSV, Parquet or Open Images CSV; or a folder of VOC XML, YOLO, Padilla,
            Cartucho or DOTA text files.
        format: One of ``FORMATS``, or ``auto``: seen from the content.
        issues: Where findings are told; a new list that is not lenient where None.
        told: What the files do not say; the attributes of :class:`Told`.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: No format, or several, fit the content; a defect, unless lenient.
        TypeError: An option that no format knows.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     csv = Path(folder, "truth.csv")
        ...     _ = csv.write_text("image,class,x,y,w,h\\na.jpg,cat,1,2,30,40\\n")
        ...     read_ground_truth(csv).boxes.tolist()
        [[1.0, 2.0, 30.0, 40.0]]
    """
    options = told_of(told)
    place, name = _place(path, format)
    chosen = FORMATS[name]
    read = chosen.reader(chosen.truth)
    if name == "coco":
        truth: GroundTruth = read(place, issues=issues, **_of_json(options))
        return truth
    truth = read(place, options, Issues() if issues is None else issues)
    return truth


def read_detections(
    path: str | PathLike[str],
    truth: GroundTruth,
    *,
    format: str = "auto",
    issues: Issues | None = None,
    **told: Any,
) -> Detections:
    """Return the detections of a file or folder of any format, under the ids of the truth.

    Args:
        path: As for :func:`read_ground_truth`; a VOC folder holds ``comp4_det_test_CLASS.txt``.
        truth: Whose images and classes are meant.
        format: One of ``FORMATS``, or ``auto``: seen from the content.
        issues: Where findings are told; a new list that is not lenient where None.
        told: What the files do not say; the attributes of :class:`Told`.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: No format, or several, fit the content; a defect, unless lenient.
        TypeError: An option that no format knows.
    """
    options = told_of(told)
    place, name = _place(path, format)
    chosen = FORMATS[name]
    read = chosen.reader(chosen.found)
    told_issues = Issues() if issues is None else issues
    if name == "coco":
        found: Detections = read(place, truth, issues=told_issues, **_of_json(options))
        if len(found) and _numbered_here(truth):
            told_issues.note(_numbers_for_names(place, truth))
        return found
    found = read(place, truth, options, told_issues)
    return found


def _numbered_here(truth: GroundTruth) -> bool:
    """Return whether the truth's file has names only, which the reader numbered."""
    place = Path(truth.source)
    if not place.exists():
        return False
    try:
        return choose_format(place) != "coco"
    except ValueError:
        return True  # it had to be told, as COCO's JSON never must


def _numbers_for_names(path: Path, truth: GroundTruth) -> Issue:
    first, name = int(truth.image_ids[0]), truth.image_names[0]
    return Issue(
        kind="numbers-for-names",
        source=str(path),
        what=f"images and classes are numbers here and names in {truth.source}: they were taken "
        f"for places among the sorted names, image {first} for {name!r}. Convert the truth to "
        "COCO JSON if the numbers mean others.",
        done="kept",
    )


def choose_format(path: str | PathLike[str]) -> str:
    """Return the format that a file's or a folder's content is in.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: No format, or several, fit; what was seen is listed.
    """
    place = Path(fspath(path))
    if not place.exists():
        raise FileNotFoundError(f"There is no file or folder {place}.")
    return _of_folder(place) if place.is_dir() else _of_file(place)


def _place(path: str | PathLike[str], format: str) -> tuple[Path, str]:
    check_choice("format", format, ("auto", *FORMATS))
    place = Path(fspath(path))
    seen = choose_format(place) if format == "auto" or not place.exists() else format
    return place, seen


def _of_json(options: Told) -> dict[str, Any]:
    """Return what the reader of COCO's JSON is told, in its own words."""
    given = {"task": options.task, "threads": options.threads}
    return {name: value for name, value in given.items() if value is not None}


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not plain:
        raise ValueError(f"{path} is empty: tell format=, if that is what it should be.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if plain[:1] in (b"{", b"["):
        return "coco"
    if plain[:1] == b"<" or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "voc"
    if voc.result_class(path):
        return "voc"
    if dota.result_class(path):
        return "dota"
    return _of_table(plain) or _of_text([path], path)


def _of_table(head: bytes) -> str | None:
    """Return the format of a table, if the first line names columns."""
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace")
    names = [name.strip().strip('"') for name in re.split(r"[,;\t]", first)]
    if len(names) < 4 or numbers(names[-4:]) is not None:
        return None
    return "openimages" if {"ImageID", "LabelName", "XMin"} <= set(names) else "csv"


def _of_folder(path: Path) -> str:
    if voc_folder(path):
        return "voc"
    folder = yolo.labels_folder(path)
    files = [one for one in folder.iterdir() if one.is_file()]
    kinds = Counter(one.suffix.lower() for one in files)
    labels = label_files(folder)
    known = {".xml": kinds[".xml"], ".txt": len(labels)}
    tables = [one for one in files if one.suffix.lower() in (".json", ".csv", ".parquet")]
    if not any(known.values()):
        raise ValueError(_nothing(path, files, tables))
    if all(known.values()):
        raise ValueError(
            f"{path} holds {known['.xml']} .xml and {known['.txt']} .txt files of labels: "
            "tell format=, 'voc' for the former."
        )
    if kinds[".xml"]:
        return "voc"
    if all(voc.result_class(one) for one in labels):
        return "voc"
    if all(dota.result_class(one) for one in labels):
        return "dota"
    return _of_text(labels, path)


def voc_folder(path: Path) -> bool:
    """Return whether a folder is a whole VOC one, with its ``Annotations`` inside."""
    inner = path / "Annotations"
    return inner.is_dir() and any(one.suffix == ".xml" for one in inner.iterdir())


def _nothing(path: Path, files: Iterable[Path], tables: list[Path]) -> str:
    if tables:
        listed = ", ".join(sorted(one.name for one in tables)[:5])
        return f"{path} is a folder: name the file that is meant: {listed}."
    inner = sorted(one.name for one in path.iterdir() if one.is_dir())
    names = sorted(one.name for one in files)
    seen = ", ".join([*(f"{one}/" for one in inner), *names][:8]) or "nothing"
    return f"{path} must hold .xml or .txt files of labels. It holds {seen}."


def _of_text(files: list[Path], path: Path) -> str:
    """Return the format of text files, of which each line must be of one kind."""
    lines = [words for file in files[:_SAMPLE_FILES] for words in _sample(file)]
    kinds = [_kind(words) for words in lines]
    counts = Counter(kind for kind in kinds if kind != "heading")
    if not counts:
        raise ValueError(f"{path}: the files are empty: tell format=.")
    if None in counts or ("dota" in counts and len(counts) > 1):
        rare = None if None in counts else min(counts, key=lambda kind: counts[kind])
        odd = lines[kinds.index(rare)]
        seen = ", ".join(f"{n} lines of {kind or 'no known kind'}" for kind, n in counts.items())
        raise ValueError(
            f"{path}: the lines fit no one format ({seen}; for one, "
            f"{' '.join(odd)[:60]!r}): tell format=, one of {', '.join(map(repr, FORMATS))}."
        )
    if "dota" in counts:
        return "dota"
    # A box may reach past its image, but most do not.
    numbered = all(words[0].isdigit() and len(words) > 4 for words in lines)
    listed = path.is_dir() and (yolo.labels_folder(path) / "classes.txt").is_file()
    parts = counts["yolo"] > counts["text"] or (numbered and listed)
    return "yolo" if parts else _box_order(lines, path)


def _sample(file: Path) -> list[list[str]]:
    with file.open("rb") as opened:
        text = opened.read(_SAMPLE_BYTES).decode("utf-8-sig", "replace")
    lines = text.split("\n")
    whole = lines[:-1] if len(text) >= _SAMPLE_BYTES // 2 and len(lines) > 1 else lines
    return [line.split() for line in whole[:_SAMPLE_LINES] if line.strip()]


def _kind(words: list[str]) -> str | None:
    if dota.is_heading(words):
        return "heading"
    if len(words) in (9, 10) and dota.corners_of(words[:8]) and numbers(words[8:9]) is None:
        return "dota"
    values = numbers(words[1:])
    if words[0].isdigit() and values and len(values) > 3 and all(abs(v) <= 1.5 for v in values[:4]):
        return "yolo"
    return "text" if split_line(words) is not None else None


def _box_order(lines: list[list[str]], path: Path) -> str:
    """Return whether boxes are corner and size (Padilla's) or two corners (Cartucho's)."""
    parts = [part for part in map(split_line, lines) if part is not None]
    if any(difficult for _, _, difficult in parts):
        return "cartucho"
    if any(box[2] < box[0] or box[3] < box[1] for _, box, _ in parts):
        return "padilla"
    raise ValueError(
        f"{path}: the boxes could be x y width height (format='padilla') or left top right bottom "
        f"(format='cartucho'), such as {parts[0][1]}: tell which."
    )
