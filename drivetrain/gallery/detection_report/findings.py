"""What was found wrong with the data."""

from drivetrain.detection.issues import Issues
from drivetrain.gallery.page.section import Figure, Table

LISTED = 60


def figure(issues: Issues) -> Figure:
    """Return the list of findings, each with its source, entry and id."""
    if not len(issues):
        return Figure(
            title="Nothing wrong was found in the data",
            caption="No NaN or infinite score, no negative box, no unknown or repeated id.",
        )
    shown = issues.found[:LISTED]
    rest = len(issues) - len(shown)
    return Figure(
        title=f"{len(issues):,} findings in the data, of {len(issues.counts)} "
        f"kind{'s' if len(issues.counts) > 1 else ''}",
        table=Table(
            header=("finding", "kind", "was", "in all"),
            rows=tuple(
                (str(one), one.kind, one.done, f"{issues.counts[one.kind]:,}") for one in shown
            ),
            note=f"{rest:,} more are not listed." if rest else "",
        ),
    )
