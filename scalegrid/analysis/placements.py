"""Whether it matters where layers are added: early and late against evenly, at equal cost.

Layers are placed at coefficients that were chosen as the best of many, so the measured mean of the
even network is probably lucky. It is known by the model of all candidates, which allows for that;
early and late networks, of which none was chosen, by the means of their own trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scalegrid.analysis.candidate_table import CandidateTable
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.selection import interval
from scalegrid.analysis.surface import Fit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Placed:
    """How much better a network is than the one of the same width and pixels with even layers.

    Better is positive whatever the metric. ``gain`` is the posterior mean of the difference, with
    its 95 % interval and the ``probability`` of being better.
    The coefficients are those of the network with ``even`` layers. ``equal_cost`` says whether both
    cost what the plan makes equal, by ``cost_ratio`` and ``even_cost``.
    """

    variant: str
    placement: float
    even: str
    alpha: float
    beta: float
    gamma: float
    gain: float
    low: float
    high: float
    probability: float
    cost_ratio: float
    even_cost: float
    equal_cost: bool


def placements(table: CandidateTable, fitted: Fit) -> tuple[Placed, ...]:
    """The variants of the role ``stages`` with finished trials; none unless the even one has some.

    Args:
        table: the sweep.
        fitted: of the candidates.
    """
    tried = set(table.values["variant"])
    rows = table.placed[table.placed["variant"].isin(tried)]
    if rows.empty:
        return ()
    even = even_of(rows, table.scaled[table.scaled["variant"].isin(tried)])
    if even is None:
        return ()
    ordered = rows.sort_values("placement").to_dict("records")
    generator = np.random.default_rng(13)
    own = _draws(table, fitted, str(even["variant"]), generator)
    return tuple(
        _placed(row, even, _draws(table, fitted, str(row["variant"]), generator) - own)
        for row in ordered
    )


def even_of(placed: pd.DataFrame, scaled: pd.DataFrame) -> pd.Series[Any] | None:
    """Of the networks at φ = 1 the one of the same channels and pixels as those ``placed``.

    Of several it is the nearest in FLOPs; None where there is none.
    """
    first = placed.iloc[0]
    like = scaled[
        (scaled["channels"] == first["channels"]) & (scaled["resolution"] == first["resolution"])
    ]
    if like.empty:
        return None
    gap = (like["flops_ratio"] - placed["flops_ratio"].mean()).abs()
    even: pd.Series[Any] = like.loc[gap.idxmin()]
    return even


def _draws(
    table: CandidateTable, fitted: Fit, variant: str, generator: np.random.Generator
) -> Floats:
    """Draws of the true value of a network, (count,)."""
    samples = fitted.samples
    if variant in table.number:
        candidate: Floats = samples.values[:, table.number[variant]]
        return candidate
    seeds = table.seeds(variant)
    luck = 0.0 if fitted.luck is None else fitted.luck.variance
    error = np.sqrt(samples.noise / len(seeds) + luck)
    values: Floats = float(seeds.mean()) + error * generator.standard_normal(len(error))
    return values


def _placed(row: Mapping[Any, Any], even: Any, draws: Floats) -> Placed:
    low, high = interval(draws)
    return Placed(
        variant=str(row["variant"]),
        placement=float(row["placement"]),
        even=str(even["variant"]),
        **{name: float(even[name]) for name in ("alpha", "beta", "gamma")},
        gain=float(draws.mean()),
        low=low,
        high=high,
        probability=float((draws > 0).mean()),
        cost_ratio=float(row["cost_ratio"]),
        even_cost=float(even["cost_ratio"]),
        equal_cost=bool(row["matched"] and even["matched"]),
    )
