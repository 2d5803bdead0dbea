"""XGBoost: second-order gradient boosting in readable Python, speaking its files."""
