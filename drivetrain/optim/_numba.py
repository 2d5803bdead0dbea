# mypy: allow-untyped-defs, disable-error-code="call-arg"
"""CPU kernels: one launch steps every tensor, over a table of addresses.

All are raw-pointer kernels behind the checks of ``table.py``. The arithmetic of an element is
torch's, operation by operation: products and sums are fused exactly where torch fuses them, and
every division divides, so nothing here is compiled with fast-math but the norm.
"""

import math

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# Columns of an address row; the state's columns follow.
PARAM, GRAD, STEP, STATE = 0, 1, 2, 3
# What c_interface() returns: an offset, then addresses of functions.
(
    ABI_OFFSET,
    ABI_LAYOUT,
    ABI_DTYPE,
    ABI_DIM,
    ABI_NUMEL,
    ABI_STRIDES,
    ABI_DATA_PTR,
    ABI_DEVICE,
) = range(8)
# Columns of a group's hyperparameters.
LR, BETA1, BETA2, EPS, L2, SHRINK, FACTOR = range(7)
# Columns of a case: what one launch does to all rows of one group that are at one step.
(
    CASE_FACTOR,
    CASE_SHRINK,
    CASE_L2,
    CASE_LERP,
    CASE_BETA2,
    CASE_REST2,
    CASE_EPS,
    CASE_STEP_SIZE,
    CASE_ROOT,
    CASE_STEP,
    CASE_LR,
    CASES,
) = range(12)


@intrinsic
def pointer(typingctx, address, kind):
    """Return an integer address as a pointer to numbers of the given kind, such as np.float32."""
    element = kind.dtype
    signature = types.CPointer(element)(types.intp, kind)

    def build(context, builder, signature, arguments):
        target = context.get_data_type(element).as_pointer()
        return builder.inttoptr(arguments[0], target)

    return signature, build


@intrinsic
def fmuladd(typingctx, a, b, c):
    """Return a * b + c, rounded once where the processor has the instruction."""

    def build(context, builder, signature, arguments):
        kind = arguments[0].type
        name = "llvm.fmuladd.f32" if isinstance(kind, ir.FloatType) else "llvm.fmuladd.f64"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind] * 3), name
        )
        return builder.call(function, arguments)

    return a(a, a, a), build


@intrinsic
def ask(typingctx, function, tensor, answer):
    """Call ``int32 function(tensor, answer)``, all three given as addresses."""

    def build(context, builder, signature, arguments):
        word = arguments[0].type
        kind = ir.FunctionType(ir.IntType(32), [word, word])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int32(types.intp, types.intp, types.intp), build


@njit(cache=True)
def fingerprint(abi, tensor, answer):
    """Return one number for a tensor's layout, device, dtype, shape and strides; -1 if odd."""
    out = answer.ctypes.data
    answer[0] = 0
    if ask(abi[ABI_LAYOUT], tensor, out) != 0 or answer[0] != 0:
        return -1  # not strided: it has neither strides nor one address
    mix = 0
    for question in (ABI_DTYPE, ABI_DIM, ABI_NUMEL, ABI_DEVICE):
        if abi[question] != 0:
            answer[0] = 0
            if ask(abi[question], tensor, out) != 0:
                return -1
            mix = mix * 1000003 + answer[0]
            if question == ABI_DIM:
                dim = answer[0]
    if ask(abi[ABI_STRIDES], tensor, out) != 0:
        return -1
    if dim > 0:
        strides = carray(pointer(answer[0], np.int64), dim)
        for axis in range(dim):
            mix = mix * 1000003 + strides[axis]
    return mix


@njit(cache=True)
def data_pointer(abi, tensor, answer):
    """Return where a strided tensor's first element lies."""
    answer[0] = 0
    ask(abi[ABI_DATA_PTR], tensor, answer.ctypes.data)
    return answer[0]


@njit(cache=True)
def numel(abi, tensor, answer):
    """Return the number of a tensor's elements."""
    answer[0] = 0
    ask(abi[ABI_NUMEL], tensor, answer.ctypes.data)
    return answer[0]


@njit(cache=True)
def sign(abi, objects, rows, prints):
    """Write the fingerprints of each row's tensors; tell whether all lie where ``rows`` says."""
    answer = np.zeros(1, np.int64)
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            if rows[row, column] >= 0:
                tensor = objects[row, column] + abi[ABI_OFFSET]
                if column < STEP:
                    prints[row, column] = fingerprint(abi, tensor, answer)
                else:
                    prints[row, column] = numel(abi, tensor, answer)
                if data_pointer(abi, tensor, answer) != rows[row, column]:
                    return False
    return True


