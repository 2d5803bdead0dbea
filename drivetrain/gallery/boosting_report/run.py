"""How the model was made: every setting, the time, the versions."""

import math
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from drivetrain import __version__
from drivetrain.core.cpu import model_name
from drivetrain.gallery.boosting_report.subject import Subject
from drivetrain.gallery.page.section import Figure, Table

_PACKAGES = ("numpy", "numba", "scikit-learn")


def figure(subject: Subject) -> Figure:
    """Return the table of settings and versions."""
    model = subject.model
    rows = [
        ("objective", model.objective.name),
        ("rounds in use", f"{len(model):,}"),
        ("base score", " ".join(f"{value:.6g}" for value in model.base_score)),
    ]
    if subject.forest is not None:
        rows += [
            ("trees in use", f"{len(subject.forest):,}"),
            ("leaves", f"{int(subject.forest.is_leaf.sum()):,}"),
        ]
    rows += [(name.replace("_", "-"), _plain(value)) for name, value in subject.settings.items()]
    if not math.isnan(subject.seconds):
        rows.append(("seconds of the run", f"{subject.seconds:.1f}"))
    rows += [("drivetrain", __version__), ("Python", platform.python_version())]
    for package in _PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            continue
    rows.append(("processor", model_name()))
    return Figure(
        title="Every setting of the run",
        caption="The same table, settings and seed give the same model, bit for bit, with any "
        "number of threads.",
        table=Table(header=("setting", "value"), rows=tuple(rows)),
    )


def _plain(value: Any) -> str:
    if value is None or value in ("", (), []):
        return "–"
    return " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
