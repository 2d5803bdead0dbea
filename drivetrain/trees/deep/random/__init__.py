"""Trees that cut at random: one cut a feature, drawn between the node's extremes."""
