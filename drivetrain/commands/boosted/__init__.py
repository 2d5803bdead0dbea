"""What the verbs of `drivetrain boosting` are made of: flags, tables, the fit, files of answers."""
