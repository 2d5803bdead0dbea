"""The hostile table: what is refused, and how; what must be let through."""

import math
import warnings

import pytest
import torch

from drivetrain.core.backend import use
from drivetrain.optim import SGD, Adam, AdamW
from drivetrain.optim.gather import check_gradient

P = torch.nn.Parameter


def one(value=1.0, shape=(3,), **options):
    p = P(torch.full(shape, value))
    p.grad = torch.ones_like(p)
    return p, AdamW([p], **options)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": -1.0}, ValueError, r"lr must be >= 0. Got -1."),
        ({"lr": math.nan}, ValueError, r"lr must be >= 0. Got nan."),
        ({"lr": "fast"}, TypeError, r"lr must be a real number. Got str: 'fast'."),
        ({"lr": torch.ones(2)}, ValueError, r"lr must have one element. Got shape \(2,\)."),
        ({"eps": -1e-8}, ValueError, r"eps must be >= 0. Got -1e-08."),
        ({"weight_decay": -0.1}, ValueError, r"weight_decay must be >= 0. Got -0.1."),
        ({"betas": (1.0, 0.9)}, ValueError, r"betas\[0\] must be >= 0 and < 1. Got 1."),
        ({"betas": (0.9, -0.1)}, ValueError, r"betas\[1\] must be >= 0 and < 1. Got -0.1."),
        ({"betas": (0.9,)}, ValueError, r"betas must be two numbers. Got 1 in param_groups\[0\]."),
        ({"decay": "cosine"}, ValueError, r"decay must be one of 'lr', 'schedule'. Got 'cosine'."),
        (
            {"state_dtype": "9bit"},
            ValueError,
            r"state_dtype must be .* Did you mean '8bit'\?",
        ),
        ({"max_grad_norm": -1}, ValueError, r"max_grad_norm must be >= 0. Got -1."),
        ({"amsgrd": True}, TypeError, r"Unknown option 'amsgrd'. Did you mean 'amsgrad'\?"),
        ({"maximise": True}, TypeError, r"Unknown option 'maximise'. Did you mean 'maximize'\?"),
        ({"fused": True, "differentiable": True}, RuntimeError, r"`fused` does not support"),
        ({"fused": True, "foreach": True}, RuntimeError, r"`fused` and `foreach`"),
    ],
)
@pytest.mark.parametrize("cls", [Adam, AdamW])
def test_bad_options_are_refused(cls, options, error, words):
    with pytest.raises(error, match=words):
        cls([P(torch.zeros(2))], **options)


def test_bad_options_of_a_group_are_refused():
    with pytest.raises(ValueError, match=r"lr must be >= 0. Got -2."):
        AdamW([{"params": [P(torch.zeros(2))], "lr": -2}])


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ([], ValueError, "empty parameter list"),
        (torch.zeros(3), TypeError, "iterable"),
        ([torch.zeros(3, requires_grad=True) * 2], ValueError, "non-leaf"),
        ([3.0], TypeError, "can only optimize Tensors"),
    ],
)
def test_bad_parameters_are_refused(params, error, words):
    with pytest.raises(error, match=words):
        AdamW(params)


def test_a_duplicate_is_refused_with_its_group():
    p, q = P(torch.zeros(2)), P(torch.zeros(2))
    with pytest.raises(ValueError, match=r"param_groups\[0\] has .* already given"):
        AdamW([p, p])
    with pytest.raises(ValueError, match=r"param_groups\[1\] has .* already given"):
        AdamW([{"params": [p]}, {"params": [q, p]}])


def test_overlapping_parameters_are_refused_with_their_groups():
    base = torch.zeros(10)
    p, q = P(base[:6]), P(base[4:])
    optimizer = AdamW([{"params": [p]}, {"params": [q]}])
    p.grad, q.grad = torch.ones(6), torch.ones(6)
    with pytest.raises(ValueError, match=r"param_groups\[0\] and param_groups\[1\] share memory"):
        optimizer.step()
    # Neighbours in one buffer touch but do not overlap.
    p, q = P(base[:5]), P(base[5:])
    p.grad, q.grad = torch.ones(5), torch.ones(5)
    AdamW([p, q]).step()


def test_a_sparse_gradient_is_refused():
    p, optimizer = one()
    p.grad = torch.ones(3).to_sparse()
    with pytest.raises(RuntimeError, match=r"param_groups\[0\] .* not support sparse"):
        optimizer.step()
    # Also where a table of dense gradients is already in use.
    p.grad = torch.ones(3)
    optimizer.step()
    p.grad = torch.ones(3).to_sparse()
    with pytest.raises(RuntimeError, match="sparse"):
        optimizer.step()


