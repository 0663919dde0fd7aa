"""Compute from nothing to coefficients one can rely on: ``python -m benchmarks.to_the_answer``.

Until the recommended candidate is within 0.3 points of the best one with 95 % probability, for the
classic practice (every triple of the classic grid trained with equally many seeds in a
plain loop, the highest mean taken) and for scalegrid's (the matched grid, raced with the response
surface until the recommendation itself is 95 % sure, in scalegrid's loop). The rows between take
one step at a time, so that one sees what each is worth.

Simulated, since the classic side takes most of a day, and one world shows nothing. What is real,
and what is assumed:

* Candidates, their budget shares and activations are those of scalegrid's plans at the resolution
  of a brief sweep. The time of a trial is proportional to activations (see
  `scalegrid.progress.estimate`).
* Rates of the loops are those that `train_throughput` measured on the network at 32 px, the
  resolution nearest to a brief sweep's, in batches of 64 and of 16, if its tables are there, else
  measured now, coarsely. The plain loop is the better of its two rivals.
* Each world is one landscape of accuracy at equal cost over the triangle, from which both grids
  take their candidates, 0.1 points of it not smooth. The standard deviations between candidates
  and between seeds are those of a real table (`scalegrid.analysis.measured`), whose trials were
  made by scalegrid's recipe. The classic side has a usual recipe, in batches of 64 and with its
  own tuned rate: the same landscape, with the noise of a table of the same candidates. The real
  differences of cost between the classic grid's networks (1.4 to 3.1 times the baseline's) are not
  allowed to mislead it, which they would.
* Of the validation and the training loss, which scalegrid's model uses as well, the noise, and how
  it goes with that of top-1, are those of the same table. Their true means agree with those of
  top-1 by a correlation of 0.95; in the tables it is 1, as far as eight candidates can show.
* Both are asked for one of the best of their own candidates. ``short by`` is what the choice lacks,
  in the mean, to the best network of either grid: with more candidates, as the classic grid has,
  one of them is better by chance. The last row gives scalegrid as many as there are at equal cost,
  up to that number.
* Nothing tells the classic practice when it has enough seeds. It is given the least number that
  suffices on average over the worlds. scalegrid pays for what its own rule takes, and for the
  baseline and the single axes of other cost that its sweep trains too.
* Triples that build the same network are trained once each, with results of their own, as a loop
  over triples does. All trials see the same number of images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.contenders import BATCH
from benchmarks.selection_tables import looks_of, stops, trials_needed
from benchmarks.selection_worlds import (
    PUBLISHED,
    Race,
    Setting,
    World,
    draw_means,
    run_race,
    run_uniform,
    table_world,
    top_two,
)
from benchmarks.timing import median_range, publish, read_options
from benchmarks.train_throughput import measure, table_name
from scalegrid import baselines, cost
from scalegrid.analysis.measured import KINDS
from scalegrid.analysis.observations import Floats, Ints
from scalegrid.cost.table import Costs
from scalegrid.plan import Plan, make_plan, resolve
from scalegrid.plan.classic import classic_picks
from scalegrid.plan.realisable import measured_shares
from scalegrid.plan.resolve import brief_images
from scalegrid.results import load_sweep
from scalegrid.spec import SweepSpec
from scalegrid.util.processes import available_cores

CASES = {"nano on CIFAR-10": "nano", "b0 on leaves": "b0", "mobilenetv2 on clothing": "mobilenetv2"}
"""The kinds of `measured` whose noise and spread are used, and their baselines."""

USUAL = {
    "nano on CIFAR-10": "nano-cifar10-plain",
    "b0 on leaves": "b0-leaves-plain",
    "mobilenetv2 on clothing": "mobilenetv2-clothing-plain",
}
"""The published sweeps of the same candidates by a usual recipe (`benchmarks.sensor.PLAIN`)."""

CLASSES = 10
BRIEF = 16
"""The images of a step in a brief sweep."""

MEASURED_AT = 32
"""Px at which the loops' rates are taken: the measured resolution nearest to a brief sweep's."""

LOCAL = 0.1
AGREES = 0.95
"""The correlation of the true means of a loss with those of top-1."""
LEVEL = 0.95
TARGET = 100.0
_SEEDS = 800  # of each candidate, more than are needed
_ROUNDS = 40.0  # of trials of each candidate, after which a race is given up


@dataclass(frozen=True)
class Grid:
    """What is trained: its networks, and which of them each trained candidate is.

    ``shares`` is (N, 3), ``work`` (M,) the activations of each candidate, ``network`` (M,) its row
    in ``shares``. ``besides`` is the activations of all that is trained once, and is no candidate.
    """

    shares: Floats
    network: Ints
    work: Floats
    besides: float = 0.0


class Rates(NamedTuple):
    """Images per second of a machine with so many cores, on a network at `MEASURED_AT` px.

    ``usual`` and ``plain`` are those of the better rival: in batches of 64, and in those of a brief
    sweep, as ``scalegrid``'s are.
    """

    usual: float
    plain: float
    scalegrid: float
    cores: int


class Drawn(NamedTuple):
    """A grid's candidates in a landscape, and the true mean of the best network of all grids."""

    world: World
    best: float


