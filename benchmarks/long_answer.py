"""Compute to coefficients that are good after long trainings: ``python -m benchmarks.long_answer``.

As `benchmarks.to_the_answer`, whose grids, landscapes and rates in small batches these are, but
what counts is top-1 after trainings of nine times the brief images. The classic practice trains
every triple for so long, by scalegrid's recipe; scalegrid races over the rungs 1, 3, 9, and has to
learn how far they agree. Simulated for `nano` on CIFAR-10, where it was measured what longer
trainings do (`fidelity-nano-cifar10`):

* The landscape of a rung is drawn from that of the rung before, with the correlation and the fall
  of the spread of `scalegrid.analysis.measured.AGREEMENT`.
* Noise between seeds falls from rung to rung, and a line keeps a part of its luck, by the straight
  lines through the logarithms of what that table's trials have at its four rungs.
* Work is counted in brief trainings; one that goes on costs what its rung has more, and the decay
  of the rung before. The baseline and the axes of other cost are trained briefly. Races over rungs
  go by top-1 alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np

from benchmarks.rungs import RUNGS, World, spending
from benchmarks.selection_worlds import (
    PUBLISHED,
    Setting,
    draw_means,
    race_of,
    rung_worlds,
)
from benchmarks.selection_worlds import World as Rung
from benchmarks.timing import publish, read_options
from benchmarks.to_the_answer import (
    LOCAL,
    Case,
    Drawn,
    Grid,
    Step,
    classic_grid,
    each_once,
    matched_grid,
    rates_of,
    sufficient,
    table,
)
from scalegrid.analysis.measured import AGREEMENT
from scalegrid.analysis.observations import Floats
from scalegrid.results import load_sweep
from scalegrid.spec import CONFIDENCE
from scalegrid.util.processes import available_cores

CASE = "nano on CIFAR-10"
"""The kind of `benchmarks.to_the_answer` whose longer trainings were measured."""

_SEEDS = 300  # of each candidate, more than are needed
_MOST = 1500.0  # work after which a race is given up


class Luck(NamedTuple):
    """How the noise of a line changes when its training is three times as long.

    ``falls`` is the factor of its standard deviation, ``kept`` the correlation with that before.
    """

    falls: float
    kept: float


class LongDrawn(NamedTuple):
    """A grid's candidates over rungs, and the true mean of the best network of all grids."""

    world: World
    best: float


class Ended(NamedTuple):
    """A race that has ended: its work, whether its choice is good, what it lacks to the best."""

    work: float
    good: bool
    short: float


def main() -> None:
    """Simulate, print, write parquet."""
    options = read_options("long_answer", __doc__)
    worlds, raced = (100, 8) if options.quick else (1000, 40)
    case, luck = Case.named(CASE), measured_luck()
    both = classic, matched = classic_grid(case.baseline), matched_grid(case.baseline)
    rates = rates_of(options.out, case.baseline)
    steps = [
        _uniform(name, grid, i, both, case, luck, worlds, rates.plain)
        for name, grid, i in (
            ("classic: every triple, nine times as long", classic, 0),
            ("+ each network once", each_once(classic), 0),
            ("+ networks of equal cost", matched, 1),
        )
    ]
    drawn = list(draw(matched, 1, both, case, luck, raced))
    for name, rungs in (
        ("+ raced until sure by itself", RUNGS[-1:]),
        ("+ over rungs 1, 3, 9", RUNGS),
    ):
        with ProcessPoolExecutor(available_cores()) as pool:
            ended = list(pool.map(partial(raced_over, rungs), drawn))
        work, good, short = (float(np.mean(column)) for column in zip(*ended, strict=True))
        steps.append(Step(name, matched, work, good, short, rates.plain))
    steps.append(steps[-1]._replace(name="+ in scalegrid's loop", rate=rates.scalegrid))
    publish("long_answer", table(steps, case.baseline, rates), options.out)


