"""The neighbours' equations in their papers' symbols, float64; the oracle of every fast path.

θ parameters, g gradient, b momentum buffer, m and v moments, η or γ the learning rate, λ the
weight decay, t = 1, 2, ... the step. Nothing is changed in place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def objective_gradient(
    theta: Array, g: Array, *, weight_decay: float = 0.0, maximize: bool = False
) -> Array:
    """Return the gradient of what is minimised: ``±g + λθ`` (L2 decay, after the sign).

    Args:
        theta: Parameters.
        g: Gradient of the loss, or of the reward to be maximised.
        weight_decay: λ, >= 0.
        maximize: Whether g is the gradient of a reward.

    Returns:
        An array of θ's shape.

    Example:
        >>> objective_gradient(np.array([2.0]), np.array([1.0]), weight_decay=0.5, maximize=True)
        array([0.])
    """
    return (-g if maximize else g) + weight_decay * theta


def sgd_step(
    theta: Array,
    g: Array,
    b: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array | None]:
    """Return (θ, b) after one step of gradient descent with momentum.

    ``b = μ·b + (1 − τ)·g`` (b = g at the first step); ``θ ← θ − η·b``, and with Nesterov's
    look-ahead ``θ ← θ − η·(g + μ·b)``.

    Args:
        theta: Parameters.
        g: Gradient, decay included (``objective_gradient``).
        b: Momentum buffer, or None before the first step.
        lr: η.
        momentum: μ; 0 keeps no buffer.
        dampening: τ.
        nesterov: Look ahead.

    Returns:
        The new parameters and buffer.

    Example:
        >>> sgd_step(np.array([1.0]), np.array([1.0]), np.array([1.0]), lr=0.1, momentum=0.5)
        (array([0.85]), array([1.5]))

    References:
        Sutskever, Martens, Dahl & Hinton, On the importance of initialization and momentum in
        deep learning, 2013, in the form of PyTorch, whose b leaves the learning rate out.
    """
    if momentum == 0:
        return theta - lr * g, None
    b = g if b is None else momentum * b + (1 - dampening) * g
    return theta - lr * (g + momentum * b if nesterov else b), b


def lion_step(
    theta: Array,
    g: Array,
    m: Array,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
) -> tuple[Array, Array]:
    """Return (θ, m) after one step of Lion.

    ``c = β1·m + (1 − β1)·g``; ``θ ← θ − η·(sign(c) + λθ)``; ``m ← β2·m + (1 − β2)·g``.

    Args:
        theta: Parameters.
        g: Gradient.
        m: Momentum, zeros at first.
        lr: η; a third to a tenth of Adam's.
        betas: (β1, β2).
        weight_decay: λ, decoupled; three to ten times Adam's.

    Returns:
        The new parameters and momentum.

    Example:
        >>> theta, m = lion_step(np.array([1.0]), np.array([-5.0]), np.array([0.0]), lr=0.1)
        >>> theta, m.round(12)
        (array([1.1]), array([-0.05]))

    References:
        Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, Algorithm 2.
    """
    beta1, beta2 = betas
    c = beta1 * m + (1 - beta1) * g
    theta = theta - lr * (np.sign(c) + weight_decay * theta)
    return theta, beta2 * m + (1 - beta2) * g


@dataclass(frozen=True, kw_only=True)
class ScheduleFree:
    """The state of schedule-free AdamW: its two sequences, and the weights of the average.

    Attributes:
        x: The average; what is evaluated.
        z: The base iterate.
        v: Second moment.
        t: Steps taken.
        weight_sum: Sum of the weights so far.
        lr_max: The greatest learning rate so far.
    """

    x: Array
    z: Array
    v: Array
    t: int = 0
    weight_sum: float = 0.0
    lr_max: float = 0.0

    def y(self, beta1: float) -> Array:
        """Return where the gradient is taken: ``y = (1 − β1)·z + β1·x``."""
        return (1 - beta1) * self.z + beta1 * self.x


@dataclass(frozen=True, kw_only=True)
class ScheduleFreeSettings:
    """γ, (β1, β2), ε, λ, the warmup T, and the weights ``t^r · γ_max^p`` of the average."""

    lr: float = 0.0025
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    warmup_steps: int = 0
    r: float = 0.0
    weight_lr_power: float = 2.0


def schedule_free_step(
    state: ScheduleFree, g: Array, settings: ScheduleFreeSettings
) -> ScheduleFree:
    """Return the state after one step of schedule-free AdamW.

    ``v = β2·v + (1 − β2)·g²``; ``γ_t = γ·min(1, t/T)``;
    ``z ← z − γ_t·(g/(√(v/(1 − β2^t)) + ε) + λy)``; ``c = w_t / Σw``; ``x ← (1 − c)·x + c·z``.

    Args:
        state: Before the step.
        g: Gradient at ``state.y(β1)``.
        settings: The hyperparameters.

    Returns:
        The new state.

    Example:
        >>> one = np.array([1.0])
        >>> state = schedule_free_step(
        ...     ScheduleFree(x=one, z=one, v=0 * one), one, ScheduleFreeSettings(lr=0.5)
        ... )
        >>> state.x.round(6), state.t
        (array([0.5]), 1)

    References:
        Defazio et al., The Road Less Scheduled, 2024, Algorithm 1, with the weights and the bias
        correction of the authors' package.
    """
    beta1, beta2 = settings.betas
    t = state.t + 1
    v = beta2 * state.v + (1 - beta2) * g**2
    gamma = settings.lr * min(1.0, t / max(settings.warmup_steps, 1))
    u = g / (np.sqrt(v / (1 - beta2**t)) + settings.eps) + settings.weight_decay * state.y(beta1)
    z = state.z - gamma * u
    lr_max = max(gamma, state.lr_max)
    weight = t**settings.r * lr_max**settings.weight_lr_power
    weight_sum = state.weight_sum + weight
    c = weight / weight_sum if weight_sum else 0.0
    x = (1 - c) * state.x + c * z
    return ScheduleFree(x=x, z=z, v=v, t=t, weight_sum=weight_sum, lr_max=lr_max)


@dataclass(frozen=True, kw_only=True)
class Nadam:
    """The state of NAdam: moments, steps taken, and the product of the momenta so far."""

    m: Array
    v: Array
    t: int = 0
    mu_product: float = 1.0


def nadam_step(
    theta: Array,
    g: Array,
    state: Nadam,
    *,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    momentum_decay: float = 4e-3,
) -> tuple[Array, Nadam]:
    """Return (θ, state) after one step of Adam with Nesterov's momentum.

    ``μ_t = β1·(1 − ½·0.96^(tψ))``;
    ``m̂ = μ_{t+1}·m / (1 − Π_{i≤t+1} μ_i) + (1 − μ_t)·g / (1 − Π_{i≤t} μ_i)``;
    ``v̂ = v / (1 − β2^t)``; ``θ ← θ − η·m̂ / (√v̂ + ε)``. Decay is the caller's: L2 enters g,
    decoupled decay multiplies θ by 1 − ηλ beforehand.

    Args:
        theta: Parameters.
        g: Gradient.
        state: Before the step.
        lr: η.
        betas: (β1, β2).
        eps: ε.
        momentum_decay: ψ.

    Returns:
        The new parameters and state.

    Example:
        >>> zero = np.zeros(1)
        >>> theta, state = nadam_step(np.ones(1), np.ones(1), Nadam(m=zero, v=zero))
        >>> theta.round(6), state.t
        (array([0.997887]), 1)

    References:
        Dozat, Incorporating Nesterov Momentum into Adam, 2016, Algorithm 2, with the momentum
        schedule of its section 3.
    """
    (beta1, beta2), t = betas, state.t + 1
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (t, t + 1))
    product = state.mu_product * mu
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g**2
    m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
    v_hat = v / (1 - beta2**t)
    return theta - lr * m_hat / (np.sqrt(v_hat) + eps), Nadam(m=m, v=v, t=t, mu_product=product)


@dataclass(frozen=True, kw_only=True)
class Rms:
    """The state of RMSprop: mean of g², mean of g (centered), momentum buffer."""

    v: Array
    mean: Array
    b: Array


def rmsprop_step(
    theta: Array,
    g: Array,
    state: Rms,
    *,
    lr: float = 1e-2,
    alpha: float = 0.99,
    momentum: float = 0.0,
    centered: bool = False,
) -> tuple[Array, Rms]:
    """Return (θ, state) after one step of RMSprop, with ε = 1e-8.

    ``v = α·v + (1 − α)·g²``; ``θ ← θ − η·g / (√v + ε)``; centered, ``v − ḡ²`` replaces v under
    the root; with momentum ``b = μ·b + g / (√v + ε)`` and ``θ ← θ − η·b``.

    Args:
        theta: Parameters.
        g: Gradient, decay included (``objective_gradient``).
        state: Before the step; zeros at first.
        lr: η.
        alpha: α.
        momentum: μ.
        centered: Divide by the standard deviation instead of the root mean square.

    Returns:
        The new parameters and state.

    Example:
        >>> zero = np.zeros(1)
        >>> theta, _ = rmsprop_step(np.ones(1), np.ones(1), Rms(v=zero, mean=zero, b=zero))
        >>> theta.round(6)
        array([0.9])

    References:
        Hinton, Neural Networks for Machine Learning, lecture 6e, 2012; centered: Graves,
        Generating Sequences With Recurrent Neural Networks, 2013, eq. 38-40.
    """
    v = alpha * state.v + (1 - alpha) * g**2
    mean = alpha * state.mean + (1 - alpha) * g if centered else state.mean
    u = g / (np.sqrt(v - mean**2 if centered else v) + 1e-8)
    b = momentum * state.b + u
    return theta - lr * b, Rms(v=v, mean=mean, b=b)


def adagrad_step(
    theta: Array,
    g: Array,
    s: Array,
    t: int,
    *,
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    eps: float = 1e-10,
) -> tuple[Array, Array]:
    """Return (θ, s) after step t of Adagrad.

    ``s = s + g²``; ``θ ← θ − η/(1 + (t − 1)·κ) · g / (√s + ε)``.

    Args:
        theta: Parameters.
        g: Gradient, decay included (``objective_gradient``).
        s: Sum of squares, zeros at first.
        t: 1, 2, ...
        lr: η.
        lr_decay: κ.
        eps: ε.

    Returns:
        The new parameters and sum.

    Example:
        >>> adagrad_step(np.ones(1), np.array([2.0]), np.zeros(1), 1, lr=0.5)
        (array([0.5]), array([4.]))

    References:
        Duchi, Hazan & Singer, Adaptive Subgradient Methods, 2011, Figure 1, diagonal.
    """
    s = s + g**2
    return theta - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s) + eps), s
