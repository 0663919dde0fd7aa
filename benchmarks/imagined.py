"""Whether races come to what `--hours` expects of them: ``python -m benchmarks.imagined``.

Real races (`Racing`) in worlds drawn as `scalegrid.analysis.expectation` imagines them, in which
nothing is smooth, against what it says after the same work, and after a sixth of it. ``good`` is
how often the leader is within the zone of the best at the highest rung. docs/statistics.md says
what follows.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.selection_worlds import INDIFFERENCE, race_of, spread_out
from benchmarks.timing import publish, read_options
from scalegrid.allocation import Result
from scalegrid.analysis.expectation import Imagined, prospect
from scalegrid.analysis.measured import AGREEMENT
from scalegrid.progress.hours import LEARNING
from scalegrid.training.held import rung_work

SETTINGS = (  # candidates, rungs, work, noise, spread, worlds
    (8, (1,), 24.0, 0.88, 0.67, 150),
    (8, (1,), 40.0, 0.88, 0.67, 100),
    (12, (1,), 24.0, 0.85, 1.14, 100),
    (12, (1, 3), 50.0, 0.88, 0.67, 60),
    (12, (1, 3, 9), 100.0, 0.85, 1.14, 60),
)
SEEDS = 80


def main() -> None:
    """Race, print the table, write it as parquet."""
    options = read_options("imagined", __doc__)
    rows = []
    for candidates, rungs, work, noise, spread, worlds in SETTINGS:
        race = imagined(candidates, rungs, noise, spread)
        count = 4 if options.quick else worlds
        good = np.mean([is_good(race, rungs, work, number) for number in range(count)])
        rows.append(
            {
                "candidates": candidates,
                "rungs": ",".join(map(str, rungs)),
                "work": work,
                "worlds": count,
                "good": float(good),
                "imagined": prospect(race, work).top,
                "of what counts": prospect(race, work / LEARNING).top,
            }
        )
    publish("imagined", rows, options.out)


def imagined(candidates: int, rungs: tuple[int, ...], noise: float, spread: float) -> Imagined:
    """A race in points, over lengths that agree as was measured."""
    triplings = np.log(rungs) / math.log(3)
    deviations = spread * AGREEMENT.spread**triplings
    apart = np.abs(np.subtract.outer(triplings, triplings))
    costs = tuple(rung_work(rungs, rung, goes_on=True) for rung in rungs)
    between = np.outer(deviations, deviations) * AGREEMENT.correlation**apart
    return Imagined(candidates, candidates, costs, between, noise**2, INDIFFERENCE)


def is_good(race: Imagined, rungs: tuple[int, ...], work: float, number: int) -> bool:
    """Whether a real race is right after so much work, in one world."""
    generator = np.random.default_rng(number)
    size, root = race.candidates, np.linalg.cholesky(race.between)
    truth = generator.standard_normal((size, len(rungs))) @ root.T
    noise = math.sqrt(race.noise) * generator.standard_normal((size, SEEDS, len(rungs)))
    racing = race_of(spread_out(size), rungs=rungs)
    left = work
    while (ask := racing.ask()) is not None:
        k = rungs.index(ask.rung)
        left -= race.costs[k]
        if left < 0:
            break
        one = int(ask.variant)
        racing.tell(ask, Result(float(truth[one, k] + noise[one, ask.seed, k])))
    found = racing.leading()
    top = truth[:, -1]
    return found is not None and bool(top[int(found[0])] >= top.max() - INDIFFERENCE)


if __name__ == "__main__":
    main()
