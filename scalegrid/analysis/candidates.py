"""What is compared: which variants can be recommended, and by which value of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scalegrid.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Metric = Literal["top1", "top5", "val_loss", "nas"]
METRICS: tuple[Metric, ...] = get_args(Metric)

NAS_EXPONENT = -0.07
"""w of the objective ACC·(FLOPs/T)^w (Tan & Le, 2019, section 5.1)."""


def raced(
    roles: Sequence[str], phis: Sequence[float], matched: Sequence[bool], metric: Metric = "top1"
) -> list[bool]:
    """Which variants of a plan can be recommended: those scaled by φ = 1, at equal cost.

    A variant whose cost is off is left out, since its accuracy would be compared at another price;
    unless the metric pays for the cost (``nas``), or most of the plan is off, as in a classic grid.
    """
    scaled = [
        role != "baseline" and abs(phi - 1) < 1e-9 for role, phi in zip(roles, phis, strict=True)
    ]
    equal = [here and bool(cost) for here, cost in zip(scaled, matched, strict=True)]
    if metric == "nas" or 2 * sum(equal) < sum(scaled):
        return scaled
    return equal


def trial_values(
    variants: pd.DataFrame, trials: pd.DataFrame, metric: Metric, flops_factor: float
) -> pd.DataFrame:
    """The finished trials of ``variants``, with a column ``value`` of which more is better.

    ``value`` is the accuracy as a share, minus the validation loss in nats, or for ``nas`` top-1
    times (FLOPs / T)^w where T is ``flops_factor`` times the baseline's FLOPs.

    Raises:
        UserError: the metric is unknown.
    """
    if metric not in METRICS:
        raise UserError(f"there is no metric {metric!r}; choose from {', '.join(METRICS)}.")
    joined: pd.DataFrame = trials.merge(variants[["variant", "flops_ratio"]], on="variant")
    column = "top1" if metric == "nas" else metric
    joined = joined.loc[(joined["status"] == "finished") & np.isfinite(joined[column])].copy()
    value = joined[column].astype(float)
    if metric == "val_loss":
        value = -value
    if metric == "nas":
        value = value * (joined["flops_ratio"] / flops_factor) ** NAS_EXPONENT
    joined["value"] = value
    return joined
