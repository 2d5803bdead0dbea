"""What the neighbours share: torch's interface, the checks of a step, and who steps a parameter."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from drivetrain.core.backend import choose
from drivetrain.core.checks import check_real
from drivetrain.core.errors import unknown
from drivetrain.optim.gather import check_apart, is_dense
from drivetrain.optim.neighbours.plan import Cases, Group, Kernels, Member, Plan, State, Words, Work

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
        self._plan: Plan | None = None
        self._parts: list[_Part] = []
        super().__init__(params, {**defaults, **_FLAGS, **flags})

    @abstractmethod
    def _check(self, group: Group) -> None:
        """Raise where a hyperparameter of a group is out of its range."""

    @abstractmethod
    def _kernels(self, group: Group) -> Kernels | None:
        """Return the kernels that can step a group's members, or None to leave all to torch."""

    @abstractmethod
    def _begin(self, param: Tensor, state: State, group: Group) -> bool:
        """Make what a state lacks; tell whether this is its first step."""

    @abstractmethod
    def _cases(self, group: Group, states: Sequence[State], fresh: Words) -> Cases:
        """Advance all counters by a step; return its constants and which each member follows.

        Args:
            group: Options and counters.
            states: Of the members that take part.
            fresh: 1 for each member whose first step this is, else 0.
        """

    @abstractmethod
    def _formula(self, group: Group, member: Member, case: Any) -> None:
        """Step one member by torch's operations, given its row of constants."""

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
        self._plan, self._parts = None, []
        for group in self.param_groups:
            for word, default in self.defaults.items():
                group.setdefault(word, default)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, torch's or ours; counters keep the precision they were saved in.

        Raises:
            ValueError: Groups of another number or size than the optimizer's.
        """
        super().load_state_dict(state_dict)
        saved = [index for group in state_dict["param_groups"] for index in group["params"]]
        params = [param for group in self.param_groups for param in group["params"]]
        for index, param in zip(saved, params):
            for key, value in state_dict["state"].get(index, {}).items():
                # torch casts all but the step to the parameter's dtype: a product of momenta
                # would be rounded to bfloat16.
                if isinstance(value, Tensor) and not value.ndim and param.ndim:
                    self.state[param][key] = value.detach().cpu().clone()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Do one step.

        Args:
            closure: Computes the loss anew, and its gradients; what it returns is returned.

        Raises:
            RuntimeError: A sparse gradient.
            ValueError: A gradient of another dtype, device or shape than its parameter's;
                parameters that share memory.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._update()
        return loss

    # torch.compile cannot trace kernels: it runs this as it is, and compiles what is around it.
    @torch._disable_dynamo
    def _update(self) -> None:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            if self.skip_nonfinite and not self._all_finite():
                self.skipped_steps += 1
            elif not self._step_as_planned():
                self._step_anew()

    def _all_finite(self) -> bool:
        grads = (param.grad for group in self.param_groups for param in group["params"])
        return all(g is None or bool(torch.isfinite(_values(g)).all()) for g in grads)

    def _step_as_planned(self) -> bool:
        plan, groups = self._plan, self.param_groups
        if plan is None or not all(part.serves(self, groups[part.group]) for part in self._parts):
            return False
        if not plan.fits(groups, self.state):
            return False
        plan.run({part.group: part.cases(self, groups[part.group]) for part in self._parts})
        return True

    def _step_anew(self) -> None:
        found = [list(self._members(i, group)) for i, group in enumerate(self.param_groups)]
        placed = (_Placed(m.param, i) for i, members in enumerate(found) for m in members)
        check_apart([own for own in placed if is_dense(own.param)])  # type: ignore[misc]
        works: list[Work] = []
        left: list[tuple[Group, Member, Any]] = []
        cases: dict[int, Cases] = {}
        self._plan, self._parts = None, []
        for number, (group, members) in enumerate(zip(self.param_groups, found)):
            if not members:
                continue
            states, kernels = [m.state for m in members], self._kernels(group)
            fresh = np.array([self._begin(m.param, m.state, group) for m in members], np.int64)
            part = _Part(group=number, states=states, kernels=kernels)
            self._parts.append(part)
            constants, followed = cases[number] = self._cases(group, states, fresh)
            flat, rest = sort_out(number, members, kernels if part.serves(self, group) else None)
            works += flat
            left += [(group, members[i], constants[followed[i]]) for i in rest]
        for group, member, case in left:
            self._formula(group, member, case)
        if works:
            plan = Plan(works)
            plan.run(cases)
            if not left:
                plan.close(self.param_groups, self.state, works)
                self._plan = plan

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


class _Placed(NamedTuple):
    param: Tensor
    group: int


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A group's share of a plan: the states that its counters are in, and who steps them."""

    group: int
    states: list[State]
    kernels: Kernels | None

    def serves(self, optimizer: Neighbour, group: Group) -> bool:
        """Tell whether the group's options still call for these kernels."""
        if self.kernels is None or group["differentiable"] or group["capturable"]:
            return False
        return optimizer._kernels(group) is self.kernels and choose(None, BACKENDS) == "numba"

    def cases(self, optimizer: Neighbour, group: Group) -> Cases:
        """Return the constants of a step that is nobody's first."""
        return optimizer._cases(group, self.states, np.zeros(len(self.states), dtype=np.int64))


def sort_out(
    number: int, members: list[Member], kernels: Kernels | None
) -> tuple[list[Work], list[int]]:
    """Return the work of kernels, and the places of the members left to torch's operations.

    A kernel reads dense float32 and float64 memory on the CPU, where parameter, gradient and
    states lie alike.

    Args:
        number: The group's.
        members: All of the group that take part.
        kernels: None leaves all to torch.
    """
    places: dict[torch.dtype, list[int]] = {}
    left = []
    for i, member in enumerate(members):
        if kernels is not None and member.param.dtype in kernels.of and _is_flat(member, kernels):
            places.setdefault(member.param.dtype, []).append(i)
        else:
            left.append(i)
    works = [
        Work(
            group=number,
            kernel=kernels.of[dtype],
            keys=kernels.keys,
            members=[members[i] for i in chosen],
            places=chosen,
        )
        for dtype, chosen in places.items()
        if kernels is not None
    ]
    return works, left


def _is_flat(member: Member, kernels: Kernels) -> bool:
    param = member.param
    if param.device.type != "cpu":
        return False
    alike = [member.grad, *(member.state[key] for key in kernels.keys)]
    if param.is_contiguous():
        lies = all(tensor.is_contiguous() for tensor in alike)
    else:
        stride = param.stride()
        lies = is_dense(param) and all(tensor.stride() == stride for tensor in alike)
    # A view may carry a negation as a mark, which its memory does not show.
    return lies and not any(t.is_neg() or t.dtype != param.dtype for t in alike)


def _values(grad: Tensor) -> Tensor:
    return grad.coalesce().values() if grad.is_sparse else grad


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
