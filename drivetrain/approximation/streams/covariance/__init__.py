"""The covariance matrix of a stream of rows."""
