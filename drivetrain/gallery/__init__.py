"""The demo: one section a method, on real data."""
