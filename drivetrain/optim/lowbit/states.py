"""The states of low-precision formats: made, brought from one format to another, taken apart.

Besides torch's ``exp_avg`` and ``exp_avg_sq`` a state may hold, under names of its own,
``exp_avg_codes``, ``exp_avg_scales``, ``exp_avg_sq_codes`` and ``exp_avg_sq_scales`` (uint8 codes
in the parameter's shape, one float32 scale for each 256 of them in the order of memory),
``master`` (float32), ``compensation`` (bfloat16) and ``rounding_seed`` (int64).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drivetrain.optim.lowbit import _numba
from drivetrain.optim.lowbit.codes import blocks, codebooks
from drivetrain.optim.lowbit.formats import Format

State = dict[str, Any]
MOMENTS = ("exp_avg", "exp_avg_sq")
OWN = ("master", "compensation", "rounding_seed")
CODED = tuple(f"{key}_{part}" for key in MOMENTS for part in ("codes", "scales"))
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def columns(fmt: Format) -> tuple[str, ...]:
    """Return the keys of a format's state that its kernel touches, in the columns' order."""
    keys = ["exp_avg_codes", "exp_avg_sq_codes"] if fmt.quantized else list(MOMENTS)
    keys += ["max_exp_avg_sq"] if fmt.amsgrad else []
    keys += ["exp_avg_scales", "exp_avg_sq_scales"] if fmt.quantized else []
    extra = {"stochastic": "rounding_seed", "kahan": "compensation", "master": "master"}
    return tuple([*keys, extra[fmt.write]] if fmt.write in extra else keys)


def complete(param: Tensor, state: State, fmt: Format) -> None:
    """Bring a state, fresh or of whatever format, to this one: afterwards it has ``columns``.

    Args:
        param: Its parameter.
        state: Changed in place; keys of other formats go.
        fmt: The format.

    Raises:
        ValueError: A tensor of another shape than the parameter's.
    """
    if fmt.quantized:
        for key in MOMENTS:
            _complete_codes(param, state, key, grid=fmt.moments == "8bit-bitsandbytes")
    else:
        decode(param, state, _DTYPES[fmt.moments])
        keys = [key for key in columns(fmt) if key in (*MOMENTS, "max_exp_avg_sq")]
        for key in keys:
            state[key] = _laid_out(param, state.get(key), _DTYPES[fmt.moments], key)
    if fmt.write == "master":
        master = state.get("master")
        state["master"] = _laid_out(
            param, param.detach() if master is None else master, torch.float32, "master"
        )
    elif fmt.write == "kahan":
        lost = state.get("compensation")
        state["compensation"] = _laid_out(param, lost, torch.bfloat16, "compensation")
    elif fmt.write == "stochastic" and "rounding_seed" not in state:
        # From torch's generator, so that torch.manual_seed decides; kept, so that a resumed run
        # rounds as the one that was interrupted. The counter is the step.
        state["rounding_seed"] = torch.randint(0, 2**62, (), dtype=torch.int64, device="cpu")
    for key in set(OWN) - set(columns(fmt)):
        state.pop(key, None)


def decode(param: Tensor, state: State, dtype: torch.dtype) -> None:
    """Replace codes by the moments that they stand for, in place, if there are codes."""
    for key, signed in zip(MOMENTS, (True, False)):
        if f"{key}_codes" in state:
            codes, scales = state.pop(f"{key}_codes"), state.pop(f"{key}_scales")
            state[key] = dequantize(codes, scales, signed=signed).to(dtype)


def quantize(values: Tensor, *, signed: bool, grid: bool = False) -> tuple[Tensor, Tensor]:
    r"""Return the block-wise codes of a tensor, and the blocks' scales.

    .. math:: s_b = \max_{i \in b} |x_i|, \quad c_i = \arg\min_c |q_c - x_i / s_b|

    Args:
        values: Dense, of any shape, on the CPU; unsigned ones are >= 0. What is not finite
            counts for no scale; an infinity gets the outermost code, NaN the lowest.
        signed: Which map of codes.
        grid: Take the code that bitsandbytes' CPU kernel takes, by a grid of 65536 points.

    Returns:
        uint8 codes, shaped and laid out like ``values``; (⌈n / 256⌉,) float32 scales, of blocks
        in the order of memory.

    Example:
        >>> codes, scales = quantize(torch.tensor([0.5, -1.0, 0.0]), signed=True)
        >>> print(dequantize(codes, scales, signed=True))
        tensor([ 0.5008, -0.9930,  0.0000])

    References:
        Dettmers et al., 8-bit Optimizers via Block-wise Quantization (2022), section 2.
    """
    codes = torch.empty_like(values, dtype=torch.uint8, memory_format=torch.preserve_format)
    scales = torch.empty(blocks(values.numel()), dtype=torch.float32)
    work = _memory(values.detach().to(torch.float32)).numpy()
    _numba.quantize(work, _memory(codes).numpy(), scales.numpy(), signed, grid)
    return codes, scales


def dequantize(codes: Tensor, scales: Tensor, *, signed: bool) -> Tensor:
    """Return the float32 numbers that codes stand for, shaped and laid out like them."""
    values = torch.empty_like(codes, dtype=torch.float32, memory_format=torch.preserve_format)
    book = codebooks()[0 if signed else 1]
    _numba.look_up(_memory(codes).numpy(), scales.numpy(), book, _memory(values).numpy())
    return values


def _complete_codes(param: Tensor, state: State, key: str, *, grid: bool) -> None:
    codes, scales = state.get(f"{key}_codes"), state.get(f"{key}_scales")
    if codes is None or scales is None:
        moment = state.pop(key, None)
        if moment is None:
            codes = torch.zeros_like(param, dtype=torch.uint8, memory_format=torch.preserve_format)
            scales = torch.zeros(blocks(param.numel()), dtype=torch.float32)
        else:
            moment = _laid_out(param, moment, torch.float32, key)
            codes, scales = quantize(moment, signed=key == "exp_avg", grid=grid)
    state[f"{key}_codes"] = _laid_out(param, codes, torch.uint8, f"{key}_codes")
    count = (blocks(param.numel()),)
    if scales.shape != count:
        raise ValueError(
            f"state '{key}_scales' must have shape {count}. Got {tuple(scales.shape)}."
        )
    state[f"{key}_scales"] = scales.to(torch.float32).contiguous()
    state.pop(key, None)


def _laid_out(param: Tensor, value: Tensor | None, dtype: torch.dtype, key: str) -> Tensor:
    if value is None:
        return torch.zeros_like(param, dtype=dtype, memory_format=torch.preserve_format)
    if value.shape != param.shape:
        raise ValueError(
            f"state {key!r} must have its parameter's shape {tuple(param.shape)}. "
            f"Got {tuple(value.shape)}."
        )
    if value.dtype == dtype and value.device == param.device and value.stride() == param.stride():
        return value
    fresh = torch.empty_like(param, dtype=dtype, memory_format=torch.preserve_format)
    return fresh.copy_(value)


def _memory(tensor: Tensor) -> Tensor:
    """Return a dense tensor's elements in the order of memory, as a view."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))


