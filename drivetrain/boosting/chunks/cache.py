"""Bins on disk: written chunk by chunk, continued where writing stopped, whole or not there."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from drivetrain.boosting.chunks.stripes import Stripes
from drivetrain.core.files import atomic_write
from drivetrain.trees.binning.cuts import Cuts
from drivetrain.trees.binning.matrix import BinnedMatrix, bin_matrix

Floats = NDArray[np.float32]

# Bytes after which what was written is made sure of and noted.
_STEP = 1 << 26


class Cache:
    """A place for the bins of one table, on one disk or several.

    Args:
        folders: Where the files lie; the first holds the notes.
        key: What is kept: another table or other cuts have another key.
        shape: Rows and features, (n, F).
    """

    def __init__(self, folders: Sequence[Path], key: str, shape: tuple[int, int]) -> None:
        self.folders = [folder / f"bins-{key}" for folder in folders]
        self.shape = shape
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
        self._cuts = self.folders[0] / "cuts.npz"
        self._notes = self.folders[0] / "written.json"

    def cuts(self, make: Callable[[], Cuts]) -> Cuts:
        """Return the cuts that were kept, or make and keep them."""
        damaged = (OSError, EOFError, ValueError, TypeError, BadZipFile)
        with (
            suppress(*damaged),
            open(self._cuts, "rb") as kept,
            np.load(kept, allow_pickle=False) as held,
        ):
            return Cuts(**{name: held[name] for name in held.files})
        cuts = make()
        with atomic_write(self._cuts) as file:
            np.savez(
                file, **{name: getattr(cuts, name) for name in (one.name for one in fields(Cuts))}
            )
        return cuts

    def matrix(
        self, cuts: Cuts, blocks: Callable[[], Iterator[tuple[int, Floats]]]
    ) -> BinnedMatrix:
        """Return the bins, mapped; what is not written yet is written.

        Args:
            cuts: What the bins mean.
            blocks: Yields the rows, from the first on.
        """
        n, features = self.shape
        like = bin_matrix(np.empty((0, features), np.float32), cuts)
        dtype, stride = like.rows.dtype, like.rows.shape[1]
        sizes = {"rows": n * stride * dtype.itemsize, "columns": n * features * dtype.itemsize}
        notes = self._read_notes()
        if notes.get("rows") != n or not self._whole(sizes):
            missing = self._write(cuts, blocks, sizes, dtype)
        else:
            missing = notes["missing"]
        flat = {
            name: Stripes(self._paths(name), size).mapped().view(dtype)
            for name, size in sizes.items()
        }
        return BinnedMatrix(
            cuts=cuts,
            rows=flat["rows"].reshape(n, stride),
            columns=flat["columns"].reshape(features, n),
            shift=like.shift,
            has_missing=np.array(missing, np.bool_),
        )

    def _whole(self, sizes: dict[str, int]) -> bool:
        return all(Stripes(self._paths(name), size).whole() for name, size in sizes.items())

    def _paths(self, name: str, end: str = "") -> list[Path]:
        return [folder / f"{name}.{k}{end}" for k, folder in enumerate(self.folders)]

    def _read_notes(self) -> dict[str, Any]:
        try:
            notes = json.loads(self._notes.read_text())
            right = isinstance(notes["rows"], int) and len(notes["missing"]) == self.shape[1]
        except (OSError, ValueError, TypeError, KeyError):
            return {}
        return dict(notes) if right else {}

    def _write(
        self,
        cuts: Cuts,
        blocks: Callable[[], Iterator[tuple[int, Floats]]],
        sizes: dict[str, int],
        dtype: np.dtype[Any],
    ) -> list[bool]:
        """Write the rows that are not noted as written; return which columns miss values."""
        n, features = self.shape
        parts = {name: Stripes(self._paths(name, ".part"), size) for name, size in sizes.items()}
        notes = self._read_notes() if all(part.whole() for part in parts.values()) else {}
        done = int(notes.get("rows", 0))
        missing = np.array(notes.get("missing", [False] * features), np.bool_)
        if not done:
            # Before there is anything to trust: notes of an older run would vouch for zeros.
            self._note(0, missing)
        for part in parts.values():
            part.create()
        stride = sizes["rows"] // max(n, 1)
        waiting: dict[str, list[tuple[int, Any]]] = {"rows": [], "columns": []}
        held = 0
        for first, x in blocks():
            if first + len(x) <= done:
                continue
            bins = bin_matrix(x, cuts)
            missing |= bins.has_missing
            waiting["rows"].append((first * stride, bins.rows))
            for f in range(features):
                waiting["columns"].append(((f * n + first) * dtype.itemsize, bins.columns[f]))
            held += bins.rows.nbytes + bins.columns.nbytes
            if held >= _STEP or first + len(x) == n:
                for name, part in parts.items():
                    part.write(waiting.pop(name))
                    waiting[name] = []
                self._note(first + len(x), missing)
                held = 0
        for name in parts:
            for old, new in zip(self._paths(name, ".part"), self._paths(name)):
                old.replace(new)
        return list(map(bool, missing))

    def _note(self, rows: int, missing: NDArray[np.bool_]) -> None:
        with atomic_write(self._notes) as file:
            file.write(json.dumps({"rows": rows, "missing": missing.tolist()}).encode())


def bins_in_memory(
    cuts: Cuts, blocks: Iterator[tuple[int, Floats]], shape: tuple[int, int]
) -> BinnedMatrix:
    """Return the bins in memory, a block's values there at a time.

    Args:
        cuts: What the bins mean.
        blocks: The rows in order.
        shape: Rows and features, (n, F).
    """
    n, features = shape
    like = bin_matrix(np.empty((0, features), np.float32), cuts)
    rows = np.empty((n, like.rows.shape[1]), like.rows.dtype)
    columns = np.empty((features, n), like.columns.dtype)
    missing = np.zeros(features, np.bool_)
    for first, x in blocks:
        bins = bin_matrix(x, cuts)
        rows[first : first + len(x)] = bins.rows
        columns[:, first : first + len(x)] = bins.columns
        missing |= bins.has_missing
    return BinnedMatrix(
        cuts=cuts, rows=rows, columns=columns, shift=like.shift, has_missing=missing
    )
