"""What a style of one's own must be, told before anything is computed."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args, get_type_hints

from drivetrain.core.checks import check_choice, check_integer, check_real
from drivetrain.detection.styles import Style

#: As many as a word of bits holds, and a table of counts can tell.
MOST = {"thresholds": 32, "areas": 24, "max_detections": 255}
_FLAGS = (
    "strict",
    "crowd",
    "honour_ignore",
    "per_class",
    "inclusive",
    "federated",
    "hierarchy",
    "zero_id_unmatched",
)


def sound(style: Style) -> Style:
    """Return a style whose fields are what they should be, its lists as tuples.

    Raises:
        TypeError: A field of another type.
        ValueError: A field out of its range, or thresholds, recalls or caps that do not rise.

    Example:
        >>> sound(Style(name="mine", thresholds=[0.5, 0.75])).thresholds
        (0.5, 0.75)
        >>> sound(Style(name="mine", thresholds=(0.75, 0.5)))
        Traceback (most recent call last):
        ValueError: thresholds of style 'mine' must rise. Got 0.5 after 0.75.
    """
    if not isinstance(style.name, str):
        raise TypeError(f"name of a style must be a text. Got {type(style.name).__name__}.")
    of = f"of style {style.name!r}"
    for name in ("assignment", "interpolation", "grid", "group_of"):
        check_choice(f"{name} {of}", getattr(style, name), get_args(get_type_hints(Style)[name]))
    for name in _FLAGS:
        if not isinstance(getattr(style, name), bool):
            raise TypeError(f"{name} {of} must be True or False. Got {getattr(style, name)!r}.")
    if style.max_per_image is not None:
        check_integer(f"max_per_image {of}", style.max_per_image, low=1)
    return replace(
        style,
        thresholds=_reals("thresholds", style.thresholds, of, least=0.0),
        recalls=_reals("recalls", style.recalls, of),
        max_detections=_caps(style.max_detections, of),
        areas=_areas(style.areas, of),
    )


def _listed(name: str, value: Any, of: str) -> list[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{name} {of} must be a tuple. Got {type(value).__name__}.")
    most = MOST.get(name)
    if not value or (most is not None and len(value) > most):
        wanted = "at least one" if most is None else f"1 to {most}"
        raise ValueError(f"{name} {of} must be {wanted}. Got {len(value)}.")
    return list(value)


def _reals(name: str, value: Any, of: str, *, least: float | None = None) -> tuple[float, ...]:
    """Numbers of [0, 1] that rise; above ``least``, where there is one."""
    strictly = least is not None
    numbers = [
        check_real(f"{name} {of}", one, low=0, high=1, open_low=strictly)
        for one in _listed(name, value, of)
    ]
    return tuple(_rising(name, numbers, of))


def _caps(value: Any, of: str) -> tuple[int, ...]:
    listed = _listed("max_detections", value, of)
    caps = [check_integer(f"max_detections {of}", one, low=1) for one in listed]
    return tuple(_rising("max_detections", caps, of))


def _rising(name: str, numbers: list[Any], of: str) -> list[Any]:
    for before, after in pairwise(numbers):
        if after < before:
            raise ValueError(f"{name} {of} must rise. Got {after:g} after {before:g}.")
    return numbers


def _areas(value: Any, of: str) -> tuple[tuple[str, float, float], ...]:
    out = []
    for one in _listed("areas", value, of):
        if not isinstance(one, Sequence) or len(one) != 3 or not isinstance(one[0], str):
            raise TypeError(f"areas {of} must be (name, least, greatest). Got {one!r}.")
        low = check_real(f"least area of {one[0]!r} {of}", one[1], low=0)
        high = check_real(f"greatest area of {one[0]!r} {of}", one[2], low=low)
        out.append((one[0], low, high))
    names = [name for name, _, _ in out]
    if len(set(names)) < len(names):
        raise ValueError(f"areas {of} must have different names. Got {', '.join(names)}.")
    return tuple(out)
