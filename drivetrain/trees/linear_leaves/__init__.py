"""Trees whose leaves hold lines: a ridge regression on the features of the way to each leaf."""
