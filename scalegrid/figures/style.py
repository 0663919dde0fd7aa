"""How every figure looks: one column of a paper wide, one colour and marker a role, two themes.

Each role's colour has a contrast of at least 3:1 against white and against near-black, so a theme
decides the ink alone, and all that is neutral is ink, more or less opaque. Readers with the usual
forms of colour blindness can tell the colours apart; markers differ too, so nothing depends on
colour alone. Letters are in ink, since coloured ones of this size are hard to read.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

Theme = Literal["light", "dark"]
Colour = tuple[float, float, float, float]

COLUMN = 85 / 25.4
"""Width of every figure in inches: one column of a two-column paper."""

TEXT = 7.5
"""Font size in points of axis labels and titles of panels."""

SMALL = 6.5
"""Font size in points of tick labels, legends and annotations."""

FINE = 6.0
"""Font size in points of tables and notes; the smallest in use."""

INK: dict[Theme, str] = {"light": "#222222", "dark": "#e6e6e6"}
"""Text, axes and all that is neutral, by theme."""


GRID = 0.13
"""Opacity of the grid, which is faint; lines that say something have at least 0.6."""


class RoleStyle(NamedTuple):
    """How variants of a role are drawn, and the label of the role."""

    colour: str
    marker: str
    label: str
    size: float = 4.0


_ROLES = {
    "depth": RoleStyle("#0072B2", "v", "Depth"),
    "width": RoleStyle("#009E73", "s", "Width", 3.6),
    "resolution": RoleStyle("#B48600", "^", "Resolution"),
    "compound": RoleStyle("#E0303C", "o", "Recommended", 4.2),
    "paper": RoleStyle("#C266A0", "D", "Paper", 3.4),
    "grid": RoleStyle("#858585", "o", "Other candidates", 2.8),
    "baseline": RoleStyle("", "X", "Baseline", 5.0),
    "stages": RoleStyle("", "*", "Early, late layers", 5.2),
    "curve": RoleStyle("", "P", "Width curves", 4.2),
}


def look(role: str) -> RoleStyle:
    """The style of a role; the baseline, placed layers and width curves are in ink."""
    found = _ROLES[role]
    return found if found.colour else found._replace(colour=ink())


def ink() -> str:
    """The colour of text in the theme that is drawn."""
    return str(matplotlib.rcParams["text.color"])


def neutral(opacity: float) -> Colour:
    """Ink of this opacity."""
    return to_rgba(ink(), opacity)


_RC: dict[Any, Any] = {
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "savefig.transparent": True,
    "font.size": TEXT,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "axes.labelsize": TEXT,
    "axes.titlesize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.hinting": "none",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "grid.alpha": GRID,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "svg.hashsalt": "scalegrid",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
_INKED: Any = ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "text.color")

_rc_is_global = threading.RLock()


@contextmanager
def context(theme: Theme = "light") -> Iterator[None]:
    """Set this style, whatever the user's matplotlibrc says; restore the settings on exit.

    matplotlib's settings are shared by all threads, so only one thread at a time is inside.
    """
    with _rc_is_global, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        matplotlib.rcParams.update(dict.fromkeys([*_INKED, "grid.color"], INK[theme]))
        yield


def mark(
    axes: Axes,
    x: float,
    y: float,
    role: str,
    *,
    hollow: bool = False,
    variant: str = "",
    scale: float = 1.0,
) -> None:
    """Draw the marker of a role; ``hollow`` where the variant's cost is off.

    Its group in an SVG has the id ``variant-ID``.
    """
    style = look(role)
    axes.plot(
        [x],
        [y],
        linestyle="none",
        marker=style.marker,
        markersize=scale * style.size,
        markerfacecolor="none" if hollow else style.colour,
        markeredgecolor=style.colour,
        markeredgewidth=0.8 * min(1.0, scale) if hollow else 0.0,
        clip_on=False,
        zorder=4,
        gid=f"variant-{variant}" if variant else None,
    )


def ring(axes: Axes, x: float, y: float, size: float = 8.5) -> None:
    """Draw the ring around the recommended network."""
    axes.plot([x], [y], clip_on=False, zorder=5, gid="recommended", **ring_look(size))


def ring_look(size: float = 8.5) -> dict[str, Any]:
    """The settings of a line that draws the ring at its points."""
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": size,
        "markerfacecolor": "none",
        "markeredgecolor": ink(),
        "markeredgewidth": 0.8,
    }


def legend_entry(role: str, **settings: Any) -> Line2D:
    """A marker, with the line that ``settings`` give it, for a legend."""
    style = look(role)
    return Line2D(
        [],
        [],
        color=style.colour,
        marker=style.marker,
        markersize=style.size,
        markeredgewidth=0.0,
        **{"linestyle": "none", "label": style.label, **settings},
    )


def legend_height(entries: Sequence[Line2D]) -> float:
    """How high `legend_below` is with these entries, in points."""
    return 4 + 10 * math.ceil(len(entries) / _LEGEND_COLUMNS)


def legend_below(figure: Figure, entries: Sequence[Line2D]) -> None:
    """Put a legend at the foot of a figure without a layout of its own."""
    figure.legend(
        handles=list(entries),
        loc="lower center",
        ncols=_LEGEND_COLUMNS,
        handlelength=2.0,
        columnspacing=1.2,
        borderpad=0.2,
        labelspacing=0.35,
    )


def legend_outside(figure: Figure, entries: Sequence[Artist], **settings: Any) -> None:
    """Put a legend below the axes of a figure whose layout makes room for it.

    It has as many columns as fit, of three or ``ncols``.
    """
    look = {"columnspacing": 1.2, "borderpad": 0, "labelspacing": 0.35, **settings}
    look |= {"handles": list(entries), "loc": "outside lower center"}
    for columns in range(look.pop("ncols", _LEGEND_COLUMNS), 0, -1):
        legend = figure.legend(ncols=columns, **look)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()


_LEGEND_COLUMNS = 3
