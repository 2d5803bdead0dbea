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
# What c_interface() returns: an offset, addresses of functions, torch's and Python's, and
# where the C++ objects keep four words.
(
    ABI_OFFSET,
    ABI_LAYOUT,
    ABI_DTYPE,
    ABI_DIM,
    ABI_NUMEL,
    ABI_STRIDES,
    ABI_DATA_PTR,
    ABI_DEVICE,
    LIST_SIZE,
    LIST_ITEM,
    DICT_NEXT,
    DICT_ITEM,
    WORD_STORAGE,
    WORD_OFFSET,
    WORD_NUMEL,
    WORD_DATA,
) = range(16)
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
def call(typingctx, function, arguments):
    """Call a C function, given by its address, with words; return a word."""

    def build(context, builder, signature, given):
        word = given[0].type
        words = [builder.extract_value(given[1], i) for i in range(len(signature.args[1]))]
        kind = ir.FunctionType(word, [word] * len(words))
        return builder.call(builder.inttoptr(given[0], kind.as_pointer()), words)

    return types.intp(types.intp, arguments), build


@intrinsic
def prefetch(typingctx, address):
    """Ask for the cache line at an address, which need not be one of ours: nothing is read."""

    def build(context, builder, signature, arguments):
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [builder.inttoptr(arguments[0], byte), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(types.intp), build


@njit(cache=True)
def ask(abi, question, tensor, answer):
    """Return torch's answer on the tensor whose handle lies at an address; -1 if it has none."""
    answer[0] = 0
    failed = call(abi[question], (tensor, answer.ctypes.data)) & 0xFFFFFFFF
    return -1 if failed else answer[0]


@njit(cache=True)
def fingerprint(abi, tensor, answer):
    """Return one number for a tensor's layout, device, dtype, shape and strides; -1 if odd."""
    if ask(abi, ABI_LAYOUT, tensor, answer) != 0:
        return -1  # not strided: it has neither strides nor one address
    dim = ask(abi, ABI_DIM, tensor, answer)
    mix = dim * 1000003 + ask(abi, ABI_DTYPE, tensor, answer)
    mix = mix * 1000003 + ask(abi, ABI_NUMEL, tensor, answer)
    if abi[ABI_DEVICE] != 0:
        mix = mix * 1000003 + ask(abi, ABI_DEVICE, tensor, answer)
    if dim > 0:
        strides = carray(pointer(ask(abi, ABI_STRIDES, tensor, answer), np.int64), dim)
        for axis in range(dim):
            mix = mix * 1000003 + strides[axis]
    return mix


@njit(cache=True)
def word(address, offset):
    """Return the word at an address."""
    return carray(pointer(address + offset, np.int64), 1)[0]


@njit(cache=True)
def whereabouts(abi, tensor, storage):
    """Return one number for a tensor's storage, offset and size, and where its storage lies.

    Nothing is read of a storage other than the one it is known to have.
    """
    mix = word(tensor, abi[WORD_STORAGE]) - storage
    if mix != 0:
        return -1, 0
    mix = word(tensor, abi[WORD_OFFSET]) * 1000003 + word(tensor, abi[WORD_NUMEL])
    return mix, word(storage, abi[WORD_DATA])


@njit(cache=True)
def sign(abi, handles, storages, rows, prints, bases):
    """Write what ``refresh`` compares; tell whether all tensors lie where ``rows`` says.

    ``handles`` holds the addresses of the C++ tensors, 0 where a row has none, and ``storages``
    those of their storages.
    """
    answer = np.zeros(1, np.int64)
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            if handles[row, column] != 0:
                tensor = handles[row].ctypes.data + 8 * column
                if column < STEP:
                    prints[row, column] = fingerprint(abi, tensor, answer)
                else:
                    found = whereabouts(abi, handles[row, column], storages[row, column])
                    prints[row, column], bases[row, column] = found
                if ask(abi, ABI_DATA_PTR, tensor, answer) != rows[row, column]:
                    return False
    return True


@njit(cache=True)
def same_list(abi, listed, expected):
    """Tell whether a Python list holds exactly the expected objects, and prefetch those."""
    if call(abi[LIST_SIZE], (listed,)) != len(expected):
        return False
    for i in range(len(expected)):
        if call(abi[LIST_ITEM], (listed, i)) != expected[i]:
            return False
        prefetch(expected[i])
    return True


@njit(cache=True)
def same_dict(abi, mapping, expected):
    """Tell whether a Python dict holds exactly the expected keys and values, in their order."""
    position, pair = np.zeros(1, np.int64), np.zeros(2, np.int64)
    places = (mapping, position.ctypes.data, pair.ctypes.data, pair.ctypes.data + 8)
    for i in range(len(expected)):
        if call(abi[DICT_NEXT], places) & 0xFFFFFFFF == 0:
            return False
        if pair[0] != expected[i, 0] or pair[1] != expected[i, 1]:
            return False
        prefetch(pair[1])
    return call(abi[DICT_NEXT], places) & 0xFFFFFFFF == 0


@njit(cache=True)
def same_items(abi, dicts, keys, values):
    """Tell whether each row's dict holds its values under its keys; 0 stands for no key."""
    for row in range(len(dicts)):
        for column in range(keys.shape[1]):
            key = keys[row, column]
            if key != 0 and call(abi[DICT_ITEM], (dicts[row], key)) != values[row, column]:
                return False
    return True


@njit(cache=True)
def same_params(abi, owners, handles):
    """Tell whether each row's Python parameter has its C++ tensor yet, which may be swapped.

    It asks for the cache lines of those tensors, which Python's getter is about to read.
    """
    for row in range(len(handles)):
        if word(owners[row], abi[ABI_OFFSET]) != handles[row, PARAM]:
            return False
        for line in range(0, 256, 64):
            prefetch(handles[row, PARAM] + line)
    return True


@njit(cache=True)
def _prefetch_row(abi, handles, storages, gradient):
    """Ask for the cache lines that ``refresh`` will read of a row's tensors."""
    tensor = word(gradient, abi[ABI_OFFSET])
    for line in range(0, 256, 64):
        prefetch(tensor + line)
    prefetch(storages[PARAM] + abi[WORD_DATA])
    prefetch(storages[GRAD] + abi[WORD_DATA])
    for column in range(STEP, len(handles)):
        prefetch(handles[column] + abi[WORD_STORAGE])
        prefetch(handles[column] + abi[WORD_OFFSET])
        prefetch(storages[column] + abi[WORD_DATA])


@njit(cache=True)
def _state_lies(abi, handles, storages, prints, bases):
    """Tell whether the state tensors of a row lie where they lay."""
    for column in range(STEP, len(handles)):
        if handles[column] != 0:
            mix, base = whereabouts(abi, handles[column], storages[column])
            if mix != prints[column] or base != bases[column]:
                return False
    return True


@njit(cache=True)
def refresh(abi, handles, storages, prints, bases, grads, places, rows):
    """Write where this step's gradients lie; tell whether all else is as it was.

    Args:
        abi: What ``c_interface`` returns.
        handles: Addresses of the C++ tensors of each row.
        storages: Of their storages.
        prints: What ``sign`` wrote when the rows were made.
        bases: Likewise.
        grads: Address of the pointers to the gradients of all parameters.
        places: Which of those is each row's.
        rows: The addresses; the gradients' are rewritten.
    """
    answer, ahead = np.zeros(1, np.int64), 8
    g = carray(pointer(grads, np.int64), places.max() + 1)
    for row in range(rows.shape[0]):
        soon = row + ahead
        if soon < rows.shape[0]:
            _prefetch_row(abi, handles[soon], storages[soon], g[places[soon]])
        if not _state_lies(abi, handles[row], storages[row], prints[row], bases[row]):
            return False
        tensor = handles[row].ctypes.data + 8 * PARAM
        if fingerprint(abi, tensor, answer) != prints[row, PARAM]:
            return False
        if ask(abi, ABI_DATA_PTR, tensor, answer) != rows[row, PARAM]:
            return False
        tensor = g[places[row]] + abi[ABI_OFFSET]
        if fingerprint(abi, tensor, answer) != prints[row, GRAD]:
            return False
        rows[row, GRAD] = ask(abi, ABI_DATA_PTR, tensor, answer)
        if rows[row, GRAD] == 0 and rows[row, PARAM] != 0:
            return False  # freed or fake: only what is empty lies nowhere
    return True


@njit(cache=True)
def same_presence(grads, none, has_grad):
    """Tell whether the parameters that have a gradient are those that had one."""
    g = carray(pointer(grads, np.int64), len(has_grad))
    return ((g != none) == has_grad).all()


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
