"""One training loop: checkpoints, resume, precision, progress."""
