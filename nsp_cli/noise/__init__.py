"""Noise: maps and profiles of a photo's, known noise in bands, and synthesis."""
