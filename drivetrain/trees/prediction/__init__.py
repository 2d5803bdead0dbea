"""Prediction: rows walked through packed trees, eight at a time."""
