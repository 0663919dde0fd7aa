"""The variants of plans on the triangle of budget shares, coloured by their FLOPs ratios."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from scalegrid.analysis import network_name
from scalegrid.analysis.matched_cost import COUNTED, cost_ratios
from scalegrid.figures import style
from scalegrid.figures.subject import Drawing
from scalegrid.figures.ternary import (
    COLOURS,
    add_colour_bar,
    at_phi_one,
    beyond_sentences,
    draw_point,
    region_of,
    ternary,
    top,
    write,
)
from scalegrid.figures.text import ratio_text
from scalegrid.spec import Match
from scalegrid.util.errors import UserError
from scalegrid.util.text import part

_SIDE = 1.95  # of a triangle, in inches
_PANEL = _SIDE * math.sqrt(0.75) + 1.05


def draw_plans(
    plans: Mapping[str, pd.DataFrame], flops_factor: float = 2.0, match: Match = "flops"
) -> Drawing:
    """Draw one or two tables of variants, one below the other, coloured by a ratio of costs.

    Args:
        plans: the table of variants of each panel, by its title (classic, matched).
        flops_factor: F, the target ratio.
        match: the cost that is to be equal; for `cost_ratios` tables have their baselines.

    Raises:
        UserError: a plan has no variant but the baseline.
    """
    tables = {
        title: at_phi_one(variants.assign(cost_ratio=cost_ratios(variants, match)))
        for title, variants in plans.items()
    }
    for title, rows in tables.items():
        if rows.empty:
            raise UserError(f"the {title} plan has no variant at φ = 1 but the baseline.")
    figure = Figure(figsize=(style.COLUMN, _PANEL * len(tables)))
    everything = pd.concat(list(tables.values()))
    ratios = everything["cost_ratio"]
    colours = Normalize(min(ratios.min(), flops_factor), max(ratios.max(), flops_factor))
    colour_map = colormaps[COLOURS]
    for place, (title, rows) in enumerate(reversed(tables.items())):
        bottom = 0.32 + place * _PANEL
        region = region_of(rows)
        panel = ternary(figure, 0.28, bottom, _SIDE, region)
        _write_title(panel, top(region), title, rows["cost_ratio"], flops_factor)
        for _, row in _grid_first(rows).iterrows():
            draw_point(panel, row, colour_map(colours(row["cost_ratio"])), region)
    label = f"{COUNTED[match][0].upper()}{COUNTED[match][1:]}"
    add_colour_bar(figure, colours, f"{label}, times the baseline", 0.35, 1.3)
    sentences = [
        f"The networks of the {' and of the '.join(tables)} plan on the triangle of budget shares.",
        "Each side is a share of log₂ FLOPs; the corners are depth, width and resolution alone.",
        f"Colour: {COUNTED[match]} over the baseline's; the plan aims at {flops_factor:g}×.",
    ]
    return Drawing(figure, sentences + beyond_sentences(tables.values()) + _diamonds(everything))


def _grid_first(rows: pd.DataFrame) -> pd.DataFrame:
    """The grid first, so that the other roles lie on top."""
    ordered: pd.DataFrame = rows.sort_values("role", key=lambda role: role != "grid", kind="stable")
    return ordered


def _write_title(
    panel: Any,
    place: tuple[float, float],
    title: str,
    ratios: pd.Series[float],
    flops_factor: float,
) -> None:
    low, middle, high = (ratio_text(r) for r in (ratios.min(), ratios.median(), ratios.max()))
    near = part(np.mean(np.abs(ratios / flops_factor - 1) <= 0.05))
    for rise, size, text in (
        (42, style.TEXT, title),
        (33, style.SMALL, f"{len(ratios)} networks, {low} to {high}, median {middle}"),
        (24, style.SMALL, f"{near} within 5 % of {flops_factor:g}×"),
    ):
        write(panel, *place, rise, text, size)


def _diamonds(rows: pd.DataFrame) -> list[str]:
    """What networks of the role ``paper`` are."""
    triples = rows.loc[rows["role"] == "paper", ["alpha", "beta", "gamma"]].to_numpy().tolist()
    names = dict.fromkeys(network_name("paper", *triple) for triple in triples)
    return [f"Diamond: {'; '.join(names)}."] if names else []
