"""Normalizing flows: NICE, RealNVP and Glow, invertible networks with exact likelihoods."""