def format_columns(fmt: Format, first: int) -> np.ndarray:
    """Return a format as its kernel reads it; ``first`` is the column of the first state."""
    place = {key: first + i for i, key in enumerate(columns(fmt))}
    kinds = {"float32": _numba.FLOAT32, "bfloat16": _numba.BFLOAT16, "float16": _numba.FLOAT16}
    writes = ("direct", "nearest", "stochastic", "kahan", "master")
    out = np.full(_numba.FORMAT, -1, dtype=np.int64)
    out[_numba.KIND] = kinds[fmt.kind]
    out[_numba.STATE_KIND] = _numba.CODES if fmt.quantized else kinds[fmt.moments]
    out[_numba.WRITE] = writes.index(fmt.write)
    out[_numba.ORDER] = _numba.ONE_BY_ONE if fmt.one_by_one else _numba.FUSED
    out[_numba.GRID] = fmt.moments == "8bit-bitsandbytes"
    out[_numba.FIRST] = place.get("exp_avg", place.get("exp_avg_codes", -1))
    out[_numba.SECOND] = place.get("exp_avg_sq", place.get("exp_avg_sq_codes", -1))
    out[_numba.LARGEST] = place.get("max_exp_avg_sq", -1)
    out[_numba.FIRST_SCALE] = place.get("exp_avg_scales", -1)
    out[_numba.SECOND_SCALE] = place.get("exp_avg_sq_scales", -1)
    out[_numba.EXTRA] = place.get("master", place.get("compensation", -1))
    out[_numba.SEED] = place.get("rounding_seed", -1)
    return out
