"""Adapters to the implementations people use today; the one place that imports them."""
