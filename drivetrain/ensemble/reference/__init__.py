"""The equations of ensembles as the papers write them: float64, unhurried, the oracle of tests."""
