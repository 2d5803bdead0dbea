"""Floats drawn from an iterator: the answers, errors and left-overs of the loop of updates."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.approximation.streams import EWMean, EWMoments, Mean, Moments
from drivetrain.approximation.streams.observations import draw

STREAMS: list[Callable[..., Any]] = [
    Mean,
    lambda **policy: Moments(4, **policy),
    lambda **policy: EWMoments(0.1, 4, **policy),
    lambda **policy: EWMean(0.1, **policy),
]
floats = st.floats(-1e6, 1e6).map(float)
others = st.one_of(st.integers(-5, 5), st.lists(floats, max_size=3).map(np.array), floats)


def looped(stream: Any, items: list[Any]) -> Any:
    for item in items:
        stream.update(item)
    return stream


@settings(deadline=None, max_examples=40)
@given(st.lists(others, max_size=20))
def test_every_item_arrives_once_and_in_order(items: list[Any]) -> None:
    seen: list[float] = []
    draw(iter(items), lambda block: seen.extend(np.ravel(block).tolist()))
    assert seen == [value for item in items for value in np.ravel(item).tolist()]


@pytest.mark.parametrize("make", STREAMS)
@pytest.mark.parametrize("size", [1, 2, 1023, 1024, 1025, 5000])
def test_equals_the_loop(make: Callable[..., Any], size: int) -> None:
    values = (3.0 + np.random.default_rng(size).standard_normal(size)).tolist()
    drawn, one_by_one = make().update(iter(values)), looped(make(), values)
    if isinstance(drawn, Moments | EWMoments):
        # The same values meet in the same blocks.
        for ours, theirs in zip(
            drawn.state_dict().values(), one_by_one.state_dict().values(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    # The mean of 1/k is exact to an ulp each way; EWMean's blocks hold 1024 terms of like sign
    # whose weights sum to one: 1024 roundings at most.
    assert drawn.mean == pytest.approx(one_by_one.mean, rel=1024 * 2.0**-52)


@pytest.mark.parametrize("make", STREAMS)
def test_a_nan_stops_where_the_loop_stops(make: Callable[..., Any]) -> None:
    values = [*np.arange(1500.0).tolist(), float("nan"), 1.0]
    drawn, one_by_one = make(), make()
    with pytest.raises(ValueError) as expected:
        looped(one_by_one, values)
    with pytest.raises(ValueError) as found:
        drawn.update(iter(values))
    assert str(found.value) == str(expected.value)
    assert drawn.mean == pytest.approx(one_by_one.mean, rel=1024 * 2.0**-52)
    for policy in ("omit", "propagate"):
        same = make(nan_policy=policy).update(iter(values)).mean
        np.testing.assert_allclose(same, looped(make(nan_policy=policy), values).mean, rtol=1e-12)


@pytest.mark.parametrize("make", STREAMS)
def test_strings_are_refused_as_by_the_loop(make: Callable[..., Any]) -> None:
    for bad in ("3", None, 1j):
        with pytest.raises(TypeError) as expected:
            looped(make(), [1.0, bad])
        with pytest.raises(TypeError) as found:
            make().update(iter([1.0, bad]))
        assert str(found.value) == str(expected.value)


def test_what_came_before_the_source_failed_is_kept() -> None:
    def failing() -> Iterator[float]:
        yield from [1.0, 2.0, 6.0]
        raise ConnectionError("gone")

    stream = Moments()
    with pytest.raises(ConnectionError, match="gone"):
        stream.update(failing())
    assert (stream.count, stream.mean) == (3, 3.0)


def test_sums_that_overflow_are_no_infinities() -> None:
    assert Moments(1).update(iter([1.5e308, 1.5e308])).max == 1.5e308


def test_vectors_do_not_take_runs_of_numbers() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        Mean(shape=3).update(iter([1.0, 2.0, 3.0]))
