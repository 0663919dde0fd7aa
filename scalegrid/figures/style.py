"""How every figure looks: sizes for a two-column paper, and one colour and marker per role.

The colours are Okabe and Ito's (2008), which stay apart for people with any of the usual forms of
colour blindness; markers differ too, so that nothing depends on colour alone. Text is dark
whatever it names: coloured letters of this size are hard to read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib

COLUMN = 3.3
"""Width in inches of one column of a two-column paper."""

PAGE = 6.9
"""Width in inches of both columns with the gap between them."""

TEXT = 8.0
"""Font size in points of axis labels and panel titles."""

SMALL = 7.0
"""Font size in points of ticks, labels of lines, and annotations; the smallest in use is 6."""

FINE = 6.0
"""Font size in points of notes under a figure."""

INK = "#222222"
"""Text and axes."""

FAINT = "#8c8c8c"
"""Leaders, rulers and other aids."""


class RoleStyle(NamedTuple):
    """How a role is drawn, and what it is called in a figure."""

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
    """The house style inside, whatever the user's matplotlibrc says; what was before, after.

    matplotlib's settings are shared by all threads, so one thread at a time may be inside.
    """
    with _rc_is_global, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield
