"""The running mean, for 1/k and for any other gain."""
