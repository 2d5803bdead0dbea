"""What combined ensembles share: named members, fitted side by side on one budget of threads."""
