"""Ground shared by every method: errors, checks, backends, checkpoints, seeds, progress."""
