"""How the detection commands print, compare and keep what an evaluation says."""
