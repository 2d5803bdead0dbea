"""XGBoost's scikit-learn classes, by their names, parameters and attributes."""
