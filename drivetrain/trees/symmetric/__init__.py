"""Symmetric (oblivious) trees: all nodes of a level share one split."""
