"""Training: recipes, settings, the loop, checkpoints and run directories."""
