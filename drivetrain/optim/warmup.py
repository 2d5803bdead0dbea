"""Compiles the kernels of Adam and AdamW ahead of use, or reads them from the cache."""


def warmup() -> None:
    """Step once in each dtype, with and without AMSGrad, checking and clipping."""
    import torch

    from drivetrain.optim import AdamW

    for dtype in (torch.float32, torch.float64):
        for amsgrad in (False, True):
            weight = torch.nn.Parameter(torch.ones(8, dtype=dtype))
            optimizer = AdamW([weight], amsgrad=amsgrad, max_grad_norm=1.0)
            # The second step is the first that finds a table to check.
            for _ in range(2):
                weight.grad = torch.ones_like(weight)
                optimizer.step()
