"""The cost that a plan makes equal: its name, and what networks have of it over the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scalegrid.spec import Match, SweepSpec

if TYPE_CHECKING:
    import pandas as pd

COSTS: dict[Match, str] = {
    "flops": "cost",
    "params": "parameters",
    "activations": "activations",
    "latency": "latency",
}
"""What it is called where it is equal or off."""

COUNTED: dict[Match, str] = {
    "flops": "FLOPs",
    "params": "parameters",
    "activations": "activations",
    "latency": "FLOPs",
}
"""What its ratios are of: of a latency, which tables do not have, those of FLOPs are given."""


def matched_cost(spec: Mapping[str, Any]) -> Match:
    """`SweepSpec.matched_cost`, by the keys of ``sweep.yaml``."""
    return SweepSpec(**{key: spec[key] for key in ("grid", "match") if key in spec}).matched_cost


def cost_ratios(variants: pd.DataFrame, match: Match) -> pd.Series[float]:
    """The ratio of each variant, (rows,); for parameters and activations they have the baseline."""
    if COUNTED[match] == "FLOPs":
        return variants["flops_ratio"]
    baseline = variants.loc[variants["role"] == "baseline", match].iloc[0]
    ratios: pd.Series[float] = variants[match] / baseline
    return ratios


def cost_ratio_text(ratio: float, match: Match) -> str:
    """``2.00×`` of FLOPs, as everywhere; ``2.00× parameters`` where others are equal."""
    return f"{ratio:.2f}×{'' if match == 'flops' else f' {COUNTED[match]}'}"


def is_cost(match: Match) -> str:
    """``cost is``, ``parameters are``: the beginning of a clause."""
    return f"{COSTS[match]} {'are' if COSTS[match].endswith('s') else 'is'}"


def another_cost(match: Match) -> str:
    """``another cost``, ``other parameters``: what networks that only serve to compare have."""
    return f"{'other' if COSTS[match].endswith('s') else 'another'} {COSTS[match]}"


def ratio_column(match: Match) -> str:
    """The header of a column of such ratios."""
    return "ratio" if match == "flops" else f"{COUNTED[match]} ratio"
