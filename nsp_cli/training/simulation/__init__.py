"""Simulated photos: sensors, cameras, film, defects; textures, drawings, nights; augmentation."""
