"""Adam and AdamW as drop-in optimizers: torch's interface and state, one kernel launch a step."""

import math
from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT
from typing_extensions import Unpack

from drivetrain.core.backend import choose
from drivetrain.optim.dispatch import BACKENDS, check_places, squarer, stepper
from drivetrain.optim.gather import Gathered, gather
from drivetrain.optim.lowbit.rules import restore
from drivetrain.optim.options import DEFAULTS, check_group, check_options, hyperparameters, kind_of
from drivetrain.optim.seal import Member, Seal
from drivetrain.optim.table import Table

Scalar = float | Tensor


class Options(TypedDict, total=False):
    """The keyword options of Adam and AdamW; the first six are torch's."""

    foreach: bool | None
    maximize: bool
    capturable: bool
    differentiable: bool
    fused: bool | None
    decoupled_weight_decay: bool
    decay: str
    state_dtype: str | None
    stochastic_rounding: bool
    master_weights: bool
    kahan: bool
    max_grad_norm: float | None
    skip_nonfinite: bool


class Adam(Optimizer):
    r"""Adam, with torch's signature, state and results, in one launch over all tensors.

    Numba's kernels step parameters on the CPU. Parameters on a GPU are stepped by Triton's where
    Triton is installed, a launch for each group and dtype, and by torch's operations elsewhere.
    The Triton kernels are checked by Triton's interpreter and compiled ahead of time for sm_90;
    they have not been timed on a GPU. ``with drivetrain.core.backend.use("torch")`` turns them
    off.

    .. math::
        m_t = β_1 m_{t-1} + (1-β_1) g_t, \quad v_t = β_2 v_{t-1} + (1-β_2) g_t^2, \quad
        θ_t = θ_{t-1} - α\,\frac{m_t / (1-β_1^t)}{\sqrt{v_t / (1-β_2^t)} + ε}

    Args:
        params: Tensors, ``(name, tensor)`` pairs or dicts of groups, as for torch.
        lr: α, a float or a one-element tensor that is read each step; >= 0.
        betas: β1 and β2, in [0, 1).
        eps: ε, outside the root; >= 0.
        weight_decay: λ, >= 0. Added to the gradient (L2) unless ``decoupled_weight_decay``.
        amsgrad: Divide by the largest v so far.
        options: ``maximize``, ``differentiable``, ``capturable``, ``foreach`` and ``fused`` are
            torch's; the first three work as there, the last two are kept for interchange.
            ``decoupled_weight_decay`` (False; True makes it AdamW). ``decay``: ``"lr"`` (torch:
            θ shrinks by lr·λ a step) or ``"schedule"`` (the paper: by η·λ, where η is
            lr / initial_lr, the schedule alone). ``state_dtype`` (None, ``"fp32"``, ``"bf16"``,
            ``"8bit"`` or ``"8bit-bitsandbytes"``) and, for parameters of 16 bits, one of
            ``stochastic_rounding``, ``kahan`` and ``master_weights`` choose a format of low
            precision, see ``lowbit/formats.py``; those for a GPU are stochastic rounding and
            masters, with moments of 32 or 16 bits. ``max_grad_norm`` clips by the
            norm of all gradients and ``skip_nonfinite`` leaves out a step whose gradients are
            not all finite, counting it in ``skipped_steps``; both cost one more read of the
            gradients, which are left as they were.

    Raises:
        ValueError: An option outside its range; an empty parameter list; a parameter given twice.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adam([weight], lr=0.1)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> print(weight.item().__round__(4))
        0.9

    References:
        Kingma and Ba, Adam: A Method for Stochastic Optimization (2015), algorithm 1.
    """

    # GradScaler then hands over its scale and verdict (``grad_scale``, ``found_inf``), and the
    # gradients are unscaled in the one pass that steps.
    _step_supports_amp_scaling = True

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        self.max_grad_norm, self.skip_nonfinite, chosen = check_options(dict(options))
        self.skipped_steps = 0
        self.grad_norm = math.nan
        self._table: Table | None = None
        self._gathered = Gathered()
        self._kinds: list[Any] = [""]
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "amsgrad": amsgrad, **DEFAULTS, **chosen})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options of its own.

        Raises:
            ValueError: An option outside its range, or a parameter that is already there.
        """
        number = len(self.param_groups)
        check_group({**self.defaults, **param_group}, number)
        given = param_group["params"]
        if not isinstance(given, (Tensor, set)):
            param_group["params"] = given = list(given)
            tensors = [item[1] if isinstance(item, tuple) else item for item in given]
            seen = {id(param) for group in self.param_groups for param in group["params"]}
            for tensor in tensors:
                if id(tensor) in seen:
                    raise ValueError(
                        f"param_groups[{number}] has a parameter that is already given: "
                        "each must be given once."
                    )
                seen.add(id(tensor))
        super().add_param_group(param_group)
        self._table = None

    def __getstate__(self) -> dict[str, Any]:
        kept = ("max_grad_norm", "skip_nonfinite", "skipped_steps", "grad_norm")
        return {**super().__getstate__(), **{key: vars(self)[key] for key in kept}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Another optimizer's state has no keys of ours: the groups keep their own settings.
        before = vars(self).get("param_groups", [])
        super().__setstate__(state)
        for number, group in enumerate(self.param_groups):
            own = before[number] if number < len(before) else {}
            for key, default in DEFAULTS.items():
                group.setdefault(key, own.get(key, default))
        self._table, self._gathered, self._kinds = None, Gathered(), [""]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, torch's or ours, of whatever format: its tensors keep their dtypes.

        Raises:
            ValueError: Groups of another number or size than the optimizer's.
        """
        super().load_state_dict(state_dict)
        restore(self, state_dict)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Do one step.

        Args:
            closure: Computes the loss anew, and its gradients; what it returns is returned.

        Raises:
            RuntimeError: A sparse gradient; ``use("triton")`` where Triton cannot run.
            ValueError: A gradient of another dtype or device than its parameter's; parameters
                that share memory.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._update()
        return loss

    # torch.compile cannot trace kernels: it runs this as it is, and compiles what is around it.
    @torch._disable_dynamo
    def _update(self) -> None:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            self._gather()
            factor = self._factor()
            if factor is None:
                self.skipped_steps += 1
            else:
                self._advance(factor)
            if self._table is None or self._table.seal is None:
                # It is gathered anew each step: nothing may keep the gradients alive meanwhile.
                self._table, self._gathered = None, Gathered()

    def _gather(self) -> None:
        backend = choose(None, BACKENDS)
        groups, state = self.param_groups, self.state
        table, kinds = self._table, [backend, *map(kind_of, groups)]
        if table is not None and kinds == self._kinds and table.fits(groups, state):
            return
        # Should something be refused, nothing of it may be taken for the next step's.
        self._table, self._gathered = None, Gathered()
        self._gathered = found = gather(groups, state, backend=backend)
        check_places(found.by_torch)
        self._kinds = kinds
        self._table = table = Table.of(found.entries)
        # What torch steps is checked anew each time, and a borrowed gradient is of this step.
        if not found.by_torch and not found.borrowed:
            members = [
                Member(entry.param, entry.grad, entry.state, ("step", *entry.rule.columns))
                for entry in found.entries
            ]
            table.seal = Seal.of(table.rows, members, groups, state)
        found.entries.clear()

    def _factor(self) -> float | None:
        """Return what the gradients are multiplied by, or None to leave the step out."""
        # GradScaler sets these before its step and deletes them after it.
        scale, found_inf = vars(self).get("grad_scale"), vars(self).get("found_inf")
        if found_inf is not None and float(found_inf) > 0:
            return None
        factor = 1.0 if scale is None else 1.0 / float(scale)
        if self.max_grad_norm is None and not self.skip_nonfinite:
            return factor
        squares = self._table.squares() if self._table else 0.0
        for (_, device, needed), (_, grads) in self._gathered.by_torch.items():
            squares += squarer(device, needed)(grads)
        self.grad_norm = norm = math.sqrt(squares) * factor
        if self.skip_nonfinite and not math.isfinite(norm) and not self._all_finite():
            return None
        if self.max_grad_norm is None:
            return factor
        # torch's clip_grad_norm_: a norm of NaN is handed on, an infinite one gives 0.
        coefficient = self.max_grad_norm / (norm + 1e-6)
        return factor * (1.0 if coefficient > 1 else coefficient)

    def _all_finite(self) -> bool:
        # Only where squares of float64 overflow can the sum mislead.
        return all(
            bool(torch.isfinite(param.grad).all())
            for group in self.param_groups
            for param in group["params"]
            if param.grad is not None
        )

    def _advance(self, factor: float) -> None:
        if self._table is not None and self._table.params:
            self._table.step(self._hyperparameters(factor))
        for (number, device, needed), (params, grads) in self._gathered.by_torch.items():
            step = stepper(device, needed)
            step(self.param_groups[number], params, grads, self.state, factor)

    def _hyperparameters(self, factor: float) -> NDArray[np.float64]:
        return np.array([hyperparameters(group, factor) for group in self.param_groups])


class AdamW(Adam):
    r"""AdamW: Adam whose weight decay does not enter the moments.

    .. math:: θ_t = θ_{t-1} - lr\,λ\,θ_{t-1} - α\,\hat m_t / (\sqrt{\hat v_t} + ε)

    With ``decay="schedule"`` the second term is the paper's, η λ θ, see ``Adam``, whose arguments
    are the same but for the defaults ``weight_decay=0.01`` and ``decoupled_weight_decay=True``.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = AdamW([weight], lr=0.1, weight_decay=0.1)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> print(weight.item().__round__(4))
        0.89

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("decoupled_weight_decay", True)
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # As torch's AdamW: the state of an Adam does not turn the decay into L2.
        before = vars(self).get("param_groups", [])
        super().__setstate__(state)
        for group, own in zip(self.param_groups, before):
            group["decoupled_weight_decay"] = own["decoupled_weight_decay"]
