"""What is wrong with the data: each finding names its file, entry and id, and what was done."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """One finding in the input.

    Attributes:
        kind: A stable slug, such as ``nan-score`` or ``unknown-image``.
        source: Where the entry came from: a path, or ``ground_truth`` / ``detections``.
        entry: Position of the entry in its file or array, from 0; None for a whole file.
        id: The annotation's id, or the id that was not known; None where there is none.
        place: Byte offset in a JSON file, line number in a text file; None for arrays.
        what: One line: what was expected and what came.
        done: What was done about it: ``kept``, ``dropped``, ``repaired``.
    """

    kind: str
    source: str
    what: str
    done: str
    entry: int | None = None
    id: int | str | None = None
    place: int | None = None

    def __str__(self) -> str:
        spot = "" if self.entry is None else f" entry {self.entry}"
        named = "" if self.id is None else f" (id {self.id})"
        return f"{self.source}{spot}{named}: {self.what}"


@dataclass(slots=True)
class Issues:
    """The list of findings: every one is counted, the first ``keep`` of a kind are kept whole.

    Args:
        lenient: Count and skip what would otherwise be a ValueError.
        keep: How many findings of one kind are kept in full.
    """

    lenient: bool = False
    keep: int = 100
    found: list[Issue] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def note(self, issue: Issue, times: int = 1) -> None:
        """Record a finding that needs no decision: the value is kept or its repair is exact."""
        if self.counts[issue.kind] < self.keep:
            self.found.append(issue)
        self.counts[issue.kind] += times

    def refuse(self, issue: Issue, times: int = 1) -> None:
        """Record a defect: an error unless lenient.

        Raises:
            ValueError: Not lenient; the message names the entry.
        """
        if not self.lenient:
            more = f" ({times} such entries)" if times > 1 else ""
            raise ValueError(f"{issue}{more}")
        self.note(issue, times)

    def __iter__(self) -> Iterator[Issue]:
        return iter(self.found)

    def __len__(self) -> int:
        return sum(self.counts.values())
