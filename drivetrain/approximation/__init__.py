"""Stochastic approximation: find means, roots, minima and quantiles from noisy observations."""