class Step(NamedTuple):
    """One way of going about it.

    After ``trials`` the part ``good`` of the choices is within the zone, and they are ``short`` of
    the best network of either grid by so many points in the mean.
    """

    name: str
    grid: Grid
    trials: float
    good: float
    short: float
    rate: float


class Case(NamedTuple):
    """A baseline and what its brief trainings are like.

    ``noise`` and ``spread`` are standard deviations in points of top-1, ``usual`` the noise by a
    usual recipe. ``losses`` are the noise of the validation and the training loss at the same
    spread, (2,), and ``together`` the correlations of the noise of all three, (3, 3).
    """

    name: str
    baseline: str
    noise: float
    spread: float
    usual: float
    losses: Floats
    together: Floats

    @classmethod
    def named(cls, name: str) -> Case:
        """That of a kind of sweeps whose noise was measured."""
        (kind,) = (kind for kind in KINDS if kind.name == name)
        noise, spread = kind.measured["top1"]
        world = table_world(load_sweep(kind.table, PUBLISHED))
        metrics = np.stack([world.values, *world.others])  # (3, n, seeds)
        means, seeds = metrics.mean(2), metrics.shape[2]
        apart = (metrics - means[:, :, None]).reshape(len(metrics), -1)
        within = apart @ apart.T / (means.shape[1] * (seeds - 1))
        between = np.diag(np.cov(means)) - np.diag(within) / seeds
        deviations = np.sqrt(np.diag(within))
        return cls(
            *(name, CASES[name], noise, spread, usual_noise(USUAL[name])),
            losses=spread * (deviations / np.sqrt(between))[1:],
            together=within / np.outer(deviations, deviations),
        )


def usual_noise(table: str) -> float:
    """The pooled standard deviation between seeds of a sweep's candidates, points of top-1."""
    values = table_world(load_sweep(table, PUBLISHED)).values
    return float(np.sqrt(values.var(axis=1, ddof=1).mean()))


def main() -> None:
    """Simulate, print, write parquet."""
    options = read_options("to_the_answer", __doc__)
    worlds, raced = (100, 10) if options.quick else (1000, 40)
    rows = []
    for name in list(CASES)[:1] if options.quick else CASES:
        case = Case.named(name)
        rates = rates_of(options.out, case.baseline)
        steps = _steps(case, (worlds, raced), rates)
        rows += [{"case": name, **row} for row in table(steps, case.baseline, rates)]
    publish("to_the_answer", rows, options.out)


def table(steps: Sequence[Step], baseline: str, rates: Rates) -> list[dict[str, object]]:
    """One row a step, with its compute against the first's."""
    model = baselines.skeleton(baselines.get(baseline), 1.0, 1.0, CLASSES)
    counted = cost.measure(model, MEASURED_AT)
    images, one = brief_images(counted.flops), counted.activations

    def seconds(step: Step) -> float:
        return work_of(step) * images / one * rates.cores / step.rate

    return [
        {
            "way (simulated)": step.name,
            "candidates": len(step.grid.work),
            "networks": len(step.grid.shares),
            "trials": step.trials,
            "good": step.good,
            "short by": step.short,
            "images (thousands)": step.trials * images / 1000,
            "thread-hours": seconds(step) / 3600,
            "times less compute": seconds(steps[0]) / seconds(step),
            "target": TARGET if step.rate == rates.scalegrid else None,
            "met": (
                seconds(steps[0]) / seconds(step) >= TARGET
                if step.rate == rates.scalegrid
                else None
            ),
        }
        for step in steps
    ]


def work_of(step: Step) -> float:
    """Activations of all trials for one image each.

    Candidates that get more trials than others are as likely expensive as cheap.
    """
    return float(step.trials * step.grid.work.mean() + step.grid.besides)


