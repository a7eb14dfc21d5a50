"""Simulated photos: sensor noise, camera processing, texture and augmentation."""
