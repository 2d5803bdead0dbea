"""Decision trees shared by boosting and the ensembles."""
