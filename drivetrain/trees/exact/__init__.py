"""Exact greedy growth: every midpoint of every column, on columns sorted once."""
