"""Weighted quantile sketches: where a column is cut so that every bin weighs about the same."""
