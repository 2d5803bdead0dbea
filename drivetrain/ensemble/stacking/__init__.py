"""Stacking: a final estimator learns from what the members predict on rows they did not see."""
