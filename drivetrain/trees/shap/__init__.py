"""Exact Shapley values of trees, and of pairs of features, by quadrature over leaf paths."""
