"""Distillation: the data set that a teacher makes of noisy photos, and a student's training samples."""
