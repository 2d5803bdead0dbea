"""Real data, offline first: typed arrays with their source and licence."""
