"""Mixed-precision training: autocast, loss scaling and master weights that do not lose gradients."""
