"""Large photos in tiles: geometry, pixels and the run over them. No network is known here."""
