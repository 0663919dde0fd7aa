"""Made-up sweeps for the tests of the analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scalegrid.analysis.observations import Floats, Observations
from scalegrid.coefficients import Shares, from_shares

CORNERS = {"depth": (1.0, 0.0, 0.0), "width": (0.0, 1.0, 0.0), "resolution": (0.0, 0.0, 1.0)}


def spread_shares(count: int, seed: int = 0) -> Floats:
    """Points all over the triangle, the corners first."""
    inner = np.random.default_rng(seed).dirichlet([1.0, 1.0, 1.0], max(0, count - 3))
    return np.concatenate([np.array(list(CORNERS.values())), inner])[:count]


def observe(values: Sequence[Sequence[float]]) -> Observations:
    """Candidate i has the trials ``values[i]``, with seeds 0, 1, …"""
    triples = [(i, s, value) for i, row in enumerate(values) for s, value in enumerate(row)]
    return Observations.collect(len(values), triples)


def variants_table(shares: Floats) -> pd.DataFrame:
    """A baseline and one variant a row of ``shares``: the corners by their roles, else grid."""
    roles = {point: role for role, point in CORNERS.items()}
    rows = [
        {
            "variant": "base",
            "role": "baseline",
            "phi": 0.0,
            **dict.fromkeys(("alpha", "beta", "gamma"), 1.0),
            "resolution": 64,
            "flops_ratio": 1.0,
            "matched": True,
            **dict.fromkeys(("share_depth", "share_width", "share_resolution"), np.nan),
        }
    ]
    for number, point in enumerate(shares.tolist()):
        triple = from_shares(Shares(*point))
        rows.append(
            {
                "variant": f"v{number:02d}",
                "role": roles.get(tuple(point), "grid"),
                "phi": 1.0,
                **triple._asdict(),
                "resolution": round(64 * triple.gamma),
                "flops_ratio": 2.0,
                "matched": True,
                **{f"share_{name}": part for name, part in Shares(*point)._asdict().items()},
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def trials_table(values: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Finished trials with these top-1 accuracies, seeds 0, 1, …; NaN stands for a failed one."""
    rows = [
        {
            "variant": variant,
            "seed": seed,
            "status": "failed" if np.isnan(top1) else "finished",
            "top1": top1,
            "top5": (1 + top1) / 2,
            "val_loss": 2 - top1,
        }
        for variant, accuracies in values.items()
        for seed, top1 in enumerate(accuracies)
    ]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def noisy_trials(truth: Floats, seeds: int, noise: float, seed: int = 0) -> dict[str, list[float]]:
    """Accuracies of ``seeds`` trials of the variants v00, v01, … around their true means."""
    generator = np.random.default_rng(seed)
    return {
        f"v{number:02d}": (mean + noise * generator.standard_normal(seeds)).tolist()
        for number, mean in enumerate(truth)
    }
