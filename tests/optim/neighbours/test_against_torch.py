"""SGD, NAdamW, RMSprop and Adagrad against torch's for-loops, and their states exchanged."""

from itertools import product

import pytest
import torch

from drivetrain.core.backend import use
from drivetrain.optim.neighbours import SGD, Adagrad, NAdamW, RMSprop

SHAPES = ((5,), (33, 70), (1,), (20000,), (0,), (4, 3, 6, 6), ())
STEPS = 200


def sgd_options() -> list[dict]:
    found = [
        {"momentum": momentum, "dampening": dampening, "weight_decay": decay, "maximize": maximize}
        for momentum, dampening, decay, maximize in product(
            (0.0, 0.9), (0.0, 0.3), (0.0, 0.1), (False, True)
        )
        if momentum or not dampening
    ]
    return found + [
        {"momentum": 0.9, "nesterov": True, "weight_decay": decay, "maximize": maximize}
        for decay, maximize in product((0.0, 0.1), (False, True))
    ]


def nadam_options() -> list[dict]:
    return [
        {"decoupled_weight_decay": decoupled, "weight_decay": decay, "maximize": maximize}
        for decoupled, decay, maximize in product((False, True), (0.0, 0.1), (False, True))
    ] + [{"betas": (0.3, 0.9), "momentum_decay": 0.1, "eps": 1e-3, "weight_decay": 0.0}]


def rmsprop_options() -> list[dict]:
    return [
        {"momentum": momentum, "centered": centered, "weight_decay": decay, "maximize": maximize}
        for momentum, centered, decay, maximize in product(
            (0.0, 0.9), (False, True), (0.0, 0.1), (False, True)
        )
    ]


def adagrad_options() -> list[dict]:
    return [
        {"lr_decay": fall, "weight_decay": decay, "maximize": maximize}
        for fall, decay, maximize in product((0.0, 0.01), (0.0, 0.1), (False, True))
    ] + [{"initial_accumulator_value": 0.5, "eps": 1e-3}]


CASES = [
    (ours, theirs, options)
    for ours, theirs, listed in (
        (SGD, torch.optim.SGD, sgd_options()),
        (NAdamW, torch.optim.NAdam, nadam_options()),
        (RMSprop, torch.optim.RMSprop, rmsprop_options()),
        (Adagrad, torch.optim.Adagrad, adagrad_options()),
    )
    for options in listed
]
NAMES = [f"{ours.__name__}-{'-'.join(map(str, o.values()))}" for ours, _, o in CASES]


def parameters(dtype: torch.dtype, *, layout: str = "dense") -> list[torch.nn.Parameter]:
    random = torch.Generator().manual_seed(1)
    made = []
    for shape in SHAPES:
        value = torch.randn(shape, generator=random).to(dtype)
        if layout == "channels last" and value.ndim == 4:
            value = value.to(memory_format=torch.channels_last)
        if layout == "strided" and value.ndim == 2:
            value = torch.randn(shape[0], 2 * shape[1], generator=random).to(dtype)[:, ::2]
        made.append(torch.nn.Parameter(value))
    return made


def run(ours: torch.optim.Optimizer, theirs: torch.optim.Optimizer, steps: int = STEPS) -> None:
    """Give both the same gradients; the third parameter has one only every second step."""
    random = torch.Generator().manual_seed(2)
    for step in range(steps):
        for i, (a, b) in enumerate(zip(*(params_of(o) for o in (ours, theirs)))):
            if i == 2 and step % 2:
                a.grad = b.grad = None
                continue
            g = torch.randn(a.shape, generator=random).to(a.dtype)
            a.grad, b.grad = g.clone(), g
        ours.step()
        theirs.step()


def params_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def assert_ulp_near(
    ours: torch.optim.Optimizer, theirs: torch.optim.Optimizer, steps: int = STEPS
) -> None:
    for a, b in zip(params_of(ours), params_of(theirs), strict=True):
        # A step rounds a parameter about four times, to its own size; quotients of moments err
        # by as much, of sizes below 1, times a learning rate below 1.
        size = max(1.0, float(b.detach().abs().max())) if b.numel() else 1.0
        bound = steps * 4 * torch.finfo(b.dtype).eps * size
        torch.testing.assert_close(a, b, rtol=0, atol=bound)
        for key, value in theirs.state[b].items():
            if isinstance(value, torch.Tensor):
                mine = ours.state[a][key]
                assert mine.dtype == value.dtype
                size = max(1.0, float(value.abs().max())) if value.numel() else 1.0
                bound = steps * 4 * torch.finfo(b.dtype).eps * size
                torch.testing.assert_close(mine, value, rtol=0, atol=bound)


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES, ids=NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
def test_ulp_parity(ours, theirs, options, dtype) -> None:
    a = ours(parameters(dtype), lr=0.01, **options)
    b = theirs(parameters(dtype), lr=0.01, foreach=False, **options)
    run(a, b)
    assert_ulp_near(a, b)


