"""Binning: a feature's values as the bins between its cuts."""
