"""Whether the losses help to tell top-1, and do no harm: ``python -m benchmarks.joint_metric``.

Simulated sweeps with so many seeds of every candidate, in which a loss's noise goes with that of
the value (correlation 0.9) and its true means agree with the value's, or do not. The model of the
value alone is compared with that of both; each row is a mean over sizes, seeds and spreads.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import pandas as pd

from benchmarks.selection_tables import for_people
from benchmarks.selection_worlds import INDIFFERENCE, NOISE, Setting, World, draw_worlds
from benchmarks.timing import bounded
from scalegrid.analysis.model import Model
from scalegrid.analysis.selection import chances
from scalegrid.analysis.surface import fit
from scalegrid.cli.output import print_table

SIZES, SEEDS = (8, 12, 17), (1, 2, 3, 6)
RATIOS = (0.3, 0.7, 1.0, 2.0)
AGREES = (0.998, 0.9, 0.0, -0.5)
DRAWS = 2000


def main() -> None:
    """Print, by how far the loss agrees: errors, losses of the choice and calibration."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.joint_metric", description=__doc__)
    parser.add_argument("--worlds", type=bounded(int, 1), default=20, help="worlds of each setting")
    count = parser.parse_args().worlds
    frames = []
    for size, seeds, ratio, agrees in itertools.product(SIZES, SEEDS, RATIOS, AGREES):
        setting = Setting(size, ratio * NOISE, 0.4 * ratio * NOISE, agrees)
        for world in draw_worlds(setting, count, seeds):
            for metrics in ("value alone", "with the loss"):
                frames.append(_said(world, seeds, with_loss=metrics != "value alone"))
                frames[-1][["agrees", "seeds", "ratio", "metrics"]] = agrees, seeds, ratio, metrics
    said = pd.concat(frames, ignore_index=True)
    for key in ("agrees", "seeds", "ratio"):
        rows = [
            {key: name[0], "metrics": name[1], **_row(group)}
            for name, group in said.groupby([key, "metrics"], sort=False)
        ]
        print_table(for_people(pd.DataFrame(rows).astype({key: str})))


def _said(world: World, seeds: int, *, with_loss: bool) -> pd.DataFrame:
    """One row a candidate: the probability of being good enough, and whether it is."""
    size = len(world.truth)
    fitted = fit(Model(size, world.shares), world.observed([seeds] * size, losses=with_loss))
    draws = fitted.posterior.sample(DRAWS, np.random.default_rng(0)).values
    expected = fitted.posterior.expected
    apart = draws - draws.mean(1, keepdims=True)
    truth = world.truth - world.truth.mean()
    low, high = np.quantile(apart, [0.05, 0.95], axis=0)
    leader = int(expected.argmax())
    said: pd.DataFrame = pd.DataFrame(
        {
            "within": chances(draws, INDIFFERENCE).within,
            "good": world.good,
            "error": ((expected - expected.mean() - truth) / NOISE) ** 2,
            "held": (low <= truth) & (truth <= high),
            "chosen": np.arange(size) == leader,
            "lost": world.truth.max() - world.truth[leader],
        }
    )
    return said


def _row(said: pd.DataFrame) -> dict[str, float]:
    """Mean square error over the noise's variance, points lost by the choice, and calibration.

    ``apart`` is the mean distance of the stated probabilities and the share that is good, over
    ten bins weighted by their statements; ``furthest`` that of the worst bin of at least 2 % of
    them, in points both.
    """
    bins = (10 * said["within"]).astype(int).clip(upper=9)
    means = said.groupby(bins)[["within", "good"]].mean()
    share = bins.value_counts(normalize=True).reindex(means.index)
    apart = 100 * (means["within"] - means["good"]).abs()
    chosen = said[said["chosen"]]
    return {
        "error": float(said["error"].mean()),
        "lost": float(chosen["lost"].mean()),
        "apart": float((apart * share).sum()),
        "furthest": float(apart[share >= 0.02].max()),
        "chosen, said": float(chosen["within"].mean()),
        "chosen, good": float(chosen["good"].mean()),
        "90 % held": float(said["held"].mean()),
    }


if __name__ == "__main__":
    main()
