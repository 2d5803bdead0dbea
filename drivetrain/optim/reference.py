"""Adam and AdamW as their papers write them: the oracle of every fast path.

Symbols: θ parameters, g gradient, m and v the moments, t the step (from 1), α the learning rate,
β1 and β2 the decay rates of the moments, ε the term that keeps the quotient finite, λ the weight
decay, η the schedule's multiplier. Arrays of any kind do: numpy's or torch's, best in float64.
"""

from typing import Any, NamedTuple

Array = Any


class State(NamedTuple):
    """What Adam remembers of a parameter: t, m, v, and with AMSGrad the largest v so far."""

    t: int
    m: Array
    v: Array
    v_max: Array | None = None


def adamw_step(
    θ: Array,
    g: Array,
    state: State,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    **options: Any,
) -> tuple[Array, State]:
    r"""Return the parameters and the state after one step of AdamW, or of Adam with L2.

    .. math:: θ_t = θ_{t-1} - η\,(α\, \hat m_t / (\sqrt{\hat v_t} + ε) + λ\, θ_{t-1})

    Args:
        θ: Parameters, any shape.
        g: Gradient of the loss, of the same shape.
        state: ``State(0, 0 * θ, 0 * θ)`` before the first step; a third array turns AMSGrad on.
        lr: α times the schedule's multiplier; >= 0.
        betas: β1 and β2, in [0, 1).
        eps: ε, added outside the root.
        options: ``weight_decay`` λ (0.01), ``decoupled`` (True: AdamW; False: L2, in the
            gradient), ``maximize`` (False), ``decay`` (``"lr"``: the decay is lr·λ, as torch has
            it; ``"schedule"``: η·λ, as the paper has it) and ``initial_lr``, the α of η = lr/α.

    Returns:
        θ and the state after the step, new arrays both.

    Example:
        >>> import numpy as np
        >>> θ, g = np.array([1.0]), np.array([0.5])
        >>> θ, state = adamw_step(θ, g, State(0, 0 * θ, 0 * θ), lr=0.1, weight_decay=0.1)
        >>> print(θ.round(6), state.t)
        [0.89] 1

    References:
        Kingma and Ba, Adam (2015), algorithm 1. Loshchilov and Hutter, Decoupled Weight Decay
        Regularization (2019), algorithm 2. Reddi, Kale and Kumar, On the Convergence of Adam and
        Beyond (2018), algorithm 2.
    """
    λ, decoupled, maximize, ηλ = _weight_decay(lr, **options)
    (β1, β2), (t, m, v, v_max) = betas, state
    t = t + 1
    g = -g if maximize else g
    g = g if decoupled else g + λ * θ
    θ = θ - ηλ * θ if decoupled else θ
    m = β1 * m + (1 - β1) * g
    v = β2 * v + (1 - β2) * g * g
    v_max = None if v_max is None else v_max.clip(v)
    v_hat = (v if v_max is None else v_max) / (1 - β2**t)
    m_hat = m / (1 - β1**t)
    θ = θ - lr * m_hat / (v_hat**0.5 + eps)
    return θ, State(t, m, v, v_max)


def _weight_decay(
    lr: float,
    *,
    weight_decay: float = 1e-2,
    decoupled: bool = True,
    maximize: bool = False,
    decay: str = "lr",
    initial_lr: float | None = None,
) -> tuple[float, bool, bool, float]:
    # The paper's η is the schedule alone, so λ stays in its own units however small α is.
    η = lr / (initial_lr or lr) if lr else 0.0
    return weight_decay, decoupled, maximize, weight_decay * (lr if decay == "lr" else η)
