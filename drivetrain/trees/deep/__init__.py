"""Trees grown to the end, each by one thread: what forests are made of."""
