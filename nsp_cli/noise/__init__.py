"""Noise: estimating it on a photo, describing it to a network, and making it."""
