"""Medusa: speculative decoding with extra heads, the same text in fewer passes."""
