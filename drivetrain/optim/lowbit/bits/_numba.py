# mypy: allow-untyped-defs, disable-error-code="call-arg,var-annotated"
"""Operations on the bits of one element, or of sixteen: widening, rounding, hashing, codes.

Numba widens 32-bit integers to 64 bits, which halves the vectors; what touches bits is therefore
written as intrinsics, in plain LLVM operations that every target vectorises.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from drivetrain.core.cpu import family

I8, I16, I32, F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType()
HIGH = I32(0xFFFF0000)


def _nearest_even(builder, value):
    # Half a unit less one, plus the last bit kept: ties go to even. A NaN computed from bfloat16
    # numbers has zeros in its low half, so the addition never carries it away.
    bits = builder.bitcast(value, I32)
    last = builder.and_(builder.lshr(bits, I32(16)), I32(1))
    return builder.add(builder.add(bits, I32(0x7FFF)), last)


def _quiet(builder, value, rounded):
    nan = builder.fcmp_unordered("uno", value, value)
    return builder.select(nan, builder.or_(builder.bitcast(value, I32), I32(0x400000)), rounded)


@intrinsic
def from_bfloat16(typingctx, half):
    """Return the float32 of a bfloat16 pattern."""

    def build(context, b, signature, a):
        return b.bitcast(b.shl(b.zext(a[0], I32), I32(16)), F32)

    return types.float32(types.uint16), build


@intrinsic
def to_bfloat16(typingctx, value):
    """Return the nearest bfloat16's pattern, ties to even; NaN stays NaN whatever its payload."""

    def build(context, b, signature, a):
        bits = _quiet(b, a[0], _nearest_even(b, a[0]))
        return b.trunc(b.lshr(bits, I32(16)), I16)

    return types.uint16(types.float32), build


@intrinsic
def rounded(typingctx, value):
    """Return the nearest bfloat16 as a float32, of a value computed from bfloat16 numbers."""

    def build(context, b, signature, a):
        return b.bitcast(b.and_(_nearest_even(b, a[0]), HIGH), F32)

    return types.float32(types.float32), build


@intrinsic
def from_float16(typingctx, half):
    """Return the float32 of a float16 pattern."""

    def build(context, b, signature, a):
        return b.fpext(b.bitcast(a[0], ir.HalfType()), F32)

    return types.float32(types.uint16), build


@intrinsic
def to_float16(typingctx, value):
    """Return the nearest float16's pattern, ties to even."""

    def build(context, b, signature, a):
        return b.bitcast(b.fptrunc(a[0], ir.HalfType()), I16)

    return types.uint16(types.float32), build


@intrinsic
def even(typingctx, pair):
    """Return the first of two neighbouring bfloat16 numbers."""

    def build(context, b, signature, a):
        return b.bitcast(b.shl(a[0], I32(16)), F32)

    return types.float32(types.uint32), build


@intrinsic
def odd(typingctx, pair):
    """Return the second of two neighbouring bfloat16 numbers."""

    def build(context, b, signature, a):
        return b.bitcast(b.and_(a[0], HIGH), F32)

    return types.float32(types.uint32), build


@intrinsic
def join_nearest(typingctx, first, second):
    """Return two neighbouring bfloat16 numbers, each rounded to nearest even."""

    def build(context, b, signature, a):
        low = b.lshr(_nearest_even(b, a[0]), I32(16))
        return b.or_(low, b.and_(_nearest_even(b, a[1]), HIGH))

    return types.uint32(types.float32, types.float32), build


@intrinsic
def join_stochastic(typingctx, first, second, random):
    """Return two neighbouring bfloat16 numbers, rounded by the halves of 32 random bits.

    Less than a unit is added and the rest is cut off, so an infinity stays one; and so does a
    NaN, by the zeros in its low half.
    """

    def build(context, b, signature, a):
        low = b.add(b.bitcast(a[0], I32), b.and_(a[2], I32(0xFFFF)))
        high = b.add(b.bitcast(a[1], I32), b.lshr(a[2], I32(16)))
        return b.or_(b.lshr(low, I32(16)), b.and_(high, HIGH))

    return types.uint32(types.float32, types.float32, types.uint32), build


@intrinsic
def quiet(typingctx, value):
    """Return the value, or for any NaN the one whose low half is zero."""

    def build(context, b, signature, a):
        nan = b.fcmp_unordered("uno", a[0], a[0])
        return b.select(nan, ir.Constant(F32, float("nan")), a[0])

    return types.float32(types.float32), build


@intrinsic
def scramble(typingctx, index, key, second_key):
    """Return 32 random bits for a counter: a bijection whose every output bit is unbiased."""

    def build(context, b, signature, a):
        x = b.add(b.trunc(a[0], I32), a[1])
        x = b.mul(b.xor(x, b.lshr(x, I32(16))), I32(0x7FEB352D))
        x = b.add(b.xor(x, b.lshr(x, I32(15))), a[2])
        x = b.mul(x, I32(0x846CA68B))
        return b.xor(x, b.lshr(x, I32(16)))

    return types.uint32(types.intp, types.uint32, types.uint32), build


