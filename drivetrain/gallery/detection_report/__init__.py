"""The report page of an evaluation: what `drivetrain detection evaluate --html` writes."""
