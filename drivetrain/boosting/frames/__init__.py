"""Data frames, arrays, sparse matrices and tensors as the table of numbers that trees read."""