@pytest.mark.parametrize("warm", [False, True])
def test_a_gradient_of_another_dtype_is_refused(warm):
    p, optimizer = one()
    if warm:
        optimizer.step()
    p.grad = torch.ones(3)
    p.grad.data = p.grad.data.double()
    with pytest.raises(ValueError, match=r"dtype .* expected torch.float32 .* Got torch.float64"):
        optimizer.step()


def test_a_gradient_on_another_device_is_refused():
    # One cannot be set where there is only a CPU, so the check is asked itself.
    with pytest.raises(ValueError, match=r"gradient's device .* expected meta .* Got cpu"):
        check_gradient(torch.zeros(3, device="meta"), torch.zeros(3), 0)


def test_a_gradient_of_another_shape_is_refused():
    p, optimizer = one()
    optimizer.step()
    p.data = torch.ones(4)
    with pytest.raises(ValueError, match=r"gradient's shape .* expected \(4,\) .* Got \(3,\)"):
        optimizer.step()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_gradient_poisons_only_its_own_element(bad):
    p, optimizer = one(shape=(40,))
    q = P(torch.ones(5))
    q.grad = torch.ones(5)
    optimizer.add_param_group({"params": [q]})
    p.grad[7] = bad
    optimizer.step()
    assert not torch.isfinite(p[7]) or math.isinf(bad)
    twin = P(torch.full((40,), 1.0))
    twin.grad = p.grad.clone()
    torch.optim.AdamW([twin], foreach=False).step()
    assert torch.equal(torch.isnan(p), torch.isnan(twin))
    assert int(torch.isnan(p).sum()) == 1 and torch.isfinite(q).all()


def test_overflowing_squares_leave_the_parameter_as_torch_does():
    p, optimizer = one(value=0.5)
    p.grad[:] = 1e30
    twin = P(torch.full((3,), 0.5))
    twin.grad = p.grad.clone()
    peer = torch.optim.AdamW([twin], foreach=False)
    for _ in range(2):
        optimizer.step()
        peer.step()
    assert torch.equal(p, twin) and torch.isfinite(p).all()


def test_an_infinite_parameter_without_decay_keeps_its_moments_finite():
    p, optimizer = one(value=math.inf, weight_decay=0.0)
    optimizer.step()
    assert torch.isinf(p).all() and torch.isfinite(optimizer.state[p]["exp_avg"]).all()


@pytest.mark.parametrize("cls", [Adam, AdamW])
def test_without_a_gradient_nothing_moves(cls):
    p, q = P(torch.ones(3)), P(torch.ones(3))
    q.grad = torch.ones(3)
    optimizer = cls([p, q], weight_decay=0.5)
    optimizer.step()
    assert torch.equal(p, torch.ones(3)) and p not in optimizer.state
    q.grad = None
    before = q.detach().clone()
    optimizer.step()
    assert torch.equal(q, before) and optimizer.state[q]["step"] == 1


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 0, 2)])
def test_zero_elements(shape):
    p, optimizer = one(shape=shape)
    for _ in range(2):
        optimizer.step()
    assert optimizer.state[p]["step"] == 2 and p.shape == shape


LAYOUTS = {
    "transposed": lambda: torch.randn(6, 5).t(),
    "channels last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "every second": lambda: torch.randn(12)[::2],
    "a column": lambda: torch.randn(6, 5)[:, 1],
    "offset": lambda: torch.randn(31)[3:],
    "singleton axes": lambda: torch.randn(5, 1, 2).transpose(0, 1),
}


