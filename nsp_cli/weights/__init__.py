"""Weights: from a name, path or address to a checked file, and from a file to a network."""
