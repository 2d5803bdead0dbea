"""Which mistakes a detector makes, and what each kind costs: TIDE's error kinds.

Shapes: D detections, G truths, K classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.checks import check_real
from drivetrain.detection.annotations import Flags, Floats, Ids
from drivetrain.detection.protocols import _numba
from drivetrain.detection.protocols.crossing import Crossing, cross
from drivetrain.detection.protocols.gap import Judged
from drivetrain.detection.protocols.interpolation import average_precision
from drivetrain.detection.protocols.outcome import Events, packed

#: In the order in which they are printed; all but the last are kinds of false detections.
KINDS = ("class", "localisation", "both", "duplicate", "background", "missed")
CLASS, LOCALISATION, BOTH, DUPLICATE, BACKGROUND = range(5)
RIGHT, IGNORED = -1, -2


@dataclass(frozen=True, kw_only=True, eq=False)
class ErrorKinds:
    """What became of every detection and truth, and what repairing each kind would gain.

    Attributes:
        foreground: Overlap at which a truth is found.
        background: Overlap below which a detection shows background.
        ap: The style's average precision at ``foreground``, mean over classes with truths.
        counts: Number of errors of each kind.
        gains: Average precision gained by repairing all errors of one kind. It may be negative:
            TIDE prints 0 then.
        false_positives: Gain of removing everything false.
        false_negatives: Gain of not asking for what was not found.
        kinds: Kind of each detection as in its file, an index into ``KINDS``; -1 where it is
            right, -2 where it counts for nothing, (len(found),).
        missed: Truths that nothing false could have found, as in their file, (len(truth),). With
            a hierarchy the counts also hold what is missed of their ancestors.
        per_class: Errors of each class and kind, (K, 6): a false detection's own class.
    """

    foreground: float
    background: float
    ap: float
    counts: dict[str, int]
    gains: dict[str, float]
    false_positives: float
    false_negatives: float
    kinds: NDArray[np.int8]
    missed: Flags
    per_class: Ids

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return {
            "foreground": self.foreground,
            "background": self.background,
            "ap": self.ap,
            "counts": dict(self.counts),
            "gains": dict(self.gains),
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
        }

    def to_markdown(self) -> str:
        """Return a table of the kinds."""
        lines = ["| error | number | AP gained |", "|---|---:|---:|"]
        lines += [f"| {kind} | {self.counts[kind]} | {self.gains[kind]:.4f} |" for kind in KINDS]
        lines.append(f"| all false positives | | {self.false_positives:.4f} |")
        lines.append(f"| all false negatives | | {self.false_negatives:.4f} |")
        return "\n".join(lines)


def error_kinds(result: Judged, *, foreground: float = 0.5, background: float = 0.1) -> ErrorKinds:
    """Return the kind of every error and what repairing all of a kind would gain.

    A false detection is, in this order: *localisation*, if its best truth of its class overlaps
    by ``background`` or more but less than ``foreground``; *class*, if a truth of another class
    overlaps by ``foreground``; *duplicate*, if a truth of its class does, which another took;
    *background*, if nothing overlaps by ``background``; else *both* class and place are wrong.
    A truth is *missed* if it was not found and no class or localisation error points at it.

    Repairs: of the class and localisation errors that point at one truth not found, the surest
    becomes right if it is of the kind that is repaired; all others of that kind are removed.
    Missed truths are no longer asked for.

    Args:
        result: A result: has ``truth``, ``found``, ``style`` and ``task``.
        foreground: In (0, 1].
        background: In (0, foreground].

    Raises:
        ValueError: A threshold out of range.

    Example:
        >>> from types import SimpleNamespace
        >>> from drivetrain.detection.examples import survey_data, survey_style
        >>> truth, found = survey_data()
        >>> result = SimpleNamespace(
        ...     truth=truth, found=found, task="bbox", style=survey_style("voc2010")
        ... )
        >>> error_kinds(result, foreground=0.3).counts["background"]
        13

    References:
        D. Bolya, S. Foley, J. Hays, J. Hoffman, "TIDE: A General Toolbox for Identifying Object
        Detection Errors", ECCV 2020, section 2; the order is that of its code.
    """
    check_real("foreground", foreground, low=0, high=1, open_low=True)
    check_real("background", background, low=0, high=foreground, open_low=True)
    crossing = cross(result, threshold=foreground, least=background)
    kinds, at = _kinds(crossing)
    repair, missed = _repairs(crossing, kinds, at)
    base = _Curves(crossing)
    gains = {}
    for kind, name in enumerate(KINDS[:-1]):
        gains[name] = base.gain(
            hit=crossing.hit | (repair & (kinds == kind)),
            void=crossing.void | (~repair & (kinds == kind)),
            labels=_relabelled(crossing, at, repair & (kinds == kind)),
        )
    gains["missed"] = base.gain(found_of=missed)
    return ErrorKinds(
        foreground=foreground,
        background=background,
        ap=base.ap,
        counts={name: int(np.count_nonzero(kinds == k)) for k, name in enumerate(KINDS[:-1])}
        | {"missed": int(np.count_nonzero(missed))},
        gains=gains,
        false_positives=base.gain(void=~crossing.hit),
        false_negatives=base.gain(found_of=crossing.wanted & ~crossing.taken),
        kinds=_in_file(crossing, kinds),
        missed=_truths_in_file(crossing, missed, len(result.truth)),
        per_class=_per_class(crossing, kinds, missed),
    )


def _kinds(crossing: Crossing) -> tuple[NDArray[np.int8], Ids]:
    """Return the kind of each detection, and the truth that a class or place error points at."""
    foreground = crossing.style.thresholds[0]
    wanted = crossing.wanted[crossing.truths]
    same = crossing.labels[crossing.detections] == crossing.truth_labels[crossing.truths]
    own, own_overlap = crossing.best(wanted & same)
    other, other_overlap = crossing.best(wanted & ~same)
    near = other_overlap > foreground if crossing.style.strict else other_overlap >= foreground
    near &= other >= 0
    place = (own >= 0) & (own_overlap < foreground)
    kinds = np.full(len(crossing.pool), BOTH, np.int8)
    kinds[(own < 0) & (other < 0)] = BACKGROUND
    kinds[own_overlap >= foreground] = DUPLICATE
    kinds[near] = CLASS
    kinds[place] = LOCALISATION
    kinds[crossing.hit], kinds[crossing.void] = RIGHT, IGNORED
    return kinds, np.where(kinds == CLASS, other, np.where(kinds == LOCALISATION, own, -1))


def _repairs(crossing: Crossing, kinds: NDArray[np.int8], at: Ids) -> tuple[Flags, Flags]:
    """Return which detections a repair makes right, and which truths are missed for good."""
    open_ = crossing.wanted & ~crossing.taken
    pointing = np.flatnonzero(at >= 0)
    pointing = pointing[open_[at[pointing]]]
    scores = crossing.pool.index.scores[pointing]
    order = pointing[np.lexsort((pointing, -scores, at[pointing]))]
    first = np.concatenate(([True], np.diff(at[order]) > 0)) if len(order) else order > 0
    repair = np.zeros(len(kinds), np.bool_)
    repair[order[first]] = True
    missed = open_.copy()
    missed[at[order]] = False
    return repair, missed


def _relabelled(crossing: Crossing, at: Ids, repaired: Flags) -> Ids | None:
    """Return the classes of detections once the repaired ones have their truth's; None if same."""
    labels = crossing.labels.copy()
    labels[repaired] = crossing.truth_labels[at[repaired]]
    return None if np.array_equal(labels, crossing.labels) else labels