@njit(cache=True)
def same_objects(ours, theirs, n):
    """Tell whether two arrays of n object pointers, given by address, are equal."""
    a, b = carray(pointer(ours, np.int64), n), carray(pointer(theirs, np.int64), n)
    return (a == b).all()


@njit(cache=True)
def refresh(abi, grads, none, has_grad, states, slots, prints, params, rows):
    """Write where this step's gradients lie; tell whether all else is as it was.

    Args:
        abi: What ``c_interface`` returns.
        grads: Address of the pointers to the gradients of all parameters.
        none: Address of ``None``.
        has_grad: Which of them are not None.
        states: Address of the pointers to all state tensors, one after the other.
        slots: For each entry of ``rows``, which object it is of; negative where there is none.
        prints: Fingerprints of when the rows were made.
        params: Address of the pointers to all parameters.
        rows: The addresses; the gradients' are rewritten.
    """
    answer = np.zeros(1, np.int64)
    p = carray(pointer(params, np.int64), len(has_grad))
    g = carray(pointer(grads, np.int64), len(has_grad))
    for i in range(len(has_grad)):
        if (g[i] != none) != has_grad[i]:
            return False
    for row in range(rows.shape[0]):
        tensor = p[slots[row, PARAM]] + abi[ABI_OFFSET]
        if fingerprint(abi, tensor, answer) != prints[row, PARAM]:
            return False
        if data_pointer(abi, tensor, answer) != rows[row, PARAM]:
            return False
        tensor = g[slots[row, GRAD]] + abi[ABI_OFFSET]
        if fingerprint(abi, tensor, answer) != prints[row, GRAD]:
            return False
        rows[row, GRAD] = data_pointer(abi, tensor, answer)
        for column in range(STEP, rows.shape[1]):
            if slots[row, column] >= 0:
                s = carray(pointer(states, np.int64), slots[row, column] + 1)
                tensor = s[slots[row, column]] + abi[ABI_OFFSET]
                # The address and the size are enough: no other dtype fits both.
                if numel(abi, tensor, answer) != prints[row, column]:
                    return False
                if data_pointer(abi, tensor, answer) != rows[row, column]:
                    return False
    return True


@njit(cache=True, error_model="numpy")
def prepare(rows, group_of, hyper, case_of, cases):
    """Advance every row's step by one; list the cases met and which row is of which."""
    count, last_group, last_step = 0, -1, -1.0
    for row in range(len(rows)):
        step = carray(pointer(rows[row, STEP], np.float32), 1)
        step[0] += np.float32(1)
        t, group = float(step[0]), group_of[row]
        if group != last_group or t != last_step:
            h, case = hyper[group], cases[count]
            count += 1
            case[CASE_FACTOR] = h[FACTOR]
            case[CASE_SHRINK] = h[SHRINK]
            case[CASE_L2] = h[L2]
            case[CASE_LERP] = 1 - h[BETA1]
            case[CASE_BETA2] = h[BETA2]
            case[CASE_REST2] = 1 - h[BETA2]
            case[CASE_EPS] = h[EPS]
            case[CASE_STEP_SIZE] = h[LR] / (1 - h[BETA1] ** t)
            case[CASE_ROOT] = math.sqrt(1 - h[BETA2] ** t)
            case[CASE_STEP] = t
            case[CASE_LR] = h[LR]
            last_group, last_step = group, t
        case_of[row] = count - 1
    return count


@njit(cache=True, error_model="numpy")
def constants(kind, case):
    """Return a case in the precision of the elements, in registers: memory might be aliased."""
    return (
        kind(case[CASE_FACTOR]),
        kind(case[CASE_SHRINK]),
        kind(case[CASE_L2]),
        kind(case[CASE_LERP]),
        kind(case[CASE_BETA2]),
        kind(case[CASE_REST2]),
        kind(case[CASE_EPS]),
        kind(-case[CASE_STEP_SIZE]),
        kind(case[CASE_ROOT]),
    )


