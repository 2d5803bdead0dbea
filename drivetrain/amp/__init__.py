"""Mixed-precision training: autocast, loss scaling and master weights that lose no gradient."""
