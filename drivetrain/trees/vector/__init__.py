"""Trees whose leaves are vectors: one tree serves all outputs of a model."""