@njit(cache=True, error_model="numpy")
def moments(kind, constants, g, p, m, v):
    """Return the moments after a step, of one element. Where β1 <= 1/2, torch lerps from g."""
    factor, _, l2, lerp, beta2, rest2, _, _, _ = constants
    g = g * factor
    g = fmuladd(l2, p, g) if l2 != 0 else g
    if lerp < kind(0.5):
        m = fmuladd(lerp, g - m, m)
    else:
        m = fmuladd(lerp - kind(1), g - m, g)
    return m, fmuladd(rest2 * g, g, v * beta2)


@njit(cache=True, error_model="numpy")
def descend(constants, p, m, v):
    """Return the parameter after a step, of one element, from its moments."""
    _, shrink, _, _, _, _, eps, minus_step_size, root = constants
    return p * shrink + (minus_step_size * m) / (np.sqrt(v) / root + eps)


@njit(error_model="numpy")
def _adam(kind, size, chunks, rows, case_of, cases, low, high):
    for c in range(low, high):
        row, start, n = chunks[c, 0], chunks[c, 1] * size, chunks[c, 2]
        k = constants(kind, cases[case_of[row]])
        p = carray(pointer(rows[row, PARAM] + start, kind), n)
        g = carray(pointer(rows[row, GRAD] + start, kind), n)
        m = carray(pointer(rows[row, STATE] + start, kind), n)
        v = carray(pointer(rows[row, STATE + 1] + start, kind), n)
        for i in range(n):
            mi, vi = moments(kind, k, g[i], p[i], m[i], v[i])
            p[i] = descend(k, p[i], mi, vi)
            m[i] = mi
            v[i] = vi


@njit(error_model="numpy")
def _amsgrad(kind, size, chunks, rows, case_of, cases, low, high):
    for c in range(low, high):
        row, start, n = chunks[c, 0], chunks[c, 1] * size, chunks[c, 2]
        k = constants(kind, cases[case_of[row]])
        p = carray(pointer(rows[row, PARAM] + start, kind), n)
        g = carray(pointer(rows[row, GRAD] + start, kind), n)
        m = carray(pointer(rows[row, STATE] + start, kind), n)
        v = carray(pointer(rows[row, STATE + 1] + start, kind), n)
        v_max = carray(pointer(rows[row, STATE + 2] + start, kind), n)
        for i in range(n):
            mi, vi = moments(kind, k, g[i], p[i], m[i], v[i])
            # Written so that a NaN on either side stays, as torch.maximum has it.
            top = v_max[i] if v_max[i] > vi or v_max[i] != v_max[i] else vi
            p[i] = descend(k, p[i], mi, top)
            m[i] = mi
            v[i] = vi
            v_max[i] = top


@njit(cache=True, nogil=True, error_model="numpy")
def adam_float32(chunks, rows, case_of, cases, low, high):
    """Step chunks low..high of float32 parameters; state columns exp_avg, exp_avg_sq."""
    _adam(np.float32, 4, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def adam_float64(chunks, rows, case_of, cases, low, high):
    """Step chunks low..high of float64 parameters; state columns exp_avg, exp_avg_sq."""
    _adam(np.float64, 8, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def amsgrad_float32(chunks, rows, case_of, cases, low, high):
    """Step chunks low..high of float32 parameters; a third state column, max_exp_avg_sq."""
    _amsgrad(np.float32, 4, chunks, rows, case_of, cases, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def amsgrad_float64(chunks, rows, case_of, cases, low, high):
    """Step chunks low..high of float64 parameters; a third state column, max_exp_avg_sq."""
    _amsgrad(np.float64, 8, chunks, rows, case_of, cases, low, high)


@njit(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _sum_of_squares(array):
    # In float64 the square of no float32 overflows, so the sum is finite where all terms are:
    # reassociation keeps NaN and infinity, unlike the flags that assume there are none.
    total = 0.0
    for i in range(len(array)):
        x = np.float64(array[i])
        total += x * x
    return total


@njit(error_model="numpy")
def _squares(kind, size, chunks, rows, out, low, high):
    for c in range(low, high):
        address = rows[chunks[c, 0], GRAD] + chunks[c, 1] * size
        out[c] = _sum_of_squares(carray(pointer(address, kind), chunks[c, 2]))


@njit(cache=True, nogil=True, error_model="numpy")
def squares_float32(chunks, rows, out, low, high):
    """Write the sum of squares of each float32 gradient chunk low..high."""
    _squares(np.float32, 4, chunks, rows, out, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def squares_float64(chunks, rows, out, low, high):
    """Write the sum of squares of each float64 gradient chunk low..high."""
    _squares(np.float64, 8, chunks, rows, out, low, high)
