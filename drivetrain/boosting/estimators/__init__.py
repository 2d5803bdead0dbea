"""scikit-learn's faces of boosting."""
