"""A baseline to scale: networks of a space are trained briefly, and the best for a target kept."""
