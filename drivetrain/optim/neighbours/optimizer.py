"""What the neighbours share: torch's interface, the checks of a step, and who steps a parameter."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from drivetrain.core.backend import choose
from drivetrain.core.checks import check_real
from drivetrain.core.errors import unknown
from drivetrain.optim.gather import is_dense

Group = dict[str, Any]
Scalar = float | Tensor
BACKENDS = ("torch", "numba")


class Flags(TypedDict, total=False):
    """torch's keyword options. ``foreach`` and ``fused`` are kept for interchange only."""

    maximize: bool
    foreach: bool | None
    capturable: bool
    differentiable: bool
    fused: bool | None
    skip_nonfinite: bool


_FLAGS: dict[str, Any] = {
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """A parameter that takes part in a step, with its gradient and its state."""

    param: Tensor
    grad: Tensor
    state: dict[str, Any]


class Neighbour(Optimizer, ABC):
    """An optimizer of one formula: a child says what state it keeps and how it updates.

    Abstract. The step's frame is here: closure, checks, skipping, autograd's mode.

    Attributes:
        skip_nonfinite: Leave out a step whose gradients are not all finite.
        skipped_steps: How many were left out.
    """

    def __init__(self, params: ParamsT, defaults: Group, flags: dict[str, Any]) -> None:
        for word in flags:
            if word not in (*_FLAGS, "skip_nonfinite"):
                raise TypeError(str(unknown("option", word, [*_FLAGS, "skip_nonfinite"])))
        self.skip_nonfinite = bool(flags.pop("skip_nonfinite", False))
        self.skipped_steps = 0
        super().__init__(params, {**defaults, **_FLAGS, **flags})

    @abstractmethod
    def _check(self, group: Group) -> None:
        """Raise where a hyperparameter of a group is out of its range."""

    @abstractmethod
    def _update(self, group: Group, members: list[Member]) -> None:
        """Step the members of one group, whose gradients are good."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options of its own.

        Raises:
            ValueError: An option outside its range, or a parameter that is already there.
            TypeError: An option that is no number.
        """
        self._check({**self.defaults, **param_group})
        given = param_group["params"]
        if not isinstance(given, (Tensor, set)):
            param_group["params"] = given = list(given)
            self._refuse_twice(item[1] if isinstance(item, tuple) else item for item in given)
        super().add_param_group(param_group)

    def _refuse_twice(self, tensors: Iterable[Tensor]) -> None:
        seen = {id(param) for group in self.param_groups for param in group["params"]}
        for tensor in tensors:
            if id(tensor) in seen:
                raise ValueError(
                    f"param_groups[{len(self.param_groups)}] has a parameter that is already "
                    "given: each must be given once."
                )
            seen.add(id(tensor))

    def __getstate__(self) -> dict[str, Any]:
        kept = {"skip_nonfinite": self.skip_nonfinite, "skipped_steps": self.skipped_steps}
        return {**super().__getstate__(), **kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # torch's own optimizers lack some keys of ours, and older ones lack newer flags.
        super().__setstate__(state)
        for group in self.param_groups:
            for word, default in self.defaults.items():
                group.setdefault(word, default)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Do one step.

        Args:
            closure: Computes the loss anew, and its gradients; what it returns is returned.

        Raises:
            RuntimeError: A sparse gradient.
            ValueError: A gradient of another dtype, device or shape than its parameter's.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            found = [list(self._members(i, group)) for i, group in enumerate(self.param_groups)]
            if self.skip_nonfinite and not _all_finite(found):
                self.skipped_steps += 1
                return loss
            for group, members in zip(self.param_groups, found):
                if members:
                    self._update(group, members)
        return loss

    def _members(self, number: int, group: Group) -> Iterator[Member]:
        for param in group["params"]:
            grad = param.grad
            if grad is not None:
                if (
                    grad.layout != torch.strided
                    or grad.dtype != param.dtype
                    or grad.device != param.device
                    or grad.shape != param.shape
                ):
                    raise _wrong_gradient(type(self).__name__, number, param, grad)
                yield Member(param=param, grad=grad, state=self.state[param])


def check_rates(group: Group, *names: str) -> None:
    """Raise unless each named option of a group is a number >= 0; tensors of one element are.

    Raises:
        ValueError: Negative, NaN, or a tensor of several elements.
        TypeError: No number.
    """
    for name in names:
        check_real(name, single(name, group[name]), low=0)


def check_betas(group: Group) -> None:
    """Raise unless a group's betas are two numbers in [0, 1).

    Raises:
        ValueError: Out of range, or not two.
        TypeError: No numbers.
    """
    betas = group["betas"]
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas must be two numbers. Got {betas!r}.")
    for i, beta in enumerate(betas):
        name = f"betas[{i}]"
        check_real(name, single(name, beta), low=0, high=1, open_high=True)


def single(name: str, value: Any) -> Any:
    """Return a number, or a tensor of one element without its graph.

    Raises:
        ValueError: A tensor of several elements.
    """
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"{name} must have one element. Got shape {tuple(value.shape)}.")
        return value.detach().cpu().reshape(())
    return value


def sort_out(group: Group, members: list[Member], *keys: str) -> tuple[list[Member], list[Member]]:
    """Return the members that a kernel can step, and those left to torch's operations.

    A kernel reads dense float32 and float64 memory on the CPU, where parameter, gradient and
    states lie alike.

    Args:
        group: Their group.
        members: All that take part.
        keys: Of the states that the kernel touches; a member may lack them.
    """
    if choose(None, BACKENDS) != "numba" or group["differentiable"] or group["capturable"]:
        return [], members
    flat = [member for member in members if _is_flat(member, keys)]
    if len(flat) == len(members):
        return flat, []
    chosen = set(map(id, flat))
    return flat, [member for member in members if id(member) not in chosen]


def _is_flat(member: Member, keys: tuple[str, ...]) -> bool:
    param, grad, state = member.param, member.grad, member.state
    if param.dtype not in (torch.float32, torch.float64) or param.device.type != "cpu":
        return False
    alike = [grad, *(state[key] for key in keys if key in state)]
    if param.is_contiguous():
        lies = all(tensor.is_contiguous() for tensor in alike)
    else:
        stride = param.stride()
        lies = is_dense(param) and all(tensor.stride() == stride for tensor in alike)
    # A view may carry a negation as a mark, which its memory does not show.
    return lies and not any(t.is_neg() or t.dtype != param.dtype for t in alike)


def _all_finite(found: list[list[Member]]) -> bool:
    return all(bool(torch.isfinite(m.grad).all()) for members in found for m in members)


def _wrong_gradient(name: str, number: int, param: Tensor, grad: Tensor) -> Exception:
    if grad.layout != torch.strided:
        return RuntimeError(
            f"param_groups[{number}] has a sparse gradient: {name} does not support sparse "
            "gradients, use torch.optim.SGD or torch.optim.SparseAdam instead."
        )
    for word in ("dtype", "device", "shape"):
        ours, theirs = getattr(grad, word), getattr(param, word)
        if ours != theirs:
            break
    shown = [str(tuple(x)) if isinstance(x, torch.Size) else str(x) for x in (theirs, ours)]
    return ValueError(
        f"a gradient's {word} must be its parameter's: "
        f"expected {shown[0]} in param_groups[{number}]. Got {shown[1]}."
    )
