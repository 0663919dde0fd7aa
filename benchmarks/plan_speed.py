"""How long a plan takes, against counting every network: ``python -m benchmarks.plan_speed``.

scalegrid's plans of b0 at 224 px, classic and matched, with empty caches and with full ones,
against what a user would do: build each network with timm and count it with fvcore. A sample of the
classic grid's triples is counted, and extrapolated to all of its triples, and to all the networks
among which a matched plan finds those of equal cost.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.timing import in_turn, median_range, pairwise, publish, read_options, stopwatch
from scalegrid import baselines
from scalegrid.coefficients import Coefficients, classic_grid
from scalegrid.cost.table import Costs
from scalegrid.plan import make_plan, resolve
from scalegrid.plan.matched import matched_picks
from scalegrid.spec import SweepSpec

RESOLUTION, CLASSES = 224, 1000
GRIDS = ("classic", "matched")
TARGET = 20.0


@dataclass(frozen=True)
class Timed:
    """Seconds of a fresh process: all of it, and the part after its imports."""

    process: float
    work: float


def main() -> None:
    """Measure, print, write parquet."""
    options = read_options("plan_speed", __doc__)
    rounds, sample = (1, 3) if options.quick else (5, 10)
    counts = networks_to_count()
    timed: dict[str, list[Timed]] = {}

    def keep(name: str, call: str, cache: str) -> float:
        timed.setdefault(name, []).append(_probe(call, cache))
        return timed[name][-1].process

    with tempfile.TemporaryDirectory() as full:
        for grid in GRIDS:
            _probe(f"plan({grid!r})", full)

        def time_plan(grid: str, state: str) -> float:
            if state == "cached":
                return keep(f"{grid} {state}", f"plan({grid!r})", full)
            with tempfile.TemporaryDirectory() as empty:
                return keep(f"{grid} {state}", f"plan({grid!r})", empty)

        cases = [(grid, state) for grid in GRIDS for state in ("cold", "cached")]
        contenders = {f"{grid} {state}": partial(time_plan, grid, state) for grid, state in cases}
        contenders["fvcore"] = partial(keep, "fvcore", f"count_sample({sample})", full)
        in_turn(rounds, contenders)
    rows = [
        row_of(grid, state, timed[f"{grid} {state}"], timed["fvcore"], sample, counts[grid])
        for grid, state in cases
    ]
    publish("plan_speed", rows, options.out)


def row_of(
    grid: str,
    state: str,
    ours: Sequence[Timed],
    sampled: Sequence[Timed],
    sample: int,
    networks: int,
) -> dict[str, object]:
    """One plan against the count of ``sample`` networks, extrapolated to ``networks``."""
    work = [one.work * networks / sample for one in sampled]
    process = [one.process - one.work + all_ for one, all_ in zip(sampled, work, strict=True)]
    whole = pairwise(process, [one.process for one in ours])
    return {
        "plan": grid,
        "cache": state,
        "process s": median_range([one.process for one in ours]),
        "without imports s": median_range([one.work for one in ours]),
        "networks": networks,
        "fvcore s (extrapolated)": median_range(process),
        "times faster": whole,
        "without imports": pairwise(work, [one.work for one in ours]),
        "target": TARGET,
        "met": whole.median >= TARGET,
    }


def networks_to_count() -> dict[str, int]:
    """How many networks a user has to count to know what each plan knows.

    Classic: each triple of the grid. Matched: each network that rounding leaves, distinct depths ×
    distinct widths × resolutions, since which of them cost twice the baseline is not known before.
    """
    baseline = baselines.get("b0")
    spec = resolve(_spec("matched"))
    costs = Costs(baseline.rounded("round"), CLASSES)
    networks = matched_picks(spec, costs, RESOLUTION).picks[0].networks
    depths, widths, sides, _ = networks.costs.shape
    return {"classic": len(triples()), "matched": depths * widths * sides}


def triples() -> list[Coefficients]:
    """The classic grid with the bounds of the only public implementation."""
    spec = _spec("classic")
    return classic_grid(spec.step, spec.tolerance, spec.flops_factor)


def plan(grid: str) -> None:
    """Make a plan, and print the seconds that takes once scalegrid is imported."""
    print(json.dumps(stopwatch(lambda: make_plan(_spec(grid)))))


def count_sample(size: int) -> None:
    """Count triples spread over the classic grid with fvcore, and print the seconds, likewise."""
    import torch
    from fvcore.nn import FlopCountAnalysis
    from timm.models.efficientnet import _gen_efficientnet

    logging.getLogger("fvcore").setLevel(logging.ERROR)  # writing what is not counted takes time
    warnings.simplefilter("ignore")
    grid = triples()

    def count() -> None:
        for number in range(size):
            triple = grid[number * len(grid) // size]
            network = _gen_efficientnet(  # type: ignore[no-untyped-call]
                "efficientnet_b0",
                channel_multiplier=triple.beta,
                depth_multiplier=triple.alpha,
                num_classes=CLASSES,
            )
            side = 8 * round(RESOLUTION * triple.gamma / 8)
            FlopCountAnalysis(network.eval(), torch.rand(1, 3, side, side)).total()

    print(json.dumps(stopwatch(count)))


def _spec(grid: str) -> SweepSpec:
    return SweepSpec.model_validate({"resolution": RESOLUTION, "grid": grid})


def _probe(call: str, cache: str) -> Timed:
    """Run a function of this module in a fresh process."""
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", f"from benchmarks import plan_speed; plan_speed.{call}"],
        env={**os.environ, "SCALEGRID_CACHE": str(Path(cache))},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Timed(time.perf_counter() - began, float(json.loads(ended.stdout)))


if __name__ == "__main__":
    main()
