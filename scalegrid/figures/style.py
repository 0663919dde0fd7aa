"""How every figure looks: sizes for a two-column paper, one colour and marker per role.

The colours are Okabe and Ito's (2008): readers with the usual forms of colour blindness can tell
them apart. Markers differ too, so nothing depends on colour alone. All text is dark, since coloured
letters of this size are hard to read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib
import pandas as pd
from matplotlib.axes import Axes

COLUMN = 3.3
"""Width in inches of one column of a two-column paper."""

PAGE = 6.9
"""Width in inches of both columns with the gap between them."""

TEXT = 8.0
"""Font size in points of axis labels and panel titles."""

SMALL = 7.0
"""Font size in points of tick labels, labels of lines, and annotations."""

FINE = 6.0
"""Font size in points of notes under a figure; the smallest in use."""

INK = "#222222"
"""Text and axes."""

FAINT = "#8c8c8c"
"""Leader lines and arrows."""


class RoleStyle(NamedTuple):
    """How variants of a role are drawn, and the label of the role."""

    colour: str
    marker: str
    label: str
    dashes: Literal["-", "--", "none"] = "-"
    weight: float = 1.2
    size: float = 4.0


ROLES = {
    "depth": RoleStyle("#0072B2", "v", "Depth"),
    "width": RoleStyle("#009E73", "s", "Width", size=3.6),
    "resolution": RoleStyle("#E69F00", "^", "Resolution"),
    "compound": RoleStyle("#D55E00", "o", "Compound", weight=1.8, size=4.4),
    "paper": RoleStyle("#CC79A7", "D", "Paper", dashes="--", size=3.4),
    "grid": RoleStyle("#A8A8A8", "o", "Grid", dashes="none", size=2.8),
    "baseline": RoleStyle("#000000", "X", "Baseline", dashes="none", size=5.0),
}
"""One style per role of a variant."""

_RC: dict[Any, Any] = {
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "font.size": TEXT,
    "axes.labelsize": TEXT,
    "axes.titlesize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.hinting": "none",
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "svg.hashsalt": "scalegrid",
    "pdf.fonttype": 42,
}

_rc_is_global = threading.RLock()


@contextmanager
def context() -> Iterator[None]:
    """Set this style, whatever the user's matplotlibrc says; restore the settings on exit.

    matplotlib's settings are shared by all threads, so only one thread at a time is inside.
    """
    with _rc_is_global, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def draw_means(
    axes: Axes,
    x: Sequence[float] | pd.Series[float],
    rows: pd.DataFrame,
    role: str,
    extra_size: float = 0.0,
) -> None:
    """Draw mean accuracies at ``x`` as markers with error bars, in the style of ``role``.

    ``rows`` are of `scalegrid.figures.means.MeanAccuracies`; ``extra_size`` enlarges the markers,
    in points. The grid is faint and lies behind.
    """
    look = ROLES[role]
    behind = role == "grid"
    axes.errorbar(
        x,
        rows["accuracy"],
        rows["half_width"],
        linestyle="none",
        color=look.colour,
        marker=look.marker,
        markersize=look.size + extra_size,
        markeredgewidth=0,
        elinewidth=0.5 if behind else 0.9,
        alpha=0.75 if behind else 1.0,
        zorder=2 if behind else 4 if role == "baseline" else 3,
        label=role,
    )
