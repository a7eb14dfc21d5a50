"""Noise: estimation from a photo, conditioning of a network, and synthesis."""
