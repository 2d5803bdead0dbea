"""Features drawn without replacement, by a key alone."""
