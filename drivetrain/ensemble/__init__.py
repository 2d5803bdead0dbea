"""Ensembles: bagging, forests, AdaBoost, voting and stacking on the same trees."""
