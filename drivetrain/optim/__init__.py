"""Adam and AdamW: drop-in optimizers, one launch over all tensors, on CPU and GPU."""