FLAGSHIPS = [
    (SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (SGD, torch.optim.SGD, {"weight_decay": 0.1}),
    (NAdamW, torch.optim.NAdam, {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    (RMSprop, torch.optim.RMSprop, {"momentum": 0.9, "centered": True}),
    (Adagrad, torch.optim.Adagrad, {"lr_decay": 0.01}),
]
FLAGSHIP_NAMES = ["SGD-nesterov", "SGD-plain", "NAdamW", "RMSprop", "Adagrad"]
flagships = pytest.mark.parametrize(("ours", "theirs", "options"), FLAGSHIPS, ids=FLAGSHIP_NAMES)


@flagships
@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("layout", ["channels last", "strided"])
def test_layouts_and_backends(ours, theirs, options, backend, layout) -> None:
    a = ours(parameters(torch.float32, layout=layout), lr=0.01, **options)
    b = theirs(parameters(torch.float32, layout=layout), lr=0.01, foreach=False, **options)
    with use(backend):
        run(a, b, 50)
    assert_ulp_near(a, b, 50)


@flagships
def test_bf16_and_complex(ours, theirs, options) -> None:
    for dtype in (torch.bfloat16, torch.complex64):
        options = {"lr": 0.01, **options}
        a, b = parameters(dtype), parameters(dtype)
        one, two = ours(a, **options), theirs(b, **options, foreach=False)
        random = torch.Generator().manual_seed(3)
        for _ in range(20):
            for x, y in zip(a, b):
                g = torch.randn(x.shape, dtype=torch.complex64, generator=random)
                x.grad = y.grad = g.to(dtype) if dtype.is_complex else g.real.to(dtype)
            one.step()
            two.step()
        for x, y in zip(a, b):
            # bf16 rounds at other places than torch's composed operations do.
            tolerance = 20 * 4 * torch.finfo(dtype).eps
            torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


@flagships
def test_state_dict_swapped_mid_run_both_ways(ours, theirs, options) -> None:
    options = {"lr": 0.01, **options}
    whole = theirs(parameters(torch.float32), **options, foreach=False)
    pieces = parameters(torch.float32)
    current: torch.optim.Optimizer = theirs(pieces, **options, foreach=False)
    random = torch.Generator().manual_seed(4)
    for part in range(4):
        if part:
            follower = (ours if part % 2 else theirs)(pieces, **options)
            follower.load_state_dict(current.state_dict())
            current = follower
        for _ in range(30):
            for a, b in zip(params_of(whole), pieces):
                a.grad = torch.randn(a.shape, generator=random)
                b.grad = a.grad.clone()
            whole.step()
            current.step()
    assert_ulp_near(current, whole, 120)


@flagships
def test_groups_keep_torchs_keys(ours, theirs, options) -> None:
    def net() -> list[torch.nn.Parameter]:
        return [torch.nn.Parameter(torch.ones(2))]

    a, b = ours(net(), **options), theirs(net(), **options)
    assert set(b.param_groups[0]) <= set(a.param_groups[0])
    before = theirs(net(), foreach=True, maximize=True, **options)
    a.load_state_dict(before.state_dict())
    b.load_state_dict(a.state_dict())
    kept = b.state_dict()["param_groups"][0]
    for key, value in before.state_dict()["param_groups"][0].items():
        assert kept[key] == value


def test_old_integer_steps_load() -> None:
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = NAdamW([p])
    p.grad = torch.ones(3)
    optimizer.step()
    saved = optimizer.state_dict()
    saved["state"][0]["step"], saved["state"][0]["mu_product"] = 1, 0.5
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert float(optimizer.state[p]["step"]) == 2


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adagrad])
def test_differentiable_through_the_learning_rate(kind) -> None:
    # θ1 = θ0 − lr·u(g): its derivative by lr is −u, which an untouched copy of lr = 1 tells.
    theta = torch.full((3,), 2.0, dtype=torch.float64)
    lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    g = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    p = theta.clone().requires_grad_()
    moved = p.clone()
    optimizer = kind([moved.detach()], lr=lr, differentiable=True)
    optimizer.param_groups[0]["params"] = [moved]
    moved.grad = g
    optimizer.step()
    (slope,) = torch.autograd.grad(moved.sum(), lr)
    torch.testing.assert_close(slope, ((moved - theta) / lr).sum().detach())