def classic_grid(baseline: str) -> Grid:
    """Every triple as a candidate of its own; several may be one network."""
    spec = _spec("classic", baseline)
    side = int(spec.resolution or 0)
    picks = classic_picks(spec, Costs(baselines.get(baseline), CLASSES), side)
    networks = picks[0].networks
    places = [pick.cell for pick in picks if pick.role == "grid"]
    distinct = list(dict.fromkeys(places))
    return Grid(
        shares=np.array([measured_shares(networks.costs, place) for place in distinct]),
        network=np.array([distinct.index(place) for place in places]),
        work=np.array([networks.cost(place).activations for place in places], dtype=np.float64),
    )


def matched_grid(baseline: str, candidates: int | None = None) -> Grid:
    """scalegrid's default candidates or so many, and the baseline and off-cost corners besides."""
    spec = _spec("matched", baseline)
    spec = spec.model_copy(update={"candidates": candidates or spec.candidates})
    return grid_of(make_plan(spec))


def grid_of(plan: Plan) -> Grid:
    """A plan's candidates at equal cost, each a network of its own."""
    raced = [v for v in plan.variants if v.role != "baseline" and v.phi == 1 and v.matched]
    others = [v.activations for v in plan.variants if v not in raced]
    return Grid(
        shares=np.array([v.shares for v in raced]),
        network=np.arange(len(raced)),
        work=np.array([v.activations for v in raced], dtype=np.float64),
        besides=float(sum(others)),
    )


def each_once(grid: Grid) -> Grid:
    """The same networks, each a candidate once."""
    _, first = np.unique(grid.network, return_index=True)
    return Grid(grid.shares, grid.network[first], grid.work[first], grid.besides)


def rates_of(folder: Path, baseline: str) -> Rates:
    """What `train_throughput` has measured here, or measures now, coarsely."""
    usual, brief = (
        _read(folder, baseline, batch) or _measure(baseline, batch) for batch in (BATCH, BRIEF)
    )
    better, brief_better = (max(rates["plain"], rates["timm"]) for rates in (usual, brief))
    return Rates(better, brief_better, brief["scalegrid"], available_cores())


_LOOPS = ("scalegrid", "plain", "timm")


def _read(folder: Path, baseline: str, batch: int) -> dict[str, float] | None:
    path = folder / f"{table_name(batch)}.parquet"
    if not path.exists():
        return None
    rows = pd.read_parquet(path).set_index(["network", "px"])
    if (baseline, MEASURED_AT) not in rows.index:
        return None
    return {name: float(rows.loc[(baseline, MEASURED_AT), f"{name} images/s"]) for name in _LOOPS}


def _measure(baseline: str, batch: int) -> dict[str, float]:
    figures = measure(baseline, MEASURED_AT, rounds=3, seconds=0.7, batch=batch).figures
    return {name: median_range(figures[name]).median for name in _LOOPS}


