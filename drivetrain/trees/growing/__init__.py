"""Growing: histograms of gradients, the best split, the partition of rows."""
