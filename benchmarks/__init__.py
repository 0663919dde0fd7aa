"""Measurements against what a user would use instead; run with ``python -m``."""
