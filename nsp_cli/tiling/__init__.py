"""Tiles of large photos: geometry, pixels and the run over them. Knows no network."""
