"""The same defect in many rows: each is counted, only those that are kept are worded."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.issues import Issue, Issues

Rows = NDArray[np.intp]


def tell(
    issues: Issues, rows: Rows, issue_of: Callable[[int], Issue], *, defect: bool = True
) -> None:
    """Record the issue of each row: an error at the first one, if it is a defect, unless lenient.

    Args:
        issues: Where they are told.
        rows: The rows in question, rising.
        issue_of: Words the issue of a row; asked for as few rows as are kept.
        defect: Whether the rows are refused, or only noted.

    Raises:
        ValueError: A defect, and ``issues`` is not lenient.

    Example:
        >>> issues = Issues(lenient=True, keep=1)
        >>> def issue_of(row):
        ...     return Issue(kind="odd", source="a", what=f"row {row}", done="kept")
        >>> tell(issues, np.array([3, 5, 7]), issue_of)
        >>> len(issues), [str(issue) for issue in issues]
        (3, ['a: row 3'])
    """
    record = issues.refuse if defect else issues.note
    listed = rows[: issues.keep] if issues.lenient or not defect else rows[:1]
    for i, row in enumerate(listed.tolist()):
        record(issue_of(row), len(rows) - i if i == len(listed) - 1 else 1)
