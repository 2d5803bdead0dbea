"""Stable Diffusion 3: rectified-flow transformers from captions to pictures."""