def measured_luck() -> Luck:
    """That of the sweep that `AGREEMENT` is from."""
    rungs = rung_worlds(load_sweep(AGREEMENT.table, PUBLISHED))
    apart = {k: one.values - one.values.mean(1, keepdims=True) for k, one in rungs.items()}
    length = {k: math.log(k, 3) for k in rungs}
    deviations = [math.log(float(apart[k].std())) for k in rungs]
    falls = math.exp(np.polyfit(list(length.values()), deviations, 1)[0])
    pairs = list(combinations(rungs, 2))
    steps = np.array([length[long] - length[short] for short, long in pairs])
    together = [np.corrcoef(apart[i].ravel(), apart[j].ravel())[0, 1] for i, j in pairs]
    return Luck(falls, math.exp(steps @ np.log(together) / (steps @ steps)))


def draw(
    grid: Grid, which: int, both: Sequence[Grid], case: Case, luck: Luck, worlds: int
) -> Iterator[LongDrawn]:
    """Worlds of the candidates of one grid over rungs, always the same ones.

    Args:
        grid: the candidates; its networks are those of ``both[which]``.
        which: the place among ``both``.
        both: the grids that share the landscapes.
        case: how much its candidates and their seeds differ at the first rung.
        luck: how the noise changes from rung to rung.
        worlds: how many.
    """
    shares = np.concatenate([one.shares for one in both])
    start = sum(len(one.shares) for one in both[:which])
    own = start + grid.network
    for number in range(worlds):
        landscapes = _landscapes(case, shares, np.random.default_rng([number, len(shares)]))
        generator = np.random.default_rng([number, which])
        noise = case.noise * _lines(luck, generator, (len(own), _SEEDS))
        truth = landscapes[own]
        world = World(shares[own], truth, truth[:, None] + noise)
        yield LongDrawn(world, float(landscapes[:, -1].max()))


def _landscapes(case: Case, shares: Floats, generator: np.random.Generator) -> Floats:
    """True means (N, rungs) of networks, each column like the one before it as far as measured."""
    setting = Setting(len(shares), case.spread, LOCAL)
    drawn = partial(draw_means, setting, shares, generator)
    return _over_rungs(drawn, AGREEMENT.correlation, AGREEMENT.spread)


def _lines(luck: Luck, generator: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Noise (candidates, seeds, rungs) of lines, with a standard deviation of 1 at the first."""
    return _over_rungs(lambda: generator.standard_normal(size), luck.kept, luck.falls)


def _over_rungs(drawn: Callable[[], Floats], kept: float, falls: float) -> Floats:
    """Draws along a last axis of rungs: correlated with those before, and smaller by a factor."""
    columns = [drawn()]
    for _ in RUNGS[1:]:
        columns.append(kept * columns[-1] + math.sqrt(1 - kept**2) * drawn())
    return np.stack(columns, axis=-1) * falls ** np.arange(len(RUNGS))


def _uniform(
    name: str,
    grid: Grid,
    which: int,
    both: Sequence[Grid],
    case: Case,
    luck: Luck,
    worlds: int,
    rate: float,
) -> Step:
    """All candidates at the highest rung with as many seeds as suffice."""
    at_top = [
        Drawn(Rung(one.world.shares, one.world.truth[:, -1], one.world.values[:, :, -1]), one.best)
        for one in draw(grid, which, both, case, luck, worlds)
    ]
    trials, good, short = sufficient(at_top, _SEEDS)
    return Step(name, grid, trials * RUNGS[-1], good, short, rate)


def raced_over(rungs: Sequence[int], drawn: LongDrawn) -> Ended:
    """A race to 95 % over these of `RUNGS`, the last of which is the highest."""
    world, spent, choice = drawn.world, 0.0, 0
    race = race_of(world.shares, CONFIDENCE, rungs=rungs if len(rungs) > 1 else (1,))
    for spent in spending(race, world, rungs):
        if spent >= _MOST:
            break
    if (leading := race.leading()) is not None:
        choice = int(leading[0])
    return Ended(spent, world.good(choice), drawn.best - float(world.truth[choice, -1]))


if __name__ == "__main__":
    main()
