"""Candidates one below the other: how a row is labelled, how high it is, and the axes beside it.

A label is α, β, γ and pixels, with as many digits as tell rows apart. Where there are too many rows
for that, the best, the single axes and the paper's have labels, and the rest are thin rows without.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalegrid.analysis import RIVALS
from scalegrid.analysis.naming import placed_word
from scalegrid.figures import style
from scalegrid.figures.subject import Subject
from scalegrid.figures.text import text_width
from scalegrid.util.text import coefficient

if TYPE_CHECKING:
    import pandas as pd

LABELLED = 22
"""The most rows with a label, beside the recommended one, the single axes and the paper's."""

# All lengths below are in points.
_PITCH = 8.8  # of a row with a label
_THIN = 230.0  # of all rows without, together
_THINNEST, _THICKEST = 1.2, 4.0
_GAP = 10.0  # above the rows of another cost
_HEADER = 11.0
_FOOT = 28.0
_SPACE = 3.6  # between columns
_MARGIN = 8.0  # right of the axes, for the last tick label


@dataclass(frozen=True)
class Row:
    """A network, ``y`` points below the top of the axes, in a row ``pitch`` points high.

    ``role`` is how it is drawn. It is the ``leader`` if it is recommended, ``open`` if it is not
    ruled out, ``apart`` if it is no candidate, and ``hollow`` if its cost is off. Without ``cells``
    it has no label.
    """

    variant: str
    role: str
    y: float
    pitch: float
    leader: bool
    open: bool
    apart: bool
    hollow: bool
    cells: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        """The size of markers and lines in this row, over that in a row with a label."""
        return float(np.clip(self.pitch / 5, 0.45, 1.0))


def candidate_rows(
    subject: Subject, *, ruled_out: bool = True, others: bool = True, placed: bool = False
) -> list[Row]:
    """A row for each candidate in the order of the ranking; then those of another cost.

    Args:
        subject: the sweep.
        ruled_out: whether candidates without a label that are ruled out have a row.
        others: whether single axes and the paper's have one that are no candidates, since their
            cost is off.
        placed: whether networks whose layers are placed otherwise have one, below all,
            which brief trainings alone compare.
    """
    found = subject.found
    ranking = [one.variant for one in found.ranking]
    ties = {one.variant for one in found.tie_set}
    roles = dict(zip(subject.variants["variant"], subject.variants["role"], strict=True))
    off = [v for v in other_cost(subject) if roles[v] in RIVALS] if others else []
    placements = found.placements if placed and found.rung == 1 else ()
    elsewhere = [one.variant for one in placements]
    apart = [*off, *elsewhere]
    labelled = {v for v in [*ranking, *apart] if roles[v] != "grid"} | {ranking[0]}
    labelled |= {one.even for one in placements if one.even in ranking}
    if len(ranking) <= LABELLED + 4:
        labelled |= set(ranking)
    else:
        labelled |= set(ranking[:LABELLED])
    shown = [v for v in ranking if ruled_out or v in labelled | ties]
    labels = _labels(subject, [v for v in [*shown, *apart] if v in labelled])
    thin = len(set(shown) - labelled)
    pitch = float(np.clip(_THIN / max(thin, 1), _THINNEST, _THICKEST))
    pitches = [_PITCH if v in labelled else pitch for v in shown] + [_PITCH] * len(apart)
    ends = list(accumulate(pitches))
    return [
        Row(
            variant=variant,
            role="compound"
            if variant == ranking[0] and roles[variant] == "grid"
            else roles[variant],
            y=end - high / 2 + _GAP * ((variant in apart) + bool(off and variant in elsewhere)),
            pitch=high,
            leader=variant == ranking[0],
            open=variant in ties,
            apart=variant in apart,
            hollow=variant in off or (variant in elsewhere and variant in subject.off_cost),
            cells=labels.get(variant, ()),
        )
        for variant, high, end in zip([*shown, *apart], pitches, ends, strict=True)
    ]


def other_cost(subject: Subject) -> list[str]:
    """The variants at φ = 1 that are no candidates and have finished trials, in plan order."""
    candidates = {one.variant for one in subject.found.ranking}
    tried = set(subject.estimates.trials["variant"])
    rows = subject.compared[subject.compared["role"] != "baseline"]
    return [v for v in rows["variant"] if v in tried - candidates]


