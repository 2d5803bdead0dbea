"""What the columns hold: kind, gaps, distinct values, range."""

import numpy as np

from drivetrain.gallery.boosting_report.subject import Subject, brief, short
from drivetrain.gallery.page.section import Figure, Table

WORDS = 5


def figure(subject: Subject) -> Figure:
    """Return the table of the columns of the fitted rows."""
    x = subject.train.x
    absent = np.isnan(x).mean(axis=0)
    rows = []
    for f, name in enumerate(subject.names):
        known = x[:, f][~np.isnan(x[:, f])]
        distinct = len(np.unique(known))
        if subject.is_words(f):
            kind, told = "words", _commonest(subject, f, known)
        else:
            kind = "number"
            told = (
                f"{short(float(known.min()))} to {short(float(known.max()))}" if len(known) else "–"
            )
        rows.append((name, kind, f"{absent[f]:.1%}", f"{distinct:,}", told))
    holes = int((absent > 0).sum())
    return Figure(
        title=f"{len(rows)} columns, {holes} with missing values",
        caption="The fitted rows. Missing values go the way, at each split, that lowers the loss.",
        table=Table(header=("column", "kind", "missing", "distinct", "values"), rows=tuple(rows)),
    )


def _commonest(subject: Subject, f: int, known: np.ndarray) -> str:
    codes, counts = np.unique(known.astype(np.int64), return_counts=True)
    words = subject.words(f)
    order = np.argsort(-counts, kind="stable")[:WORDS]
    named = [brief(words[codes[k]], 14) if codes[k] < len(words) else str(codes[k]) for k in order]
    return ", ".join(named) + (" …" if len(codes) > WORDS else "")
