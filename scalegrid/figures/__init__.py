"""The figures of a sweep, drawn from its result tables alone.

`draw` writes the figures of a sweep, `draw_plans` those of plans, `draw_search` those of a search.
Importing this package is quick; matplotlib and pandas are loaded when something is drawn.
"""

from scalegrid.figures.drawing import (
    FIGURES,
    FORMATS,
    SEARCH_FIGURES,
    draw,
    draw_plans,
    draw_search,
)

__all__ = ["FIGURES", "FORMATS", "SEARCH_FIGURES", "draw", "draw_plans", "draw_search"]