def _labels(subject: Subject, variants: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name, α, β, γ and pixels of each; and its layers, if no digits tell two rows apart."""
    rows = [subject.row(variant) for variant in variants]
    for digits in (2, 3, 4):
        cells = [
            (
                _name(subject, row),
                *(coefficient(row[name], digits) for name in ("alpha", "beta", "gamma")),
                str(row["resolution"]),
            )
            for row in rows
        ]
        alike = [c[1:] for c, row in zip(cells, rows, strict=True) if row["role"] != "stages"]
        if len(set(alike)) == len(alike):
            return dict(zip(variants, cells, strict=True))
    layers = [str(sum(int(n) for n in row["layers"].split("-") if n) or "–") for row in rows]
    return {v: (*c, n) for v, c, n in zip(variants, cells, layers, strict=True)}


def _name(subject: Subject, row: pd.Series[Any]) -> str:
    """The role in a column of its own; of the grid, none; or where its layers are."""
    role = str(row["role"])
    if role == "stages":
        return placed_word(row["placement"]).capitalize()
    if role == "grid" and row["variant"] in {one.even for one in subject.found.placements}:
        return "Even"
    return "" if role in ("grid", "compound") else subject.label(role).replace("olution", ".")


Column = tuple[str, Mapping[str, str]]
"""A column of a table: its header, and the text of each variant."""


def strip(rows: Sequence[Row], right: Sequence[Column] = ()) -> tuple[Figure, Axes]:
    """A figure with axes beside the labels of ``rows``; y is in points from the top of the axes.

    ``right`` are columns beyond the axes.
    """
    table = [row for row in rows if row.cells]
    headers = ("", "α", "β", "γ", "px", "layers")[: max(len(row.cells) for row in table)]
    left = [(h, {r.variant: r.cells[i] for r in table}) for i, h in enumerate(headers)]
    before, beyond = [_width(column) for column in left], [_width(column) for column in right]
    high = rows[-1].y + rows[-1].pitch / 2
    width, height = 72 * style.COLUMN, high + _HEADER + _FOOT
    start = sum(before) + 2 * _SPACE
    end = width - max(sum(beyond) + _SPACE / 2, _MARGIN)
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((start / width, _FOOT / height, (end - start) / width, high / height))
    axes.set_ylim(high, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ends = list(accumulate([_SPACE / 2 - start, *before]))[1:]
    ends += list(accumulate([end - start, *beyond]))[1:]
    for column, x in zip([*left, *right], ends, strict=True):
        _write(axes, column, x, table)
    return figure, axes


def _width(column: Column) -> float:
    header, cells = column
    return _SPACE + max(text_width(text, style.FINE) for text in (header, *cells.values()))


def _write(axes: Axes, column: Column, x: float, rows: Sequence[Row]) -> None:
    """Write a column whose right end is ``x`` points right of the axes' left side."""
    header, cells = column
    ink, faint = style.neutral(1.0), style.neutral(0.7)
    texts = [(-_HEADER / 2, header, faint)]
    texts += [
        (row.y, cells[row.variant], ink if row.open or row.apart else faint)
        for row in rows
        if row.variant in cells
    ]
    for y, text, colour in texts:
        axes.annotate(
            text,
            (0, y),
            (x, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            fontsize=style.FINE,
            color=colour,
            annotation_clip=False,
        )


def fit_values(
    axes: Axes, values: Sequence[float], bounds: tuple[float, float] = (-math.inf, math.inf)
) -> None:
    """Set the limits along x so that ``values`` are inside with a margin, within ``bounds``."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * (high - low) or max(0.02 * abs(high), 1e-3)
    axes.set_xlim(max(low - margin, bounds[0]), min(high + margin, bounds[1]))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def draw_interval(
    axes: Axes,
    ends: Sequence[float],
    y: float,
    row: Row,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> None:
    """Draw an interval: thick if the candidate is not ruled out, dashed if it is no candidate."""
    axes.plot(
        np.clip(ends, *bounds),
        [y, y],
        "--" if row.apart else "-",
        color=style.look(row.role).colour,
        linewidth=row.scale * (2.0 if row.open else 0.9),
        solid_capstyle="butt",
        zorder=2,
        gid="interval",
    )
