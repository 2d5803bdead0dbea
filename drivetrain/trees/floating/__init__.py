"""Growth on histograms of floats, in the order and with the rounding of XGBoost."""
