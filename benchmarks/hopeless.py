"""Would it pay to stop trials that are hopeless in the middle? ``python -m benchmarks.hopeless``.

A trial is stopped after a part of its epochs if by then its candidate has a chance under 1 % of
being within the zone of the best. This is made as easy as it can be: the best is known, the chance
is that of the straight line through all trials of the table, by top-1 or the validation loss,
whichever predicts better, and what a stopped trial would have told is told nevertheless. So
``saved``, the part of a race's epochs that are not trained, is more than a sweep would save; races
replay the trials as `benchmarks.sensor` does. ``lost`` is the part of stopped trials whose
candidate is within the zone.

Over rungs the same is done with all trials of a higher rung that the sweep trained: all candidates
with three seeds, or what a race chose. ``saved`` is then the part of all that was trained at that
rung. What follows from it is in docs/fidelity.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np
from scipy.special import ndtri

from benchmarks.selection_worlds import (
    INDIFFERENCE,
    PUBLISHED,
    World,
    candidates_of,
    race_of,
    table_world,
)
from benchmarks.timing import publish, read_options
from scalegrid.allocation import Result
from scalegrid.analysis.observations import Flags, Floats
from scalegrid.results import SweepTables, load_sweep
from scalegrid.spec import CONFIDENCE
from scalegrid.training.held import rung_work

TABLES = ("nano-leaves-32", "nano-cifar10-32", "mobilenetv2-clothing-36", "nano-glyphs-32")
OVER_RUNGS = ("fidelity-nano-cifar10", "study-nano", "study-resnet")
HOPELESS = 0.01
RACES, LONGEST = 40, 400


def main() -> None:
    """Print the table, and write it as parquet."""
    options = read_options("hopeless", __doc__)
    races = 4 if options.quick else RACES
    rows = [row for name in TABLES for row in of_races(load_sweep(name, PUBLISHED), races)]
    rows += [row for name in OVER_RUNGS for row in of_rungs(load_sweep(name, PUBLISHED))]
    publish("hopeless", rows, options.out)


def of_races(tables: SweepTables, races: int) -> Iterator[dict[str, object]]:
    """A row for each epoch but the last, of races that replay the trials."""
    world = table_world(tables)
    seeds = sorted(tables.trials["seed"].unique())[: world.values.shape[1]]
    curves = tables.history.merge(tables.trials[["trial", "variant", "seed"]], on="trial")
    epochs = int(curves["epoch"].max())
    raced = [list(_race(world, number)) for number in range(races)]
    for epoch in range(1, epochs):
        wide = curves[curves["epoch"] == epoch].pivot(index="variant", columns="seed")
        wide = wide.reindex(candidates_of(tables)["variant"])
        partial = [wide[key][seeds].to_numpy(np.float64) for key in ("top1", "val_loss")]
        truth = np.broadcast_to(world.truth[:, None], world.values.shape)
        stop = hopeless([one.ravel() for one in partial], truth.ravel()).reshape(truth.shape)
        good = world.good[:, None] & stop
        yield {
            "table": tables.folder.name,
            "after": epoch / epochs,
            "stopped": float(stop.mean()),
            "saved": (1 - epoch / epochs)
            * float(np.mean([stop[at] for one in raced for at in one])),
            "lost": float(good.sum() / stop.sum()) if stop.any() else None,
        }


def of_rungs(tables: SweepTables) -> Iterator[dict[str, object]]:
    """A row for each epoch but the last of each higher rung, of its own epochs."""
    candidates = candidates_of(tables)["variant"]
    trials = tables.trials[tables.trials["variant"].isin(candidates)]
    curves = tables.history.merge(trials[["trial", "variant", "seed", "rung"]], on="trial")
    rungs = sorted(trials["rung"].unique())
    for rung in rungs[1:]:
        wide = curves[curves["rung"] == rung]
        last = int(wide["epoch"].max())
        table = wide.pivot(index=["variant", "seed"], columns="epoch")
        means = 100 * table["top1"][last].groupby("variant").transform("mean")
        truth = means.to_numpy(np.float64)
        own = rung_work(rungs, rung, goes_on=True) / rung * last
        for epoch in range(1, last):
            if last - epoch > own:
                continue  # of the rung before
            partial = [table[key][epoch].to_numpy(np.float64) for key in ("top1", "val_loss")]
            stop = hopeless(partial, truth)
            good = stop & (truth >= truth.max() - INDIFFERENCE)
            yield {
                "table": f"{tables.folder.name}, {rung}×",
                "after": 1 - (last - epoch) / own,
                "stopped": float(stop.mean()),
                "saved": (last - epoch) / own * float(stop.mean()),
                "lost": float(good.sum() / stop.sum()) if stop.any() else None,
            }


def hopeless(partial: list[Floats], truth: Floats) -> Flags:
    """Which trials are to be stopped, by what they have so far, (trials,) each."""
    best = None
    for values in partial:
        line = np.polynomial.Polynomial.fit(values, truth, 1)(values)
        error = sqrt(float(((truth - line) ** 2).sum()) / (len(truth) - 2))
        if best is None or error < best[1]:
            best = line, error
    assert best is not None
    line, error = best
    stop: Flags = line - ndtri(HOPELESS) * error < truth.max() - INDIFFERENCE
    return stop


def _race(world: World, number: int) -> Iterator[tuple[int, int]]:
    """The candidate and the seed of each trial until the race is clear."""
    drawn = np.random.default_rng(number).integers(world.values.shape[1], size=LONGEST)
    racing = race_of(world.shares, CONFIDENCE, most=LONGEST)
    while (ask := racing.ask()) is not None:
        at = int(ask.variant), int(drawn[ask.seed])
        racing.tell(ask, Result(float(world.values[at])))
        yield at


if __name__ == "__main__":
    main()
