"""Four machine instructions that Numba does not offer, for reading eight bytes at a time."""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# Called with one argument less than they are defined with, which no type checker knows.
instruction: Any = intrinsic

_WORD, _WIDE = ir.IntType(64), ir.IntType(128)


@instruction
def load(typing: Any, array: Any, position: Any) -> Any:
    """Return the eight bytes from ``position`` on as uint64, the first one lowest.

    The caller answers for ``0 <= position`` and ``position + 8 <= len(array)``.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(view.data, [arguments[1]])
        word = builder.load(builder.bitcast(pointer, _WORD.as_pointer()))
        word.align = 1
        return builder.bswap(word) if sys.byteorder == "big" else word

    return types.uint64(array, types.int64), generate


@instruction
def multiply(typing: Any, a: Any, b: Any) -> Any:
    """Return the upper and the lower 64 bits of the product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = [builder.zext(one, _WIDE) for one in arguments]
        product = builder.mul(*wide)
        upper = builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _WORD)
        return context.make_tuple(
            builder, signature.return_type, [upper, builder.trunc(product, _WORD)]
        )

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate


@instruction
def trailing_zeros(typing: Any, word: Any) -> Any:
    """Return the number of zero bits below the lowest set bit; 64 for zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@instruction
def leading_zeros(typing: Any, word: Any) -> Any:
    """Return the number of zero bits above the highest set bit; 64 for zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@instruction
def as_float(typing: Any, word: Any) -> Any:
    """Return the float64 of these bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), generate
