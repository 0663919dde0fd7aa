"""The best objective over the trials, against what a random search is expected to reach."""

from __future__ import annotations

from math import comb

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import stats

from scalegrid.figures import style
from scalegrid.figures.subject import Drawing
from scalegrid.search.searcher import FIRST
from scalegrid.search.tables import SearchTables
from scalegrid.util.errors import UserError
from scalegrid.util.text import plural

Floats = NDArray[np.float64]

_LEAST = 5  # random networks, of which a normal distribution can be made


def draw(tables: SearchTables) -> Drawing:
    """Best objective so far, by the number of networks trained."""
    sampled, spec = tables.sampled, tables.spec
    values = 100 * sampled["value"].to_numpy()
    count = np.arange(1, len(values) + 1)
    is_random = spec.searcher == "random"
    chosen = values if is_random else values[_random_phase(tables)]
    if len(chosen) < _LEAST:
        raise UserError("a random search's course needs five networks drawn at random.")
    low, mean, high = resampled(values) if is_random else normal(chosen, len(values))
    figure = Figure(figsize=(style.COLUMN, 0.66 * style.COLUMN), layout="constrained")
    axes = figure.add_subplot()
    axes.fill_between(count, low, high, color=style.neutral(0.12), linewidth=0)
    axes.plot(count, mean, color=style.neutral(0.7), linewidth=0.9, linestyle=(0, (4, 2)))
    axes.plot(
        count, values, "o", color=style.look("grid").colour, markersize=2.0, markeredgewidth=0
    )
    axes.step(
        count,
        np.maximum.accumulate(values),
        where="post",
        linewidth=1.2,
        color=style.look("compound").colour,
    )
    axes.set_xlim(0, len(values) + 1)
    axes.set_xlabel("Networks trained")
    axes.set_ylabel("Objective (%)")
    entries = [
        Line2D([], [], color=style.look("compound").colour, linewidth=1.2, label="Best so far"),
        Line2D(
            [],
            [],
            color=style.neutral(0.7),
            linewidth=0.9,
            linestyle=(0, (4, 2)),
            label="Random search, expected, 95 %",
        ),
        style.legend_entry("grid", label="One network"),
    ]
    style.legend_outside(figure, entries, ncols=2)
    how = "the expected best of so many of these networks, drawn without replacement"
    if not is_random:
        how = (
            "the expected best of so many draws from a normal distribution like that of the "
            f"{plural(len(chosen), 'network')} that {spec.searcher} drew at random at first"
        )
    caption = [
        f"The best {spec.objective.formula} so far, of one training each; searcher: "
        f"{spec.searcher}.",
        f"A random search: {how}, and the middle 95 % of it.",
        "The best of single trainings is partly luck, which the race of the finalists takes out.",
    ]
    return Drawing(figure, caption)


def resampled(values: Floats) -> tuple[Floats, Floats, Floats]:
    """2.5 %, mean and 97.5 % of the best of 1, 2, … of these values without replacement, (n,) each.

    Of k values the i-th smallest of all n is the best with probability C(i − 1, k − 1) / C(n, k).
    """
    ordered, n = np.sort(values), len(values)
    found = np.empty((3, n))
    for k in range(1, n + 1):
        chance = np.array([comb(i - 1, k - 1) / comb(n, k) for i in range(1, n + 1)])
        below = np.cumsum(chance)
        low, high = (ordered[min(n - 1, int(np.searchsorted(below, q)))] for q in (0.025, 0.975))
        found[:, k - 1] = low, chance @ ordered, high
    return found[0], found[1], found[2]


def normal(values: Floats, most: int) -> tuple[Floats, Floats, Floats]:
    """2.5 %, mean and 97.5 % of the best of 1 … ``most`` draws of a normal like ``values``."""
    k = np.arange(1, most + 1)
    grid = np.linspace(-8, 8, 2001)
    density = k[:, None] * stats.norm.cdf(grid) ** (k[:, None] - 1) * stats.norm.pdf(grid)
    mean = (density * grid).sum(1) * (grid[1] - grid[0])
    low, high = (stats.norm.ppf(q ** (1 / k)) for q in (0.025, 0.975))
    centre, spread = values.mean(), values.std(ddof=1)
    return centre + spread * low, centre + spread * mean, centre + spread * high


def _random_phase(tables: SearchTables) -> NDArray[np.bool_]:
    """Which of the sampled networks were drawn at random, before the searcher knew enough."""
    sampled = tables.sampled
    if tables.spec.searcher == "tpe":
        return (sampled["number"] < FIRST + tables.spec.ahead - 1).to_numpy()
    return (sampled["generation"] == 0).to_numpy()
