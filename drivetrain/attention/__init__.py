"""FlashAttention: exact attention in tiles, forward and backward, without the square matrix."""
