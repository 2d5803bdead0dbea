"""The report page of a boosted model: what `drivetrain boosting fit` writes beside it."""
