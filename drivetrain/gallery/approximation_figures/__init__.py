"""The figures of the stochastic approximation section."""
