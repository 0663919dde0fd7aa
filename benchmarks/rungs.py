"""How much training each way over rungs needs: ``python -m benchmarks.rungs``.

In simulated worlds the candidate that is best at the highest rung is known, and so is how far brief
and long trainings agree. Work is counted in trials of the first rung. Compared with racing over the
rungs are uniform allocation and racing at the highest rung alone, and successive halving that
promotes asynchronously (ASHA: Li et al., MLSys 2020; a third goes on, as in Syne Tune and Optuna),
with more and more seeds of each candidate. The numbers are the same on every run;
docs/statistics.md says what they mean. ``--forecasts`` compares instead, along races over rungs to
95 %, the work that a race expects yet with what it took.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd

from benchmarks.selection_tables import calibration, for_people, looks_of, stopping, trials_needed
from benchmarks.selection_worlds import INDIFFERENCE, Race, race_of, spread_out
from benchmarks.timing import bounded, options_parser
from scalegrid.allocation import Racing, Result
from scalegrid.analysis.observations import Floats
from scalegrid.cli.output import print_table
from scalegrid.spec import CONFIDENCE
from scalegrid.training.held import rung_work
from scalegrid.util.processes import available_cores

RUNGS = (1, 3, 9)
SPREAD = (1.0, 0.9, 0.8)  # standard deviations between candidates at each rung, points
NOISE = (0.9, 0.8, 0.7)
KEPT = 0.5  # correlation of a line's noise from rung to rung
SEEDS = 60
MORE_SEEDS = 540  # which only a race at the first rung may use
GRID = 10  # work between looks
REDUCTION = 3


@dataclass(frozen=True)
class World:
    """True values (n, K) of candidates with ``shares``, and those of all lines (n, seeds, K)."""

    shares: Floats
    truth: Floats
    values: Floats

    def good(self, choice: int) -> bool:
        """Whether a candidate is within the zone of the best at the highest rung."""
        top = self.truth[:, -1]
        return bool(top[choice] >= top.max() - INDIFFERENCE)


def draw_world(number: int, candidates: int, tau: float) -> World:
    """A world in which Kendall's τ of the first and the highest rung is ``tau`` in the mean."""
    generator = np.random.default_rng([number, candidates, round(100 * tau)])
    step = math.sin(math.pi * tau / 2) ** (1 / (len(RUNGS) - 1))
    between, within = (_covariance(*pair) for pair in ((SPREAD, step), (NOISE, KEPT)))
    truth = generator.multivariate_normal(np.zeros(len(RUNGS)), between, candidates)
    noise = [
        generator.multivariate_normal(np.zeros(len(RUNGS)), within, (candidates, seeds))
        for seeds in (SEEDS, MORE_SEEDS)
    ]
    values = truth[:, None] + np.concatenate(noise, axis=1)
    return World(spread_out(candidates), truth, values)


def _covariance(deviations: Sequence[float], correlation: float) -> Floats:
    rung = np.arange(len(deviations))
    covariance: Floats = np.outer(deviations, deviations) * correlation ** np.abs(
        np.subtract.outer(rung, rung)
    )
    return covariance


Look = tuple[float, int, float]
"""The work so far, the choice, and the probability that it is good, by the rule itself."""


def racing(world: World, most: float) -> Iterator[Look]:
    """What a sweep with ``--rungs 1,3,9`` and racing does, one trial after the other."""
    return _race(world, RUNGS, most)


def racing_at_the_top(world: World, most: float) -> Iterator[Look]:
    """Racing that trains every trial at the highest rung, from nothing."""
    return _race(world, RUNGS[-1:], most)


def _race(world: World, rungs: Sequence[int], most: float) -> Iterator[Look]:
    several = len(rungs) > 1
    race = race_of(world.shares, rungs=rungs if several else (1,))
    for spent in spending(race, world, rungs):
        if (told := race.leading()) is not None:
            certainty = race.certainty  # None before the noise has been seen
            yield spent, int(told[0]), math.nan if certainty is None else certainty
        if spent >= most:
            return


def spending(race: Racing, world: World, rungs: Sequence[int]) -> Iterator[float]:
    """Tell a race the trials that it asks for until it ends; the work so far, after each."""
    work = [rung_work(rungs, rung, goes_on=True) for rung in rungs]
    spent = 0.0
    while (ask := race.ask()) is not None:
        number = rungs.index(ask.rung) if len(rungs) > 1 else 0
        column = RUNGS.index(rungs[number])
        spent += work[number]
        race.tell(ask, Result(float(world.values[int(ask.variant), ask.seed, column])))
        yield spent


def uniform_at_the_top(world: World, most: float) -> Iterator[Look]:
    """All candidates at the highest rung with one seed after the other; the highest mean."""
    size, spent = len(world.truth), 0.0
    for seeds in range(1, SEEDS):
        spent += size * RUNGS[-1]
        yield spent, int(world.values[:, :seeds, -1].mean(1).argmax()), math.nan
        if spent >= most:
            return


