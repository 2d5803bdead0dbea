"""What a benchmark is: a race between contenders, or a measure held against a bound."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One implementation in a race.

    Attributes:
        name: As printed, such as ``drivetrain`` or ``torch fused``.
        run: The timed call. It must do the whole work each time it is called.
        answer: Returns what is compared before timing; the result of ``run`` where absent.
        setup: Called before each timed ``run``, outside the clock (to restore inputs).
    """

    name: str
    run: Callable[[], Any]
    answer: Callable[[], Any] | None = None
    setup: Callable[[], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Race:
    """Ours against the peers on the same input, in one process, interleaved.

    Attributes:
        name: A short stable slug; the store's key within the method.
        what: One line a newcomer understands.
        ours: Our contender.
        peers: Thunks that build the others. One may raise MissingDependency: its row then says
            what to install.
        equal: Called with our answer and a peer's before timing. Returns words on how near they
            are; raises AssertionError where they differ by more than the arithmetic explains.
        floor: The least ratio (peer's time / ours) that the first peer must be beaten by.
        aim: The ratio we want.
        work: Amount of work a run does, and its unit (``(8e8, "B")``), for a rate column.
        repeats: Timed rounds; each runs every contender once.
    """

    name: str
    what: str
    ours: Contender
    peers: tuple[Callable[[], Contender], ...]
    equal: Callable[[Any, Any], str]
    floor: float | None = None
    aim: float | None = None
    work: tuple[float, str] | None = None
    repeats: int = 15


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A figure that is not a race: an error, a coverage, a share of bandwidth.

    Attributes:
        name: A short stable slug; the store's key within the method.
        what: One line a newcomer understands.
        value: Computes the figure.
        low: The least value that meets the goal, or None.
        high: The greatest value that meets the goal, or None.
        aim: The value we want, as printed beside it.
        unit: Printed after the value.
        detail: Called after ``value``; a few words beside the figure.
    """

    name: str
    what: str
    value: Callable[[], float]
    low: float | None = None
    high: float | None = None
    aim: float | None = None
    unit: str = ""
    detail: Callable[[], str] | None = None


Case = Race | Measure
Outcome = Literal["win", "loss", "met", "missed", "noted", "unequal", "missing"]


@dataclass(kw_only=True)
class Row:
    """One line of the table and of the store."""

    method: str
    case: str
    what: str
    contender: str
    outcome: Outcome
    ours: bool = False
    value: float | None = None
    unit: str = ""
    seconds: float | None = None
    spread: tuple[float, float] | None = None
    ratio: float | None = None
    floor: float | None = None
    aim: float | None = None
    cold_seconds: float | None = None
    peak_bytes: int | None = None
    rate: float | None = None
    words: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
