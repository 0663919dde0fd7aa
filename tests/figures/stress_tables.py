"""Sweeps at the edge of what figures must show: few and many candidates and seeds, and failures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from figure_tables import FakeTables, over_rungs, train, variant

from scalegrid.coefficients import PAPER, Coefficients, Shares, corners, from_shares
from scalegrid.figures.ternary import SHARES


def sweep(candidates: int, seeds: int, *, noise: float = 0.006, off: float = 0.0) -> FakeTables:
    """A sweep of so many candidates, corners and the paper's among them, with so many seeds.

    ``off`` is by how much the resolution corner misses the cost; it is no candidate then.
    """
    random = np.random.default_rng(candidates)
    rows = [variant("baseline", Coefficients(1, 1, 1), 0)]
    rows += [variant(role, corner, 1) for role, corner in corners().items()]
    rows += [variant("paper", PAPER, 1)]
    while len(rows) < candidates + 1:
        shares = Shares(*random.dirichlet((1, 1, 1)).tolist())
        rows.append(variant("grid", from_shares(shares), 1))
    table = pd.DataFrame(
        [{**row, "variant": f"v{i:03d}", "order": i, "matched": True} for i, row in enumerate(rows)]
    )
    table["flops_ratio"] = np.where(table["phi"] == 0, 1.0, random.uniform(1.95, 2.05, len(table)))
    if off:
        corner = table["role"] == "resolution"
        table.loc[corner, ["flops_ratio", "matched"]] = [2.0 + off, False]
    table["flops"] = (38e6 * table["flops_ratio"]).round()
    return train(table, seeds=seeds, noise=noise)


def failing(roles: tuple[str, ...], candidates: int = 12, seeds: int = 3) -> FakeTables:
    """A sweep in which every trial of these roles failed."""
    tables = sweep(candidates, seeds)
    chosen = tables.variants.loc[tables.variants["role"].isin(roles), "variant"]
    tables.trials.loc[tables.trials["variant"].isin(chosen), ["status", "top1"]] = ["failed", None]
    return tables


def without(roles: tuple[str, ...]) -> FakeTables:
    """A sweep whose plan lacks these roles."""
    tables = sweep(12, 3)
    return tables.where_variants(~tables.variants["role"].isin(roles))


def beyond(far: float = 0.6) -> FakeTables:
    """A sweep of candidates on both sides of the triangle's edges, up to so far away."""
    tables, random = sweep(16, 3), np.random.default_rng(1)
    grid = tables.variants["role"] == "grid"
    depth, width = random.uniform(-far, 1, (2, int(grid.sum())))
    shares = np.stack([depth, width, 1 - depth - width], 1)
    tables.variants.loc[grid, list(SHARES)] = shares
    triples = [from_shares(Shares(*point)) for point in shares.tolist()]
    tables.variants.loc[grid, list(Coefficients._fields)] = triples
    return train(tables.variants, seeds=3)


BEYOND, NO_CORNERS = "beyond the triangle", "no corners, no paper"
RUNGS, TWO_RUNGS = "10 candidates over three rungs", "16 candidates over two rungs"

STRESS: dict[str, Callable[[], FakeTables]] = {
    "5 candidates, 1 seed": lambda: sweep(5, 1),
    "5 candidates, 20 seeds": lambda: sweep(5, 20),
    "16 candidates, 3 seeds, one off cost": lambda: sweep(16, 3, off=0.5),
    "60 candidates, 1 seed": lambda: sweep(60, 1, noise=0.02),
    "200 candidates, 20 seeds": lambda: sweep(200, 20),
    BEYOND: beyond,
    NO_CORNERS: lambda: without(("depth", "width", "resolution", "paper")),
    RUNGS: lambda: over_rungs(sweep(10, 3)),
    TWO_RUNGS: lambda: over_rungs(sweep(16, 2), (1, 7)),
    "baseline failed": lambda: failing(("baseline",)),
    "baseline and a corner failed": lambda: failing(("baseline", "depth")),
}
