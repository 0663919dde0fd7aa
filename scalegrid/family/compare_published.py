"""The formula's EfficientNets beside those that were released, and beside the paper's Table 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import pandas as pd

from scalegrid import baselines
from scalegrid.baselines import Baseline
from scalegrid.coefficients import PAPER, Coefficients, DepthRule, Scaling
from scalegrid.family.fit import nearest_phi
from scalegrid.family.published import PUBLISHED, REFERENCES, PublishedSize, Reference
from scalegrid.plan.classic import pixels

_CLASSES = 1000


def compare_published(
    coefficients: Coefficients = PAPER,
    phis: Sequence[float] = tuple(range(8)),
    depth_rounding: DepthRule = "authors",
) -> pd.DataFrame:
    """EfficientNet at each φ by the formula, and the release's model in its place.

    The n-th φ is beside B(n-1); where there are more of either, the other's columns are missing.
    Both are scalegrid's b0, scaled, for 1,000 classes.

    Args:
        coefficients: (α, β, γ) of the formula.
        phis: in the order of the rows.
        depth_rounding: how layers are rounded, in both; ``authors`` is up.

    Returns:
        A row a φ, with ``phi`` and ``model`` (B0 … B7). Of each, named ``formula_…`` and
        ``release_…``: the multipliers ``depth``, ``width`` and ``resolution``; ``px``, of the
        formula in multiples of the baseline's step; ``layers`` of all stages; ``channels`` of the
        head; ``flops``, ``flops_ratio`` to B0, and ``params``. As printed: ``dropout``,
        ``printed_flops`` in billions, ``printed_params`` in millions, ``printed_top1`` in per cent.
        ``phi_multipliers`` is the φ at which the formula is nearest to the release's multipliers
        (`nearest_phi`), ``phi_flops`` the one at which α·β²·γ² gives its measured FLOPs.
    """
    baseline = baselines.get("b0").rounded(depth_rounding)
    sizes = PUBLISHED["EfficientNet"].sizes
    nominal = math.log2(coefficients.flops_factor)
    rows = []
    for phi, size in zip_longest(phis, sizes):
        row: dict[str, Any] = {"phi": phi, "model": size and size.name}
        if phi is not None:
            scaling = coefficients.scaling(phi)
            row |= _named("formula", _realised(baseline, scaling, _px(baseline, scaling)))
        if size is not None:
            scaling = Scaling(size.depth, size.width, size.resolution / baseline.resolution)
            release = _realised(baseline, scaling, size.resolution)
            row |= _named("release", release) | _printed(size)
            row["phi_multipliers"] = nearest_phi(scaling, coefficients)
            row["phi_flops"] = math.log2(release["flops_ratio"]) / nominal
        rows.append(row)
    return _table(rows)


def reference_rows() -> pd.DataFrame:
    """The other networks of Table 2, and what was counted of those that timm builds.

    Returns:
        A row a network: ``model``; ``cost``, which is ``counted`` where timm builds the network,
        and ``published``; ``printed_flops`` in billions, ``printed_params`` in millions and
        ``printed_top1`` in per cent; ``px``, ``flops`` and ``params`` as counted, or missing.
    """
    return _table([_reference(one) for one in REFERENCES])


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Missing values are NA, and whole numbers stay whole."""
    table: pd.DataFrame = pd.DataFrame(rows).convert_dtypes()
    return table


def _px(baseline: Baseline, scaling: Scaling) -> int:
    return pixels(baseline.resolution, scaling.resolution, baseline.resolution_step)


def _realised(baseline: Baseline, scaling: Scaling, px: int) -> dict[str, Any]:
    from scalegrid.cost import Costs

    costs = Costs(baseline, _CLASSES)
    cost = costs.of(scaling.depth, scaling.width, px)
    layout = baseline.layout(scaling.depth, scaling.width)
    return {
        **scaling._asdict(),
        "px": px,
        "layers": sum(row.layers for row in layout[1:-1]),
        "channels": layout[-1].channels,
        "flops": cost.flops,
        "flops_ratio": cost.flops / costs.of(1.0, 1.0, baseline.resolution).flops,
        "params": cost.params,
    }


def _named(prefix: str, columns: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in columns.items()}


def _printed(size: PublishedSize | Reference) -> dict[str, Any]:
    columns = {"flops": size.flops, "params": size.params, "top1": size.top1}
    dropout = {"dropout": size.dropout} if isinstance(size, PublishedSize) else {}
    return dropout | _named("printed", columns)


def _reference(one: Reference) -> dict[str, Any]:
    counted = bool(one.model)
    cost = (one.resolution, one.counted_flops, one.counted_params) if counted else (None,) * 3
    return {
        "model": one.name,
        "cost": "counted" if counted else "published",
        **_printed(one),
        **dict(zip(("px", "flops", "params"), cost, strict=True)),
    }
