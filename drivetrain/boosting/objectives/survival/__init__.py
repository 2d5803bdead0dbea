"""Survival: times that may be known only to lie past, before or between bounds."""
