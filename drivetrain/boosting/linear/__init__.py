"""Boosting with linear functions instead of trees: XGBoost's gblinear."""
