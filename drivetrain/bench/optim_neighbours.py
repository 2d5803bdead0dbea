"""Steps of SGD, Lion and schedule-free AdamW beside torch's and the authors'."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drivetrain.bench.harness.case import Case, Contender, Race
from drivetrain.bench.peers import schedulefree
from drivetrain.optim.neighbours import SGD, AdamWScheduleFree, Lion

Shapes = list[tuple[int, ...]]
SETS: dict[str, tuple[str, Shapes]] = {
    "one-16.8M": ("one tensor of 16.8M", [(4096, 4096)]),
    "small-500": ("500 tensors of 64x64", [(64, 64)] * 500),
    "tiny-2000": ("2000 tensors of 64", [(64,)] * 2000),
}
STEPS, LR = 3, 1e-3
# Read p, g and one state, write p and the state; schedule-free has one state more.
SGD_BYTES, LION_BYTES, FREE_BYTES = 20, 20, 28


def cases() -> Iterator[Case]:
    """Yield three optimizers on three sets of tensors."""
    for name, (what, shapes) in SETS.items():
        yield _race(
            f"sgd-{name}",
            f"SGD step with momentum, {what}",
            shapes,
            SGD_BYTES,
            partial(SGD, lr=LR, momentum=0.9),
            {
                "torch fused": partial(torch.optim.SGD, lr=LR, momentum=0.9, fused=True),
                "torch foreach": partial(torch.optim.SGD, lr=LR, momentum=0.9, foreach=True),
            },
        )
        yield _race(
            f"lion-{name}",
            f"Lion step with decay, {what}",
            shapes,
            LION_BYTES,
            partial(Lion, lr=LR, weight_decay=0.1),
            {"foreach operations": partial(ForeachLion, lr=LR, weight_decay=0.1)},
        )
        yield _race(
            f"schedule-free-{name}",
            f"schedule-free AdamW step, {what}",
            shapes,
            FREE_BYTES,
            partial(_ours_schedule_free, lr=LR),
            {"schedulefree foreach": partial(schedulefree.adamw, lr=LR, foreach=True)},
        )


class ForeachLion:
    """Lion as the multi-tensor operations of torch say it; no package offers more on a CPU."""

    def __init__(self, params: Iterable[Tensor], *, lr: float, weight_decay: float) -> None:
        self.params = list(params)
        self.moments = [torch.zeros_like(p) for p in self.params]
        self.lr, self.decay, self.betas = lr, weight_decay, (0.9, 0.99)

    @torch.no_grad()
    def step(self) -> None:
        """Do one step of the paper's Algorithm 2."""
        beta1, beta2 = self.betas
        grads = [p.grad for p in self.params if p.grad is not None]
        u = torch._foreach_mul(self.moments, beta1)
        torch._foreach_add_(u, grads, alpha=1 - beta1)
        torch._foreach_sign_(u)
        torch._foreach_mul_(self.params, 1 - self.lr * self.decay)
        torch._foreach_add_(self.params, u, alpha=-self.lr)
        torch._foreach_mul_(self.moments, beta2)
        torch._foreach_add_(self.moments, grads, alpha=1 - beta2)


def _ours_schedule_free(params: list[Tensor], **options: Any) -> AdamWScheduleFree:
    optimizer = AdamWScheduleFree(params, **options)
    optimizer.train()
    return optimizer


def _race(
    name: str,
    what: str,
    shapes: Shapes,
    width: int,
    ours: Callable[..., Any],
    peers: dict[str, Callable[..., Any]],
) -> Race:
    count = sum(torch.Size(shape).numel() for shape in shapes)
    return Race(
        name=name,
        what=what,
        ours=_contender("drivetrain", shapes, ours),
        peers=tuple(_thunk(peer, shapes, make) for peer, make in peers.items()),
        equal=same,
        work=(width * count, "B"),
    )


def _thunk(name: str, shapes: Shapes, make: Callable[..., Any]) -> Callable[[], Contender]:
    def build() -> Contender:
        return _contender(name, shapes, make)

    # What the row is called where the peer is not installed.
    build.__name__ = name
    return build


def parameters(shapes: Shapes) -> list[Tensor]:
    """Return the same parameters and gradients each time."""
    generator = torch.Generator().manual_seed(0)
    made: list[Tensor] = []
    for shape in shapes:
        param = torch.nn.Parameter(torch.randn(shape, generator=generator) * 0.02)
        param.grad = torch.randn(shape, generator=generator)
        made.append(param)
    return made


def _contender(name: str, shapes: Shapes, make: Callable[..., Any]) -> Contender:
    params = parameters(shapes)
    # The package divides the gradients in place: each step is to begin with the same ones.
    kept = [param.grad.clone() for param in params if param.grad is not None]
    optimizer = make(params)
    restore = partial(_restore, params, kept) if name.startswith("schedulefree") else None
    answer = partial(_after, optimizer.step, params, restore)
    return Contender(name=name, run=optimizer.step, answer=answer, setup=restore)


def _restore(params: list[Tensor], grads: list[Tensor]) -> None:
    for param, grad in zip(params, grads):
        if param.grad is not None:
            param.grad.copy_(grad)


def _after(
    step: Callable[[], Any], params: list[Tensor], restore: Callable[[], None] | None
) -> Tensor:
    for _ in range(STEPS):
        if restore is not None:
            restore()
        step()
    return torch.cat([param.detach().reshape(-1) for param in params])


def same(ours: Tensor, theirs: Tensor) -> str:
    """Say how far two sets of parameters are apart; refuse more than float32 explains."""
    # Each step rounds θ about twice and its update, lr times a number of order |g| <= 6, four
    # times. A sign that depends on the last bit of an interpolation would move by 2·lr.
    bound = STEPS * 2.0**-23 * (2 * float(theirs.abs().max()) + 4 * 6 * LR)
    apart = float((ours - theirs).abs().max())
    assert apart <= bound, f"after {STEPS} steps max |Δθ| = {apart:.1e}, more than {bound:.1e}"
    return f"max |Δθ| {apart:.1e} after {STEPS} steps"
