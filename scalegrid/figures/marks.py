"""Mean accuracies as points with error bars, the same in every figure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from scalegrid.figures import style


def mark(
    axes: Axes,
    x: Sequence[float] | pd.Series[float],
    rows: pd.DataFrame,
    role: str,
    grow: float = 0.0,
) -> None:
    """Draw ``rows`` of `scalegrid.figures.means.Means` at ``x`` in the style of ``role``.

    ``grow`` adds to the marker's size, in points. The grid is faint and lies behind.
    """
    look = style.ROLES[role]
    behind = role == "grid"
    axes.errorbar(
        x,
        rows["accuracy"],
        rows["half_width"],
        linestyle="none",
        color=look.colour,
        marker=look.marker,
        markersize=look.size + grow,
        markeredgewidth=0,
        elinewidth=0.5 if behind else 0.9,
        alpha=0.75 if behind else 1.0,
        zorder=2 if behind else 4 if role == "baseline" else 3,
        label=role,
    )
