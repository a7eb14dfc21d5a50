"""Weights: from a name, path or address to a checked file, and from the file to a network."""
