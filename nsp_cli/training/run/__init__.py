"""A training run: recipe, trainer, loop, checkpoints and distributed processes."""