@intrinsic
def many_registers(typingctx):
    """Return whether the processor has the 32 long registers that ``permute`` fills."""

    def build(context, b, signature, a):
        return ir.Constant(ir.IntType(1), family() == "avx512")

    return types.boolean(), build


@intrinsic
def permute(typingctx, codes, codebook, scale, out, vectors):
    """Decode 16 codes at a time, with the whole codebook in registers; addresses all.

    A table of 32 entries is one permutation; eight of them and the codes' upper bits tell the
    rest. It is three times as fast as loading each number by itself.
    """

    def build(context, b, signature, a):
        if family() != "avx512":
            return context.get_dummy_value()
        word = a[0].type
        lane, number = ir.VectorType(I32, 16), ir.VectorType(F32, 16)
        kind = ir.FunctionType(number, [number, lane, number])
        name = "llvm.x86.avx512.vpermi2var.ps.512"
        function = cgutils.get_or_insert_function(b.module, kind, name)
        source = b.inttoptr(a[0], ir.VectorType(I8, 16).as_pointer())
        book, target = (b.inttoptr(x, number.as_pointer()) for x in (a[1], a[3]))
        tables = [b.load(b.gep(book, [word(i)]), align=4) for i in range(16)]
        scales = ir.Constant(number, ir.Undefined)
        for i in range(16):
            scales = b.insert_element(scales, a[2], I32(i))
        with cgutils.for_range(b, a[4], intp=word) as loop:
            index = b.zext(b.load(b.gep(source, [loop.index]), align=1), lane)
            found = [b.call(function, [tables[2 * i], index, tables[2 * i + 1]]) for i in range(8)]
            for bit in (32, 64, 128):
                upper = b.and_(index, ir.Constant(lane, [bit] * 16))
                upper = b.icmp_unsigned("!=", upper, ir.Constant(lane, [0] * 16))
                found = [b.select(upper, y, x) for x, y in zip(found[::2], found[1::2])]
            b.store(b.fmul(found[0], scales), b.gep(target, [loop.index]), align=4)
        return context.get_dummy_value()

    return types.void(codes, codebook, scale, out, vectors), build


@intrinsic
def least(typingctx, x, y):
    """Return the smaller of two float32 numbers; the second if either is NaN."""

    def build(context, b, signature, a):
        return b.select(b.fcmp_ordered("<", a[0], a[1]), a[0], a[1])

    return types.float32(types.float32, types.float32), build


@intrinsic
def largest(typingctx, x, y):
    """Return the larger of two float32 numbers; the second if either is NaN."""

    def build(context, b, signature, a):
        return b.select(b.fcmp_ordered(">", a[0], a[1]), a[0], a[1])

    return types.float32(types.float32, types.float32), build


@intrinsic
def finite_magnitude(typingctx, value):
    """Return the bits of |value|, ordered as the magnitudes are; 0 where it is not finite."""

    def build(context, b, signature, a):
        bits = b.and_(b.bitcast(a[0], I32), I32(0x7FFFFFFF))
        return b.select(b.icmp_unsigned("<", bits, I32(0x7F800000)), bits, I32(0))

    return types.int32(types.float32), build


@intrinsic
def of_bits(typingctx, bits):
    """Return the float32 that has the given bits."""
    return types.float32(types.int32), lambda context, b, signature, a: b.bitcast(a[0], F32)


@intrinsic
def truncated(typingctx, value):
    """Return a float32 as a 32-bit integer, towards zero."""
    return types.int32(types.float32), lambda context, b, signature, a: b.fptosi(a[0], I32)


@intrinsic
def real(typingctx, value):
    """Return a 32-bit integer as a float32."""
    return types.float32(types.int32), lambda context, b, signature, a: b.sitofp(a[0], F32)


@intrinsic
def place(typingctx, number, fraction, edge):
    """Return a code's number; the last cell of a decade reaches a little into the next one."""

    def build(context, b, signature, a):
        power = b.icmp_signed("==", b.and_(a[0], b.sub(a[0], I32(1))), I32(0))
        early = b.and_(power, b.fcmp_ordered("<=", a[1], a[2]))
        return b.select(early, b.sub(a[0], I32(1)), a[0])

    return types.int32(types.int32, types.float32, types.float32), build


@intrinsic
def signed_code(typingctx, number, value):
    """Return 127 + number for a positive value, 127 - number >= 0 for a negative one."""

    def build(context, b, signature, a):
        below = b.sub(I32(127), a[0])
        below = b.select(b.icmp_signed("<", below, I32(0)), I32(0), below)
        negative = b.icmp_signed("<", b.bitcast(a[1], I32), I32(0))
        return b.trunc(b.select(negative, below, b.add(I32(127), a[0])), I8)

    return types.uint8(types.int32, types.float32), build


@intrinsic
def unsigned_code(typingctx, number):
    """Return number - 1 as a byte."""

    def build(context, b, signature, a):
        return b.trunc(b.sub(a[0], I32(1)), I8)

    return types.uint8(types.int32), build