class _Curves:
    """The average precision of the detections as they are, and as they might be."""

    def __init__(self, crossing: Crossing) -> None:
        self.crossing = crossing
        self.n_classes = len(crossing.pool.classes)
        self.to_find = crossing.outcome.ruling.to_find[:, 0]
        self.asked = self.to_find > 0
        self.ap = self._ap(
            crossing.hit, crossing.void, None, np.zeros(len(crossing.wanted), np.bool_)
        )

    def gain(
        self,
        *,
        hit: Flags | None = None,
        void: Flags | None = None,
        labels: Ids | None = None,
        found_of: Flags | None = None,
    ) -> float:
        """Return how much is gained by other true positives, classes and truths to be found."""
        crossing = self.crossing
        none = np.zeros(len(crossing.wanted), np.bool_)
        return (
            self._ap(
                crossing.hit if hit is None else hit,
                crossing.void if void is None else void,
                labels,
                none if found_of is None else found_of,
            )
            - self.ap
        )

    def _ap(self, hit: Flags, void: Flags, labels: Ids | None, dropped: Flags) -> float:
        """Return the mean over the classes that had truths at first."""
        if not self.asked.any():
            return float("nan")
        pool = self.crossing.pool
        segments, ranking = pool.segments, pool.ranking
        if labels is not None:
            ranking = np.lexsort(
                (np.arange(len(pool)), pool.detection_images, -pool.index.scores, labels)
            ).astype(np.int32)
            segments = np.searchsorted(labels[ranking], np.arange(self.n_classes + 1))
        less = np.bincount(pool.truth_classes[dropped], minlength=self.n_classes)
        to_find = self.to_find - less
        events = _events(hit, void, segments, ranking, to_find)
        ap = average_precision(events, self.crossing.style, pool.index.scores)[0]
        # A class of which nothing is left to be found had nothing right: its AP stays 0.
        return float(np.mean(np.where(to_find > 0, ap, 0.0)[self.asked]))


def _events(
    hit: Flags, void: Flags, segments: Ids, ranking: NDArray[np.int32], to_find: Ids
) -> Events:
    n = len(to_find)
    room = np.diff(segments).astype(np.int64)
    bases = segments[:-1].astype(np.int64)
    stands, at = np.empty(len(hit), np.int32), np.empty(len(hit), np.int32)
    totals = np.zeros((1, n, 2), np.int32)
    _numba.walk(
        0,
        n,
        segments.astype(np.int64),
        ranking,
        packed(hit.astype(np.uint32), (void & ~hit).astype(np.uint32)),
        (bases, room),
        (stands, at, totals),
    )
    return Events(
        stands=stands,
        at=at,
        totals=totals,
        bases=bases,
        room=room,
        to_find=to_find.astype(np.int64),
        first=np.full(n, -1, np.int64),
    )


def _in_file(crossing: Crossing, kinds: NDArray[np.int8]) -> NDArray[np.int8]:
    out = np.full(len(crossing.pool.found), IGNORED, np.int8)
    out[crossing.pool.index.detections] = kinds
    return out


def _truths_in_file(crossing: Crossing, flags: Flags, n: int) -> Flags:
    """Return flags of truths as in their file; of a truth and its ancestors, any."""
    out = np.zeros(len(crossing.pool.truth), np.bool_)
    out[crossing.pool.index.truths] = flags
    return out[:n]


def _per_class(crossing: Crossing, kinds: NDArray[np.int8], missed: Flags) -> Ids:
    n = len(crossing.pool.classes)
    columns: list[Floats | Ids] = [
        np.bincount(crossing.labels[kinds == kind], minlength=n) for kind in range(5)
    ]
    columns.append(np.bincount(crossing.truth_labels[missed], minlength=n))
    return np.stack(columns, axis=1).astype(np.int64)
