"""Bytes per parameter: the article's figures, measured tensors against the estimate."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.optim import AdamW
from drivetrain.optim.memory import KINDS, LAYOUTS, METHODS, Layout, estimate, memory_report


@pytest.mark.parametrize(
    ("layout", "per_parameter"),
    [
        ("fp32", 16),
        ("mixed", 16),
        ("mixed-g32", 20),
        ("bf16-sr", 8),
        ("bf16-kahan", 10),
        # p 4 + g 4 + m 1 + v 1 + two fp32 scales for 256 elements
        ("8bit", 10 + 2 * 4 / 256),
    ],
)
def test_bytes_per_parameter_of_the_article(layout: str, per_parameter: float) -> None:
    assert estimate(2**20, layout=layout).per_parameter["total"] == per_parameter


def test_mixed_precision_by_kind() -> None:
    report = estimate(1000, layout="mixed")
    assert [getattr(report, kind) for kind in KINDS] == [2000, 2000, 4000, 4000, 4000, 0]


@pytest.mark.parametrize(
    ("method", "total"), [("sgd", 8), ("momentum", 12), ("lion", 12), ("adam", 16), ("amsgrad", 20)]
)
def test_methods_keep_what_they_need(method: str, total: int) -> None:
    assert estimate(10, method=method).total == 10 * total


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 10**6), max_size=6),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(METHODS)),
)
def test_total_is_the_sum_of_kinds_and_of_tensors(sizes: list[int], layout: str, method: str):
    report = estimate(sizes, layout=layout, method=method)
    assert report.total == sum(getattr(report, kind) for kind in KINDS)
    alone = [estimate([size], layout=layout, method=method).total for size in sizes]
    assert report.total == sum(alone)
    assert report.parameters == sum(sizes)


def test_small_tensors_keep_fp32_moments() -> None:
    small, large = estimate([4095], layout="8bit"), estimate([4096], layout="8bit")
    assert (small.m, small.extra) == (4 * 4095, 0)
    assert (large.m, large.extra) == (4096, 2 * 4 * 16)


MODEL_SIZE = 30 * 20 + 20 + 20 + 20


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.LayerNorm(20))


@pytest.mark.parametrize(
    ("make", "method"),
    [
        (torch.optim.AdamW, "adamw"),
        (lambda ps: torch.optim.AdamW(ps, amsgrad=True), "amsgrad"),
        (lambda ps: torch.optim.SGD(ps, momentum=0.9), "momentum"),
        (torch.optim.SGD, "sgd"),
    ],
)
def test_measured_equals_estimate(make, method: str) -> None:
    net = model()
    optimizer = make(net.parameters())
    net(torch.ones(2, 30)).sum().backward()
    optimizer.step()
    measured = memory_report(net, optimizer=optimizer)
    expected = memory_report(net, optimizer="fp32", method=method)
    steps = sum(4 for state in optimizer.state.values() if "step" in state)
    assert measured.parameters == expected.parameters == MODEL_SIZE
    assert measured.total == expected.total + steps
    assert (measured.p, measured.g, measured.m, measured.v) == (
        (expected.p, expected.g, expected.m, expected.v)
    )


@pytest.mark.parametrize(
    ("layout", "dtype", "options"),
    [
        ("fp32", torch.float32, {}),
        ("8bit", torch.float32, {"state_dtype": "8bit"}),
        ("mixed", torch.bfloat16, {"master_weights": True}),
        ("bf16-sr", torch.bfloat16, {"stochastic_rounding": True}),
        ("bf16-kahan", torch.bfloat16, {"kahan": True}),
        ("bf16-sr-8bit", torch.bfloat16, {"state_dtype": "8bit", "stochastic_rounding": True}),
        ("bf16", torch.bfloat16, {}),
    ],
)
def test_formats_of_our_own_measured_equal_the_estimate(layout, dtype, options) -> None:
    # One tensor of several blocks and a part of one, one too small for codes.
    params = [torch.nn.Parameter(torch.ones(n, dtype=dtype)) for n in (5000, 40)]
    optimizer = AdamW(params, **options)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    measured = memory_report(params, optimizer=optimizer)
    expected = estimate([5000, 40], layout=layout)
    counters = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for key, value in state.items()
        if key in ("step", "rounding_seed")
    )
    kinds = ("p", "g", "m", "v", "master")
    assert [getattr(measured, k) for k in kinds] == [getattr(expected, k) for k in kinds]
    assert measured.extra == expected.extra + counters


def test_before_the_first_step_nothing_is_there_and_nothing_appears() -> None:
    net = model()
    optimizer = torch.optim.AdamW(net.parameters())
    assert memory_report(net, optimizer=optimizer).total == 4 * MODEL_SIZE
    assert not optimizer.state


def test_shared_once_frozen_without_state() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    net[1].weight = net[0].weight
    assert memory_report(net, optimizer="fp32").total == 64 * 16
    assert memory_report([net[0].weight, net[1].weight]).parameters == 64
    net.requires_grad_(False)
    assert memory_report(net, optimizer="fp32").total == 64 * 4


def test_meta_device_needs_no_memory() -> None:
    with torch.device("meta"):
        giant = torch.nn.Linear(10**5, 10**5)
    assert memory_report(giant, optimizer="8bit").parameters == 10**10 + 10**5


def test_own_layout() -> None:
    assert estimate(256, layout=Layout(p=1, g=2, state=1, block=128)).total == 256 * 5 + 16


def test_empty() -> None:
    assert estimate(0).per_parameter["total"] == 0
    assert estimate([]).total == 0


def test_table_adds_up() -> None:
    text = str(estimate(7e9, layout="mixed"))
    assert text.splitlines()[-1].split() == ["total", "112,000,000,000", "16.000"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: estimate(-1), ValueError, "parameters must be >= 0"),
        (lambda: estimate(float("nan")), ValueError, "parameters"),
        (lambda: estimate(float("inf")), ValueError, "finite"),
        (lambda: estimate("7e9"), TypeError, "parameters must be a real number"),
        (lambda: estimate([1, -2]), ValueError, r"parameters\[1\]"),
        (lambda: estimate(1, layout="8bits"), ValueError, "Did you mean '8bit'"),
        (lambda: estimate(1, method="adamm"), ValueError, "Did you mean"),
        (lambda: memory_report(model(), optimizer=3), TypeError, "optimizer must be"),
    ],
)
def test_bad_input_is_named(call, error, words: str) -> None:
    with pytest.raises(error, match=words):
        call()