@pytest.mark.parametrize("of_parameter", LAYOUTS)
@pytest.mark.parametrize("same_gradient", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_any_strides(of_parameter, same_gradient, dtype):
    torch.manual_seed(0)
    data = LAYOUTS[of_parameter]().to(dtype)
    ps = [P(data.clone(memory_format=torch.preserve_format)) for _ in range(2)]
    if of_parameter in ("every second", "a column"):
        # clone() packs: go back to strides with gaps.
        buffers = [torch.zeros(*data.shape, 2, dtype=dtype) for _ in ps]
        ps = [P(buffer[..., 0]) for buffer in buffers]
        for p in ps:
            p.data.copy_(data)
    optimizers = AdamW(ps[:1], lr=0.1), torch.optim.AdamW(ps[1:], lr=0.1, foreach=False)
    for _ in range(3):
        gradient = torch.randn_like(data)
        gradient = gradient if same_gradient else gradient.contiguous()
        for p, optimizer in zip(ps, optimizers):
            p.grad = gradient.clone(memory_format=torch.preserve_format)
            optimizer.step()
    torch.testing.assert_close(ps[0], ps[1], rtol=0, atol=8 * 3**0.5 * 2**-23 * 4)


def test_a_pending_negation_or_conjugation_is_resolved():
    for p, gradient in (
        (P(torch.ones(1)), torch.tensor([1 + 2j]).conj().imag),
        (P(torch.ones(3, dtype=torch.complex64)), torch.tensor([1 + 2j, 3j, 4 + 0j]).conj()),
    ):
        assert gradient.is_neg() or gradient.is_conj()
        twin, optimizer = P(p.detach().clone()), AdamW([p], lr=0.1)
        peer = torch.optim.AdamW([twin], lr=0.1, foreach=False)
        for pending in (False, True, True):
            p.grad = gradient if pending else gradient.resolve_neg().resolve_conj()
            twin.grad = gradient.resolve_neg().resolve_conj().clone()
            optimizer.step()
            peer.step()
        torch.testing.assert_close(p, twin, rtol=0, atol=8 * 3**0.5 * 2**-23 * 2)


def test_tensor_lr_and_betas_are_read_each_step():
    lr = torch.tensor(0.1)
    p, optimizer = one(lr=lr, betas=(torch.tensor(0.9), torch.tensor([0.999])), weight_decay=0.0)
    optimizer.step()
    assert p[0].item() == pytest.approx(0.9, abs=1e-6)
    lr.fill_(0.0)
    before = p.detach().clone()
    optimizer.step()
    assert torch.equal(p, before)


def test_closure_is_called_with_gradients_on_and_its_loss_returned():
    p = P(torch.ones(2))
    optimizer = AdamW([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert optimizer.step(closure).item() < 2.0
    assert one()[1].step() is None


def test_differentiable_steps_are_seen_by_autograd():
    lr = torch.tensor(0.1, requires_grad=True)
    p = torch.ones(2, requires_grad=True)
    p = p.clone()
    p.retain_grad()
    optimizer = AdamW([p], lr=lr, differentiable=True)
    p.grad = torch.ones(2)
    optimizer.step()
    p.sum().backward()
    assert lr.grad is not None and torch.isfinite(lr.grad) and lr.grad != 0


def test_capturable_asks_for_an_accelerator_as_torch_does():
    _, optimizer = one(capturable=True)
    with pytest.raises(AssertionError, match="capturable"):
        optimizer.step()


def test_a_schedule_that_starts_from_zero_stands_still():
    p, optimizer = one(lr=0.0, decay="schedule", weight_decay=0.5)
    for backend in ("numba", "torch", "reference"):
        with use(backend):
            optimizer.step()
    assert torch.equal(p, torch.ones(3))


def test_backends_can_take_turns():
    p, optimizer = one(value=2.0, lr=0.1)
    twin = P(torch.full((3,), 2.0))
    peer = torch.optim.AdamW([twin], lr=0.1, foreach=False)
    for backend in ("numba", "reference", "torch", "numba"):
        p.grad = torch.ones(3)
        twin.grad = torch.ones(3)
        with use(backend):
            optimizer.step()
        peer.step()
    torch.testing.assert_close(p, twin, rtol=0, atol=8 * 4**0.5 * 2**-23 * 2)


def test_no_warning_and_a_readable_repr():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, optimizer = one()
    assert "decay: lr" in repr(optimizer) and "AdamW (" in repr(optimizer)


def test_subclasses_of_tensor_go_by_torch():
    class Tagged(torch.Tensor):
        pass

    p = torch.ones(3).as_subclass(Tagged).requires_grad_()
    p.grad = torch.ones(3).as_subclass(Tagged)
    optimizer = AdamW([p], lr=0.1)
    optimizer.step()
    assert isinstance(p, Tagged) and p[0].item() == pytest.approx(0.899, abs=1e-6)


@pytest.mark.parametrize("cls", [AdamW, SGD])
def test_a_compiled_step_steps_as_it_is(cls):
    sets = [P(torch.ones(3)), P(torch.ones(3))]
    optimizers = [cls([p], lr=0.1) for p in sets]
    torch.compiler.reset()
    step = torch.compile(optimizers[0].step, backend="eager")
    for _ in range(3):
        for p in sets:
            p.grad = torch.ones(3)
        step()
        optimizers[1].step()
    assert torch.equal(*sets) and sets[0][0] < 1


def test_a_refused_step_leaves_nothing_for_the_next():
    p, q = P(torch.ones(3)), P(torch.ones(3, dtype=torch.float16))
    optimizer = AdamW([p, q], lr=0.1, weight_decay=0.0)
    for there in (True, False):
        p.grad, q.grad = torch.ones(3), torch.ones_like(q) if there else None
        optimizer.step()
    before = q.detach().clone()
    p.grad.untyped_storage().resize_(0)
    q.grad = torch.ones_like(q)
    with pytest.raises(ValueError, match="no memory"):
        optimizer.step()
    p.grad, q.grad = torch.ones(3), None
    optimizer.step()
    assert torch.equal(q, before) and p[0].item() == pytest.approx(0.7, abs=1e-6)
