"""Whether the growth of compound scaling's advantage is stated rightly:
``python -m benchmarks.advantage``.

Simulated sweeps of twelve candidates are extended to φ = 0.5, 1.5 and 2 in the direction of the
candidate with the highest mean, so that its advantage at φ = 1 was lucky. The true advantage over
the best axis, which may be another one at each φ, grows by a known slope. A row for each setting:

- ``covers``: how often the 95 % interval of the slope holds the true one; ``advantage covers``: the
  same of the advantages at single φ.
- ``bias``, ``error``: mean, and root mean square, of the estimated slope less the true one, points.
- ``sure``: how often growth has a probability of 95 % or more.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.timing import bounded, options_parser, publish
from scalegrid.analysis.advantage import AXES, Advantage, advantage
from scalegrid.analysis.candidate_table import CandidateTable
from scalegrid.analysis.observations import Floats
from scalegrid.coefficients import Coefficients, Shares, from_shares

PHIS = (0.5, 1.0, 1.5, 2.0)
SIZE, NOISE, SPREAD = 12, 0.007, 0.005
"""Candidates; standard deviations of a trial and of true means."""

SLOPES, SEEDS, APART = (0.0, 0.007), (1, 2, 3, 8), (0.0, 0.005, 0.015)
"""True growth per φ; seeds of each network; standard deviation between the axes."""


def main() -> None:
    """Print the table, and write it as parquet."""
    parser = options_parser("advantage", __doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--times", type=bounded(int, 2), default=400, help="sweeps of each setting")
    options = parser.parse_args()
    times = options.times // 10 if options.quick else options.times
    settings = [(slope, seeds, apart) for slope in SLOPES for seeds in SEEDS for apart in APART]
    publish("advantage", [simulated(*setting, times) for setting in settings], options.out)


def simulated(slope: float, seeds: int, apart: float, times: int) -> dict[str, object]:
    """A row for sweeps of one kind."""
    said = []
    for number in range(times):
        found, true = extended(slope, seeds, apart, np.random.default_rng([number, 17]))
        growth = found.slope
        assert growth is not None
        held = [one.low <= value <= one.high for one, value in zip(found.at, true, strict=True)]
        covers = growth.low <= slope <= growth.high
        said.append([covers, float(np.mean(held)), growth.mean - slope, growth.probability >= 0.95])
    covers, held, bias, sure = np.mean(said, axis=0).tolist()
    error = float(np.sqrt(np.mean([row[2] ** 2 for row in said])))
    labels = {"slope, points": 100 * slope, "seeds": seeds, "axes apart, points": 100 * apart}
    stated = {"covers": covers, "advantage covers": held, "bias": 100 * bias, "error": 100 * error}
    return {**labels, **stated, "sure": sure}


def extended(
    slope: float, seeds: int, apart: float, generator: np.random.Generator
) -> tuple[Advantage, Floats]:
    """What is said of one sweep, and its true advantages at `PHIS`."""
    shares = np.concatenate([np.eye(3), generator.dirichlet([1.0, 1.0, 1.0], SIZE - 3)])
    axes = (
        0.6
        + generator.normal(0, apart, 3)
        + np.outer(np.array(PHIS) - 1, generator.normal(0, apart / 2, 3))
    )
    truth = np.concatenate([axes[1], 0.6 + generator.normal(0, SPREAD, SIZE - 3)])
    trials = truth[:, None] + NOISE * generator.standard_normal((SIZE, seeds))
    leader = 3 + int(trials[3:].mean(1).argmax())
    true = truth[leader] - truth[:3].max() + slope * (np.array(PHIS) - 1)
    roles = [*AXES, *["grid"] * (SIZE - 3)]
    rows = [_row(f"v{i:02d}", role, 1.0, shares[i]) for i, role in enumerate(roles)]
    seen = {f"v{i:02d}": own for i, own in enumerate(trials)}
    for at in (0, 2, 3):
        values = [*axes[at], axes[at].max() + true[at]]
        for role, number, value in zip((*AXES, "compound"), (0, 1, 2, leader), values, strict=True):
            name = f"{role} {PHIS[at]}"
            rows.append(_row(name, role, PHIS[at], shares[number]))
            seen[name] = value + NOISE * generator.standard_normal(seeds)
    made = [(v, seed, top1, "finished") for v, own in seen.items() for seed, top1 in enumerate(own)]
    columns = ["variant", "seed", "top1", "status"]
    table = CandidateTable.read(pd.DataFrame(rows), pd.DataFrame(made, columns=columns), "top1", 2)
    found = advantage(table, table.fit(None), from_shares(Shares(*shares[leader])))
    assert found is not None
    return found, np.asarray(true)


def _row(variant: str, role: str, phi: float, shares: Floats) -> dict[str, Any]:
    named = {f"share_{axis}": share for axis, share in zip(AXES, shares.tolist(), strict=True)}
    triple: Coefficients = from_shares(Shares(*shares.tolist()))
    ratio = {"flops_ratio": 2.0**phi, "matched": True}
    return {"variant": variant, "role": role, "phi": phi, **triple._asdict(), **ratio, **named}


if __name__ == "__main__":
    main()
