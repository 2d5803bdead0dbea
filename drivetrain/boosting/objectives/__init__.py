"""What boosting minimizes: losses with their first and second derivatives."""
