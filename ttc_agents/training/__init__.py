"""Training of refinement models: data, objectives, the loop, checkpoints and recipes."""
