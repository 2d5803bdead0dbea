"""The best split of a node, from its histogram."""
