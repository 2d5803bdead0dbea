"""Compiles the kernels of few bits ahead of use, or reads them from the cache."""


def warmup() -> None:
    """Step once in a few formats: one kernel does all of them."""
    import torch

    from drivetrain.optim import AdamW

    formats = (
        (torch.bfloat16, {"stochastic_rounding": True}),
        (torch.float16, {"master_weights": True}),
        (torch.float32, {"state_dtype": "8bit"}),
    )
    for dtype, options in formats:
        weight = torch.nn.Parameter(torch.ones(4096, dtype=dtype))
        weight.grad = torch.ones_like(weight)
        optimizer = AdamW([weight], skip_nonfinite=True, **options)
        optimizer.step()
        again = AdamW([weight])
        again.load_state_dict(optimizer.state_dict())
        again.step()
