"""Forests of deep trees: random forests and extremely randomized trees."""
