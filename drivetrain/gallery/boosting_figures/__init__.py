"""Figures of the boosted trees section."""
