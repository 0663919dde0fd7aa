"""Compound-scaling coefficients for a vision backbone, by grid search at equal cost."""

__version__ = "0.1.0"
