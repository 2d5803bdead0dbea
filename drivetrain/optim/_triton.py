"""Adam and AdamW on a GPU: one launch over a table of addresses, however many tensors there are.

Checked by Triton's interpreter on the CPU and compiled ahead of time for sm_90; no figure of
speed is claimed, for it has not been timed on a GPU.

The tables are those of the CPU kernels, on the GPU: ``rows`` of addresses, ``chunks`` of rows,
``cases`` of constants. A step is one launch, or two with clipping by global norm or a finite
check: ``gradient_norm`` reads g once and leaves its answer on the device, and ``adam_step``
reads the factor and the verdict there, so nothing waits for the host.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

# Elements a program has at most, and at a time.
CHUNK = 16384
_BLOCK = 1024
_DTYPES = {
    torch.float32: tl.float32,
    torch.bfloat16: tl.bfloat16,
    torch.float16: tl.float16,
}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where a row of addresses holds what; -1 for what there is not.

    Attributes:
        p: The parameter, or its fp32 master copy if ``copy`` is there.
        g: The gradient.
        m: First moment.
        v: Second moment.
        vmax: AMSGrad's running maximum of v.
        copy: The 16-bit parameter that is written from the master copy.
    """

    p: int = 0
    g: int = 1
    m: int = 3
    v: int = 4
    vmax: int = -1
    copy: int = -1


@triton.jit
def _round_stochastically(x: tl.tensor, key: tl.tensor, i: tl.tensor) -> tl.tensor:
    """bf16 below or above x, the nearer the likelier: 16 random bits are added, then cut off."""
    bits = x.to(tl.uint32, bitcast=True)
    noise = tl.randint(key, i).to(tl.uint32) & 0xFFFF
    rounded = (((bits + noise) >> 16) << 16).to(tl.float32, bitcast=True)
    # Adding bits to infinity makes NaN, and to some NaN infinity: those are left as they are.
    return tl.where(tl.abs(x) < float("inf"), rounded, x).to(tl.bfloat16)


@triton.jit
def _elements(
    p: tl.tensor,
    g: tl.tensor,
    m: tl.tensor,
    v: tl.tensor,
    vmax: tl.tensor,
    copy: tl.tensor,
    i: tl.tensor,
    mask: tl.tensor,
    factor: tl.tensor,
    shrink: tl.tensor,
    l2: tl.tensor,
    lerp: tl.tensor,
    beta2: tl.tensor,
    rest2: tl.tensor,
    eps: tl.tensor,
    step_size: tl.tensor,
    root: tl.tensor,
    key: tl.tensor,
    P: tl.constexpr,
    M: tl.constexpr,
    C: tl.constexpr,
    AMSGRAD: tl.constexpr,
    COPY: tl.constexpr,
    STOCHASTIC: tl.constexpr,
) -> None:
    theta = tl.load(p + i, mask=mask).to(tl.float32)
    gi = tl.load(g + i, mask=mask).to(tl.float32) * factor
    gi = tl.where(l2 != 0, gi + l2 * theta, gi)
    mi = tl.load(m + i, mask=mask).to(tl.float32)
    # torch's lerp starts from the nearer end, which keeps beta1 = 0 exact.
    mi = tl.where(lerp < 0.5, mi + lerp * (gi - mi), gi + (lerp - 1) * (gi - mi))
    vi = tl.load(v + i, mask=mask).to(tl.float32)
    vi = vi * beta2 + rest2 * gi * gi
    tl.store(m + i, mi.to(M), mask=mask)
    tl.store(v + i, vi.to(M), mask=mask)
    if AMSGRAD:
        old = tl.load(vmax + i, mask=mask).to(tl.float32)
        # A NaN must win, as in torch.maximum.
        vi = tl.where((old > vi) | (old != old), old, vi)
        tl.store(vmax + i, vi.to(M), mask=mask)
    denominator = tl.div_rn(tl.sqrt_rn(vi), root) + eps
    theta = theta * shrink - tl.div_rn(step_size * mi, denominator)
    if STOCHASTIC:
        tl.store(p + i, _round_stochastically(theta, key, i), mask=mask)
    else:
        tl.store(p + i, theta.to(P), mask=mask)
    if COPY:
        tl.store(copy + i, theta.to(C), mask=mask)


