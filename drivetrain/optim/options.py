"""The options of a parameter group: their defaults, their ranges, their place in the kernel."""

from typing import Any

from torch import Tensor

from drivetrain.core.checks import check_choice, check_real
from drivetrain.core.errors import unknown
from drivetrain.optim.rules import Group

# Every key but the five that have a place of their own in the signature; torch's come first.
DEFAULTS: dict[str, Any] = {
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
    "decoupled_weight_decay": False,
    "decay": "lr",
    "state_dtype": None,
    "stochastic_rounding": False,
    "master_weights": False,
    "kahan": False,
}
_CHOOSING = (
    "amsgrad",
    "capturable",
    "differentiable",
    "state_dtype",
    "stochastic_rounding",
    "master_weights",
)
_LEADING = ("lr", "betas", "eps", "weight_decay", "amsgrad")
DECAYS = ("lr", "schedule")
STATE_DTYPES = ("fp32", "bf16", "8bit", "8bit-bitsandbytes")


def check_options(options: dict[str, Any]) -> tuple[float | None, bool, dict[str, Any]]:
    """Return ``max_grad_norm``, ``skip_nonfinite`` and the options of groups, all checked.

    Raises:
        TypeError: No option has that name.
        ValueError: Out of range.
        RuntimeError: Options that exclude each other, as torch has it.
    """
    known = [*DEFAULTS, "max_grad_norm", "skip_nonfinite"]
    for word in options:
        if word not in known:
            raise TypeError(str(unknown("option", word, [*known, *_LEADING])))
    norm = options.pop("max_grad_norm", None)
    skip = bool(options.pop("skip_nonfinite", False))
    if options.get("fused") and options.get("differentiable"):
        raise RuntimeError("`fused` does not support `differentiable`")
    if options.get("fused") and options.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    return None if norm is None else check_real("max_grad_norm", norm, low=0), skip, options


def check_group(group: Group, number: int) -> None:
    """Check the options of one group.

    Raises:
        TypeError: A number is none.
        ValueError: Out of range; the message names the option.
    """
    for word in ("lr", "eps", "weight_decay"):
        check_real(word, _single(word, group[word]), low=0)
    betas = group["betas"]
    if len(betas) != 2:
        raise ValueError(f"betas must be two numbers. Got {len(betas)} in param_groups[{number}].")
    for i, beta in enumerate(betas):
        check_real(f"betas[{i}]", _single(f"betas[{i}]", beta), low=0, high=1, open_high=True)
    check_choice("decay", group["decay"], DECAYS)
    if group["state_dtype"] is not None:
        check_choice("state_dtype", group["state_dtype"], STATE_DTYPES)


def hyperparameters(group: Group, factor: float) -> tuple[float, ...]:
    """Return a group's row of the kernels' hyperparameters: the ``LR ... FACTOR`` columns."""
    lr, (beta1, beta2) = number(group["lr"]), map(number, group["betas"])
    weight_decay, decoupled = number(group["weight_decay"]), group["decoupled_weight_decay"]
    l2 = 0.0 if decoupled else weight_decay
    shrink = 1 - decay_rate(group, lr) * weight_decay if decoupled else 1.0
    sign = -1.0 if group["maximize"] else 1.0
    return lr, beta1, beta2, float(group["eps"]), l2, shrink, sign * factor


def kind_of(group: Group) -> tuple[Any, ...]:
    """Return the options by which the kernel of a group's parameters is chosen."""
    return tuple([group[word] for word in _CHOOSING])


def decay_rate(group: Group, lr: float) -> float:
    """Return what multiplies λ: lr, or with ``decay="schedule"`` the schedule's η = lr / α.

    α is the ``initial_lr`` that torch's schedulers keep in the group, or lr where none does; a
    group whose α is 0 stands still.
    """
    if group["decay"] == "lr":
        return lr
    α = number(group.get("initial_lr", lr))
    return lr / α if α else 0.0


def number(value: Any) -> float:
    """Return a hyperparameter as a float; a tensor is read where it is now."""
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _single(word: str, value: Any) -> Any:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"{word} must have one element. Got shape {tuple(value.shape)}.")
    return value.detach().cpu().reshape(()) if isinstance(value, Tensor) else value
