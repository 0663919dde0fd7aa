"""Which choices of the space matter: the share of the objective's variance that each explains."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scalegrid.figures import style
from scalegrid.figures.subject import Drawing
from scalegrid.search.tables import SearchTables
from scalegrid.util.errors import UserError

Floats = NDArray[np.float64]

_MOST = 12  # choices that are shown
_LEAST = 20  # networks
_DRAWS = 400


def draw(tables: SearchTables) -> Drawing:
    """The choices that explain most, with bootstrap intervals."""
    sampled = tables.sampled
    if len(sampled) < _LEAST:
        raise UserError(f"which choices matter takes {_LEAST} trained networks or more.")
    points = pd.DataFrame([json.loads(point) for point in sampled["point"]])
    found = importances(points, sampled["value"].to_numpy())[:_MOST]
    figure = Figure(figsize=(style.COLUMN, (0.22 * len(found) + 0.55)), layout="constrained")
    axes = figure.add_subplot()
    colour = style.look("depth").colour
    for row, (_name, share, low, high, _value) in enumerate(found):
        axes.plot([100 * low, 100 * high], [row, row], color=colour, linewidth=1.0)
        axes.plot(
            [100 * share],
            [row],
            "o",
            color=colour,
            markersize=3.6,
            markeredgewidth=0,
            clip_on=False,
        )
    axes.set_yticks(range(len(found)), [_label(name, value) for name, *_, value in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Share of the objective's variance (%)")
    spec = tables.spec
    caption = [
        f"Which choices matter: the share of the variance of {spec.objective.formula} between "
        f"{len(sampled)} networks that each choice explains alone, less what chance explains (ε²).",
        "Bars are 95 % intervals of a bootstrap over networks, less its bias; the value named is "
        "that of the highest mean.",
    ]
    if spec.searcher != "random":
        caption.append(
            f"The searcher {spec.searcher} draws what has done well more often, so that choices "
            "are not independent of each other."
        )
    return Drawing(figure, caption)


def importances(
    points: pd.DataFrame, values: Floats, seed: int = 0
) -> list[tuple[str, float, float, float, object]]:
    """Of each choice, by its name: ε², its 95 % interval, and its best value; the largest first.

    ε² (Kelley 1935) is the part of the variance between the groups of a choice, less what groups
    without a difference would have on average; it is 0 at least. A bootstrap repeats networks,
    which adds to it: the mean of that is taken off the interval.
    """
    generator = np.random.default_rng(seed)
    picks = generator.integers(len(values), size=(_DRAWS, len(values)))
    found = []
    for name in points:
        codes, labels = pd.factorize(points[name], sort=True)
        if len(labels) < 2:
            continue
        share = _explained(codes, values)
        draws = np.array([_explained(codes[pick], values[pick]) for pick in picks])
        low, high = np.quantile(draws, [0.025, 0.975]) - (draws.mean() - share)
        means = [values[codes == code].mean() for code in range(len(labels))]
        best = labels[int(np.argmax(means))]
        found.append((str(name), max(share, 0.0), max(low, 0.0), max(high, 0.0), best))
    return sorted(found, key=lambda one: -one[1])


def _explained(codes: NDArray[np.int64], values: Floats) -> float:
    counts = np.bincount(codes)
    sums = np.bincount(codes, weights=values - values.mean())
    groups = int((counts > 0).sum())
    between = float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    total = float(((values - values.mean()) ** 2).sum())
    free = len(values) - groups
    if total == 0 or free < 1 or groups < 2:
        return 0.0
    return (between - (groups - 1) * (total - between) / free) / total


def _label(name: str, value: object) -> str:
    """``stage 3 kernel: 5``."""
    stage, choice = name.split(".")
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    if choice == "filters":
        shown = f"×{shown}"
    if choice == "se":
        choice, shown = "SE", shown if value else "none"
    if choice == "more_layers":
        choice, shown = "layers", f"{value:+d}".replace("-", "−") if value else "as many"
    return f"Stage {stage} {choice}: {shown}"