def asha(world: World, most: float) -> Iterator[Look]:
    """Asynchronous successive halving, with one more seed of every candidate each time."""
    work = [rung_work(RUNGS, rung, goes_on=True) for rung in RUNGS]
    for seeds in range(1, SEEDS):
        means = world.values[:, :seeds].mean(1)
        visits = _promoted(means)
        spent = seeds * sum(work[rung] for _, rung in visits)
        highest = max(rung for _, rung in visits)
        at_top = [candidate for candidate, rung in visits if rung == highest]
        yield spent, max(at_top, key=lambda one: means[one, highest]), math.nan
        if spent >= most:
            return


def _promoted(means: Floats) -> list[tuple[int, int]]:
    """The candidates and rungs that ASHA visits, where candidates come in their order."""
    visits: list[tuple[int, int]] = []
    waiting = list(range(len(means)))
    while True:
        for rung in reversed(range(len(RUNGS) - 1)):
            here = sorted(
                (one for one, at in visits if at == rung), key=lambda one: -means[one, rung]
            )
            above = {one for one, at in visits if at == rung + 1}
            chosen = [one for one in here[: len(here) // REDUCTION] if one not in above]
            if chosen:
                visits.append((chosen[0], rung + 1))
                break
        else:
            if not waiting:
                return visits
            visits.append((waiting.pop(0), 0))


WAYS = {
    "uniform": uniform_at_the_top,
    "ASHA": asha,
    "racing at the top": racing_at_the_top,
    "racing over rungs": racing,
}
TAUS = (0.9, 0.6, 0.0)


def run(way: str, candidates: int, tau: float, most: float, number: int) -> Race:
    """One world, looked at after equal steps of work."""
    looks = list(WAYS[way](draw_world(number, candidates, tau), most))
    world = draw_world(number, candidates, tau)
    spent = np.array([look[0] for look in looks])
    grid = np.arange(2 * GRID, most + GRID, GRID)
    last = np.searchsorted(spent, grid, side="right") - 1
    chosen = [looks[at] if at >= 0 else (0.0, -1, math.nan) for at in last]
    return Race(
        grid.astype(np.int64),
        np.array([look[1] for look in chosen]),
        np.array([look[1] >= 0 and world.good(look[1]) for look in chosen]),
        np.array([look[2] for look in chosen]),
    )


def forecasts(candidates: int, tau: float, number: int) -> list[float]:
    """What a race expected over what it took, at moments between which its work grew by 1.4."""
    world, spent, looks = draw_world(number, candidates, tau), 0.0, [(1.0, 0.0)]
    race = race_of(world.shares, CONFIDENCE, rungs=RUNGS)
    for spent in spending(race, world, RUNGS):
        if race.certainty is not None and spent >= 1.4 * looks[-1][0]:
            left = race.remaining().items()
            expected = sum(n * rung_work(RUNGS, rung, goes_on=True) for (_, rung), n in left)
            looks.append((spent, expected))
    return [expected / (spent - at) for at, expected in looks[1:] if at < spent]


def _forecast_row(tau: float, ratios: Sequence[float]) -> dict[str, str]:
    found = np.array(ratios)
    inside = np.mean((found > 1 / 3) & (found < 3))
    return {
        "world": f"τ {tau:g}",
        "moments": str(len(found)),
        "expected / took": f"{np.median(found):.2f}",
        "within three times": f"{100 * inside:.0f} %",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, print tables, write parquet files."""
    options = _parser().parse_args(arguments)
    worlds = 8 if options.quick else options.worlds
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    if options.forecasts:
        with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
            for tau in options.taus:
                found = pool.map(partial(forecasts, options.candidates, tau), range(worlds))
                print_table([_forecast_row(tau, [ratio for race in found for ratio in race])])
        return
    frames = []
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for tau in options.taus:
            for way in options.ways:
                one = partial(run, way, options.candidates, tau, options.most)
                races = list(pool.map(one, range(worlds)))
                frames.append(looks_of(f"τ {tau:g}", way, races))
    looks = pd.concat(frames, ignore_index=True)
    tables = {
        "work": trials_needed(looks),
        "stopping": stopping(looks),
        "calibration": calibration(looks),
    }
    for part, frame in tables.items():
        if part != "calibration" and len(frame):  # some ways have no probability
            print_table(for_people(frame))
        frame.to_parquet(options.out / f"rungs-{part}.parquet", index=False)


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("rungs", __doc__)
    parser.add_argument("--worlds", type=bounded(int, 1), default=60, help="of each kind")
    parser.add_argument("--candidates", type=bounded(int, 2), default=12)
    parser.add_argument(
        "--most", type=bounded(float, 2 * GRID, 1e6), default=560.0, help="work to stop at"
    )
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--forecasts", action="store_true", help="of races, beside what they took")
    parser.add_argument("--taus", nargs="+", type=bounded(float, 0, 1), default=TAUS)
    parser.add_argument("--workers", type=bounded(int, 1), default=available_cores())
    return parser


if __name__ == "__main__":
    main()
