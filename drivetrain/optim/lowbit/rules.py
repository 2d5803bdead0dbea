"""The rules by which parameters of low precision are kept and stepped."""

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from drivetrain.optim import _numba as full
from drivetrain.optim.lowbit import _numba
from drivetrain.optim.lowbit.codes import codebooks
from drivetrain.optim.lowbit.formats import Format, Group, format_of
from drivetrain.optim.lowbit.states import (
    CODED,
    MOMENTS,
    OWN,
    State,
    columns,
    complete,
    decode,
    format_columns,
)
from drivetrain.optim.rules import Rule


def rule_for(param: Tensor, group: Group) -> Rule | None:
    """Return the rule of a parameter of low precision, or None where it is not of that kind.

    Raises:
        ValueError: A format that the parameter or another option excludes.
    """
    fmt = format_of(param, group)
    return None if fmt is None else _rule(fmt)


def settle(param: Tensor, state: State, rule: Rule | None) -> None:
    """Take a loaded state out of a low-precision format that its parameter is no longer kept in.

    Codes become the moments that they stand for; masters, compensations and seeds go.

    Args:
        param: The parameter.
        state: Changed in place.
        rule: What steps the parameter now; None for torch's operations.
    """
    if not state.keys().isdisjoint((*OWN, *CODED)):
        kept = () if rule is None else rule.columns
        if "exp_avg_codes" not in kept:
            decode(param, state, param.dtype)
        for key in set(OWN) - set(kept):
            state.pop(key, None)
    if rule is None:
        for key in MOMENTS:
            if key in state and state[key].dtype != param.dtype:
                state[key] = state[key].to(param.dtype)


def restore(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> None:
    """Give a loaded state back the dtypes it was saved with.

    ``torch.optim.Optimizer.load_state_dict`` casts every tensor of a state to its parameter's
    dtype: a float32 master would be rounded to bfloat16, a seed to nonsense.

    Args:
        optimizer: It has just loaded ``state_dict``.
        state_dict: As given to ``load_state_dict``.
    """
    saved = [index for group in state_dict["param_groups"] for index in group["params"]]
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for index, param in zip(saved, params):
        for key, value in state_dict["state"].get(index, {}).items():
            if key in (*MOMENTS, *OWN, *CODED) and value.dtype != param.dtype:
                # The seed is read by the host, wherever the parameter is.
                device = "cpu" if key == "rounding_seed" else param.device
                optimizer.state[param][key] = value.to(device, copy=True)


@cache
def _rule(fmt: Format) -> Rule:
    def adopt(param: Tensor, state: State, group: Group) -> None:
        complete(param, state, fmt)

    def fresh(param: Tensor, group: Group) -> State:
        state: State = {}
        complete(param, state, fmt)
        return state

    kinds = {"bfloat16": _numba.BFLOAT16, "float16": _numba.FLOAT16}
    low = fmt.kind in kinds
    return Rule(
        name=fmt.name,
        columns=columns(fmt),
        fresh=fresh,
        adopt=adopt,
        kernel=partial(_numba.step, format_columns(fmt, full.STATE), codebooks()),
        squares=partial(_numba.squares, kinds[fmt.kind]) if low else full.squares_float32,
        plain=fmt.one_by_one,
        by_triton=fmt.by_triton,
    )