def _steps(case: Case, worlds: tuple[int, int], rates: Rates) -> list[Step]:
    """From the classic practice to scalegrid's, one step at a time."""
    both = classic, matched = classic_grid(case.baseline), matched_grid(case.baseline)
    once = each_once(classic)
    usual = case._replace(noise=case.usual)
    steps = [
        Step(
            name,
            grid,
            *sufficient(list(draw(grid, i, both, of, worlds[0], _SEEDS)), _SEEDS),
            rate,
        )
        for name, grid, i, of, rate in (
            ("classic: every triple, equal seeds", classic, 0, usual, rates.usual),
            ("+ scalegrid's recipe", classic, 0, case, rates.plain),
            ("+ each network once", once, 0, case, rates.plain),
            ("+ networks of equal cost", matched, 1, case, rates.plain),
        )
    ]
    alone = _raced(matched, 1, both, case, worlds[1], losses=False)
    by_top1 = float(trials_needed(alone)["trials_95"].iloc[0])
    looks = _raced(matched, 1, both, case, worlds[1])
    needed = float(trials_needed(looks)["trials_95"].iloc[0])
    many = matched_grid(case.baseline, len(once.work))
    return [
        *steps,
        Step("+ raced with the surface", matched, by_top1, *_at(alone, by_top1), rates.plain),
        Step("+ and with the losses' help", matched, needed, *_at(looks, needed), rates.plain),
        Step("+ until sure by itself", matched, *_at_stops(looks), rates.plain),
        Step("+ in scalegrid's loop", matched, *_at_stops(looks), rates.scalegrid),
        Step(
            "as the last, more candidates",
            many,
            *_at_stops(_raced(many, 1, [classic, many], case, worlds[1] // 4, enough=LEVEL)),
            rates.scalegrid,
        ),
    ]


def _raced(
    grid: Grid,
    which: int,
    both: Sequence[Grid],
    case: Case,
    worlds: int,
    *,
    losses: bool = True,
    enough: float = math.inf,
) -> pd.DataFrame:
    """All looks at races with the surface, until they are sure ``enough``; else as `draw`."""
    drawn = list(draw(grid, which, both, case, worlds, _SEEDS, losses=losses))
    race = partial(_race, losses=losses, enough=enough)
    with ProcessPoolExecutor(available_cores()) as pool:
        races = list(pool.map(race, (one.world for one in drawn)))
    return _looks("raced", drawn, races)


def _race(world: World, losses: bool, enough: float) -> Race:
    return run_race(*(world, top_two), surface=True, rounds=_ROUNDS, losses=losses, enough=enough)


def sufficient(drawn: Sequence[Drawn], seeds: int) -> tuple[float, float, float]:
    """Trials that suffice when all candidates get equally many, and what `_at` says of them.

    ``seeds`` of each candidate are tried at most.
    """
    looks = _looks("uniform", drawn, list(run_uniform((one.world for one in drawn), seeds)))
    needed = float(trials_needed(looks)["trials_95"].iloc[0])
    return needed, *_at(looks, needed)


def draw(
    grid: Grid,
    which: int,
    both: Sequence[Grid],
    case: Case,
    worlds: int,
    trials: int,
    *,
    losses: bool = False,
) -> Iterator[Drawn]:
    """Worlds of the candidates of one grid, always the same ones.

    Args:
        grid: the candidates; its networks are those of ``both[which]``.
        which: the place among ``both``.
        both: the grids that share the landscape.
        case: how much its candidates and their seeds differ.
        worlds: how many.
        trials: of each candidate.
        losses: whether trials have losses beside top-1.
    """
    shares = np.concatenate([one.shares for one in both])
    start = sum(len(one.shares) for one in both[:which])
    setting = Setting(len(shares), case.spread, LOCAL)
    for number in range(worlds):
        landscape = draw_means(setting, shares, np.random.default_rng([number, len(shares)]))
        truth = landscape[start + grid.network]
        noise = np.random.default_rng([number, which]).standard_normal((trials, len(truth))).T
        others = _losses(case, truth, noise, number) if losses else ()
        values = truth[:, None] + case.noise * noise
        world = World(shares[start + grid.network], truth, values, others)
        yield Drawn(world, float(landscape.max()))


def _losses(case: Case, truth: Floats, noise: Floats, number: int) -> tuple[Floats, ...]:
    """Two losses of trials, less being worse, by the standard ``noise`` (n, trials) of top-1."""
    generator = np.random.default_rng([number, 7])
    own = case.spread * generator.standard_normal((2, len(truth)))
    means = AGREES * truth + math.sqrt(1 - AGREES**2) * own
    normal = np.stack([noise, *generator.standard_normal((2, *noise.shape))])
    together = np.tensordot(np.linalg.cholesky(case.together), normal, 1)[1:]
    return tuple(means[:, :, None] + case.losses[:, None, None] * together)


def _looks(rule: str, drawn: Sequence[Drawn], races: Sequence[Race]) -> pd.DataFrame:
    """All looks, with what each choice lacks to the best network of the landscape as ``short``."""
    short = [
        one.best - one.world.truth[race.choice] for one, race in zip(drawn, races, strict=True)
    ]
    looks: pd.DataFrame = looks_of("", rule, races).assign(short=np.concatenate(short))
    return looks


def _at(looks: pd.DataFrame, trials: float) -> tuple[float, float]:
    """The part of the choices that is good after so many trials, and what they lack in the mean."""
    reached = looks[looks["trials"] >= trials].drop_duplicates("world")
    return float(reached["good"].mean()), float(reached["short"].mean())


def _at_stops(looks: pd.DataFrame) -> tuple[float, float, float]:
    """Mean trials until each race stops by itself, the part that is good then, what they lack."""
    stopped, _ = stops(looks, LEVEL)
    trials, good, short = (float(stopped[key].mean()) for key in ("trials", "good", "short"))
    return trials, good, short


def _spec(grid: str, baseline: str) -> SweepSpec:
    return resolve(SweepSpec.model_validate({"grid": grid, "baseline": baseline}))


if __name__ == "__main__":
    main()
