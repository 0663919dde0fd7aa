"""The figures of a sweep, drawn from its result tables alone.

`draw` writes the figures of a sweep, `draw_plans` those of plans. Importing this package is quick;
matplotlib and pandas are loaded when something is drawn.
"""

from scalegrid.figures.drawing import FIGURES, FORMATS, draw, draw_plans

__all__ = ["FIGURES", "FORMATS", "draw", "draw_plans"]