@triton.jit(do_not_specialize=["seed"])
def adam_kernel(
    chunks: tl.tensor,
    rows: tl.tensor,
    case_of: tl.tensor,
    cases: tl.tensor,
    control: tl.tensor,
    seed: tl.tensor,
    P: tl.constexpr,
    G: tl.constexpr,
    M: tl.constexpr,
    C: tl.constexpr,
    P_COLUMN: tl.constexpr,
    G_COLUMN: tl.constexpr,
    M_COLUMN: tl.constexpr,
    V_COLUMN: tl.constexpr,
    VMAX_COLUMN: tl.constexpr,
    COPY_COLUMN: tl.constexpr,
    STOCHASTIC: tl.constexpr,
    ALIGNED: tl.constexpr,
    ROW: tl.constexpr,
    CASE: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Update the elements of one chunk; one program a chunk."""
    chunk = tl.program_id(0)
    entry = tl.load(chunks + chunk * 3)
    start = tl.load(chunks + chunk * 3 + 1)
    row = rows + entry * ROW
    AMSGRAD: tl.constexpr = VMAX_COLUMN >= 0
    COPY: tl.constexpr = COPY_COLUMN >= 0
    p = tl.load(row + P_COLUMN).to(tl.pointer_type(P)) + start
    g = tl.load(row + G_COLUMN).to(tl.pointer_type(G)) + start
    m = tl.load(row + M_COLUMN).to(tl.pointer_type(M)) + start
    v = tl.load(row + V_COLUMN).to(tl.pointer_type(M)) + start
    vmax = v
    copy = p.to(tl.pointer_type(C))
    if AMSGRAD:
        vmax = tl.load(row + VMAX_COLUMN).to(tl.pointer_type(M)) + start
    if COPY:
        copy = tl.load(row + COPY_COLUMN).to(tl.pointer_type(C)) + start
    if ALIGNED:
        # Addresses out of a table are unknown to the compiler: this is what allows wide loads.
        p = tl.multiple_of(p, 16)
        g = tl.multiple_of(g, 16)
        m = tl.multiple_of(m, 16)
        v = tl.multiple_of(v, 16)
        vmax = tl.multiple_of(vmax, 16)
        copy = tl.multiple_of(copy, 16)
    # A step that is skipped touches nothing: every chunk is empty.
    length = tl.where(tl.load(control + 1) != 0, 0, tl.load(chunks + chunk * 3 + 2)).to(tl.int32)
    case = cases + tl.load(case_of + entry) * CASE
    factor = tl.load(case) * tl.load(control)
    shrink = tl.load(case + 1)
    l2 = tl.load(case + 2)
    lerp = tl.load(case + 3)
    beta2 = tl.load(case + 4)
    rest2 = tl.load(case + 5)
    eps = tl.load(case + 6)
    step_size = tl.load(case + 7)
    root = tl.load(case + 8)
    # The chunk is half of the random stream's key, so the counter never outgrows 32 bits.
    key = seed.to(tl.int64) ^ (chunk.to(tl.int64) << 32)
    lanes = tl.arange(0, BLOCK)
    for begin in range(0, CHUNK, BLOCK):
        i = begin + lanes
        # Only whole blocks can be read and written in wide words.
        if begin + BLOCK <= length:
            _elements(
                p, g, m, v, vmax, copy, i, None,
                factor, shrink, l2, lerp, beta2, rest2, eps, step_size, root, key,
                P, M, C, AMSGRAD, COPY, STOCHASTIC,
            )  # fmt: skip
        elif begin < length:
            _elements(
                p, g, m, v, vmax, copy, i, i < length,
                factor, shrink, l2, lerp, beta2, rest2, eps, step_size, root, key,
                P, M, C, AMSGRAD, COPY, STOCHASTIC,
            )  # fmt: skip


@triton.jit
def norm_kernel(
    chunks: tl.tensor,
    rows: tl.tensor,
    squares: tl.tensor,
    spoiled: tl.tensor,
    G: tl.constexpr,
    G_COLUMN: tl.constexpr,
    ROW: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Sum g² of one chunk, and tell whether an element is not finite."""
    chunk = tl.program_id(0)
    row = rows + tl.load(chunks + chunk * 3) * ROW
    g = tl.load(row + G_COLUMN).to(tl.pointer_type(G)) + tl.load(chunks + chunk * 3 + 1)
    length = tl.load(chunks + chunk * 3 + 2).to(tl.int32)
    lanes = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    bad = tl.zeros((BLOCK,), tl.int32)
    for begin in range(0, CHUNK, BLOCK):
        i = begin + lanes
        x = tl.load(g + i, mask=i < length, other=0.0).to(tl.float32)
        total += x * x
        bad |= (tl.abs(x) < float("inf")).to(tl.int32) ^ 1
    tl.store(squares + chunk, tl.sum(total, 0))
    tl.store(spoiled + chunk, tl.max(bad, 0))


def is_interpreted() -> bool:
    """Tell whether the kernels are run by Triton's interpreter, which takes tensors on the CPU."""
    return not isinstance(adam_kernel, triton.JITFunction)


def gradient_norm(
    chunks: torch.Tensor, rows: torch.Tensor, *, dtype: torch.dtype, column: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the 2-norm of all gradients and whether one is not finite, both on the device.

    Args:
        chunks: int64, (chunks, 3): row, first element, how many (<= ``CHUNK``).
        rows: int64, (rows, columns): addresses.
        dtype: Of the gradients.
        column: Of ``rows``, where their addresses are.

    Returns:
        Two 0-d tensors, float64 and bool.
    """
    count = len(chunks)
    squares = torch.empty(count, dtype=torch.float32, device=chunks.device)
    spoiled = torch.empty(count, dtype=torch.int32, device=chunks.device)
    if count:
        norm_kernel[(count,)](
            chunks,
            rows,
            squares,
            spoiled,
            G=_DTYPES[dtype],
            G_COLUMN=column,
            ROW=rows.shape[1],
            CHUNK=CHUNK,
            BLOCK=_BLOCK,
        )
    return squares.sum(dtype=torch.float64).sqrt(), spoiled.any()


def adam_step(
    tables: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
    control: torch.Tensor,
    *,
    dtypes: tuple[torch.dtype, torch.dtype, torch.dtype, torch.dtype],
    columns: Columns,
    stochastic: bool = False,
    aligned: bool = False,
    seed: int = 0,
) -> None:
    """Update every parameter of the tables in one launch.

    Args:
        tables: On the GPU: ``chunks`` (int64, (chunks, 3): row, first element, how many,
            at most ``CHUNK``),
            ``rows`` (int64: addresses), ``case_of`` (int64: a row's case) and ``cases``
            (float32: factor of the gradient, −1 to maximize; factor of the parameter, 1 − ηλ;
            λ of L2 or 0; 1 − β1; β2; 1 − β2; ε; η/(1 − β1^t); √(1 − β2^t); more is not read).
        control: float32, (2,), on the GPU: a factor of all gradients (1/scale times the clip
            factor), and not 0 if the step is to be skipped.
        dtypes: Of p, of g, of the moments, and of the copy.
        columns: Of ``rows``.
        stochastic: Round bf16 parameters stochastically; the moments are rounded to nearest.
        aligned: Every address of ``rows``, and every chunk's first, is a multiple of 16 bytes.
        seed: Of the rounding, 32 bits; another one each step.
    """
    chunks, rows, case_of, cases = tables
    if not len(chunks):
        return
    p, g, m, copy = (_DTYPES[dtype] for dtype in dtypes)
    adam_kernel[(len(chunks),)](
        chunks,
        rows,
        case_of,
        cases,
        control,
        seed,
        P=p,
        G=g,
        M=m,
        C=copy,
        P_COLUMN=columns.p,
        G_COLUMN=columns.g,
        M_COLUMN=columns.m,
        V_COLUMN=columns.v,
        VMAX_COLUMN=columns.vmax,
        COPY_COLUMN=columns.copy,
        STOCHASTIC=stochastic,
        ALIGNED=aligned,
        ROW=rows.shape[1],
        CASE=cases.shape[1],
        CHUNK=CHUNK,
        BLOCK=_BLOCK,
    )
