"""The small real task that the figures train on: handwritten digits, 8 x 8 pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from drivetrain.data import digits


@dataclass(frozen=True, kw_only=True)
class Task:
    """Digits as float32 rows in [0, 1), split once and for all by a seed."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    source: str


@cache
def task(seed: int, train: int = 797) -> Task:
    """Return ``train`` digits to learn from and 1,000 to test on."""
    data = digits()
    order = torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(seed))
    rows, labels = torch.from_numpy(data.pixels)[order], torch.from_numpy(data.labels)[order]
    return Task(
        train_x=rows[:train],
        train_y=labels[:train],
        test_x=rows[-1000:],
        test_y=labels[-1000:],
        source=f"Digits: {data.source}. Licence: {data.licence}.",
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: for nets this small, a second one waits more than it works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def network(seed: int, width: int = 128) -> nn.Sequential:
    """Return a perceptron of two hidden layers whose weights depend on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for fan_in, fan_out in ((64, width), (width, width), (width, 10)):
        # Our own draw, so that torch's global stream is neither used nor disturbed.
        layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out)
        with torch.no_grad():
            layer.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            layer.bias.zero_()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Yield ``steps`` index batches out of shuffled passes over ``range(count)``."""
    generator = torch.Generator().manual_seed(seed)
    done = 0
    while done < steps:
        order = torch.randperm(count, generator=generator)
        for first in range(0, count - size + 1, size):
            if done == steps:
                return
            yield order[first : first + size]
            done += 1


def loss_and_gradient(model: nn.Module, rows: Tensor, labels: Tensor) -> float:
    """Leave the gradient of the cross entropy in the parameters; return its value."""
    for parameter in model.parameters():
        parameter.grad = None
    dtype = next(model.parameters()).dtype
    loss = nn.functional.cross_entropy(model(rows.to(dtype)).float(), labels)
    loss.backward()
    return float(loss.detach())
