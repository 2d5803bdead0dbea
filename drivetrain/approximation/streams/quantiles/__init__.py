"""Quantiles of a stream: two sketches that merge, two recursions that are cheap."""
