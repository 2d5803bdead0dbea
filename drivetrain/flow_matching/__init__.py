"""Continuous flows, flow matching and rectified flow: exact likelihoods, straight paths."""
