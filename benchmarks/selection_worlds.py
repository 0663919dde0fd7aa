"""Worlds in which the best candidate is known, and races run in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from scalegrid.allocation import Racing
from scalegrid.analysis import joint
from scalegrid.analysis.candidates import raced
from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Flags, Floats, Ints, Observations
from scalegrid.analysis.region import mesh
from scalegrid.analysis.repeat import most_worth_repeating
from scalegrid.analysis.selection import MIN_REPEATS, chances
from scalegrid.analysis.surface import fit
from scalegrid.analysis.tables import brief_trials
from scalegrid.results import SweepTables
from scalegrid.util.errors import UserError
from scalegrid.util.text import enumerated

PUBLISHED = Path("results/published")
"""The committed sweeps."""

NOISE = 0.7
INDIFFERENCE = 0.3
LOSS_NOISE = 0.8  # over that of the values, at the same spread


@dataclass(frozen=True)
class Setting:
    """Candidates on the triangle whose true means have standard deviation ``spread`` (points).

    ``local`` is the standard deviation of what is not smooth in them; None: nothing is smooth.
    ``agrees`` is the correlation of the true means with those of a loss, whose noise is correlated
    with that of the values by 0.9; None: there is no loss.
    """

    candidates: int
    spread: float
    local: float | None
    agrees: float | None = None

    def __str__(self) -> str:
        local = "no surface" if self.local is None else f"local {self.local:g}"
        loss = "" if self.agrees is None else f", loss {self.agrees:g}"
        return f"{self.candidates} candidates, spread {self.spread:g}, {local}{loss}"


@dataclass(frozen=True)
class World:
    """True means (n,), and the value of every trial there could be: (n, trials of each).

    ``others`` are further metrics of these trials, each (n, trials of each).
    """

    shares: Floats
    truth: Floats
    values: Floats
    others: tuple[Floats, ...] = ()

    @property
    def good(self) -> Flags:
        """Which candidates are within the zone of the best."""
        good: Flags = self.truth >= self.truth.max() - INDIFFERENCE
        return good

    def observed(self, counts: Sequence[int] | Ints, *, losses: bool) -> Observations:
        """The first so many trials of each candidate, with the other metrics or without."""
        metrics = (self.values, *self.others) if losses else (self.values,)
        size = len(self.truth)
        trials = ((i, k) for i in range(size) for k in range(counts[i]))
        rows = ((i, k, *(float(metric[i, k]) for metric in metrics)) for i, k in trials)
        return Observations.collect(size, rows)


def race_of(
    shares: Floats,
    confidence: float | None = None,
    *,
    most: int | None = None,
    rungs: Sequence[int] = (1,),
) -> Racing:
    """A race of candidates with budget ``shares`` (n, 3), which are called by their numbers."""
    names = [f"{number:03}" for number in range(len(shares))]
    return Racing(
        names,
        dict(zip(names, shares.tolist(), strict=True)),
        indifference=INDIFFERENCE,
        confidence=confidence,
        max_trials=most,
        rungs=rungs,
    )


def spread_out(count: int) -> Floats:
    """Points of the triangle: its corners, then always the one furthest from those before."""
    points = mesh(24)
    chosen = [int(points[:, axis].argmax()) for axis in range(3)]
    while len(chosen) < count:
        apart = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(1)
        chosen.append(int(apart.argmax()))
    return points[chosen]


def draw_worlds(setting: Setting, count: int, trials: int) -> Iterator[World]:
    """Worlds of a setting, always the same ones, with ``trials`` trials of each candidate."""
    shares = spread_out(setting.candidates)
    for number in range(count):
        generator = np.random.default_rng([number, setting.candidates])
        truth = draw_means(setting, shares, generator)
        noise = generator.standard_normal((trials, setting.candidates)).T
        values = truth[:, None] + NOISE * noise
        if setting.agrees is None:
            yield World(shares, truth, values)
            continue
        own = setting.spread * _standard(generator.standard_normal(len(truth)))
        loss = _mixed(setting.agrees, truth, own)[:, None]
        loss = loss + LOSS_NOISE * NOISE * _mixed(
            0.9, noise, generator.standard_normal(noise.T.shape).T
        )
        yield World(shares, truth, values, (loss,))


def _mixed(correlation: float, values: Floats, own: Floats) -> Floats:
    mixed: Floats = correlation * values + np.sqrt(1 - correlation**2) * own
    return mixed


def candidates_of(tables: SweepTables) -> pd.DataFrame:
    """The rows of the plan last run that can be recommended."""
    table = tables.planned
    roles, phis, matched = (table[key].tolist() for key in ("role", "phi", "matched"))
    candidates: pd.DataFrame = table[raced(roles, phis, matched)]
    return candidates


def table_world(tables: SweepTables) -> World:
    """A real table as if its means were the truth, of brief trials: `rung_worlds` of these."""
    return rung_worlds(replace(tables, trials=brief_trials(tables.trials)))[1]


def rung_worlds(tables: SweepTables) -> dict[int, World]:
    """A real table by rungs, rising, as if its means were the truth.

    Values are top-1 in points, of the candidates at equal cost and the seeds that all of them have
    at all rungs; ``others`` are the validation and the training loss in nats, less being worse.

    Raises:
        UserError: there are no two such seeds.
    """
    candidates = candidates_of(tables)
    shares = candidates[["share_depth", "share_width", "share_resolution"]].to_numpy(np.float64)
    finished = tables.trials[tables.trials["status"] == "finished"]
    metrics = ["top1", "val_loss", "train_loss"]
    rungs = sorted(finished["rung"].unique().tolist()) or [1]
    wide = finished.pivot_table(index="variant", columns=["rung", "seed"], values=metrics)
    wide = wide.reindex(candidates["variant"])
    whole = wide.notna().all().groupby(level="seed").sum() == len(metrics) * len(rungs)
    seeds = whole.index[whole]
    if len(seeds) < 2:
        raise UserError(
            f"{tables.folder} does not have two seeds that every candidate has finished at "
            f"{enumerated([f'{rung}×' for rung in rungs])}; run more."
        )
    worlds = {}
    for rung in rungs:
        top1, *losses = (wide[name][rung][seeds].to_numpy(np.float64) for name in metrics)
        values = 100 * top1
        worlds[rung] = World(shares, values.mean(1), values, tuple(-loss for loss in losses))
    return worlds


def replay_worlds(tables: SweepTables, count: int, trials: int) -> Iterator[World]:
    """`table_world`, its seeds drawn again and again with replacement.

    A drawn seed is the same one for all candidates, as in a sweep.
    """
    world = table_world(tables)
    for number in range(count):
        drawn = np.random.default_rng(number).integers(world.values.shape[1], size=trials)
        others = tuple(loss[:, drawn] for loss in world.others)
        yield World(world.shares, world.truth, world.values[:, drawn], others)


def draw_means(setting: Setting, shares: Floats, generator: np.random.Generator) -> Floats:
    """True means of candidates at ``shares``: a random smooth function, and what is not smooth."""
    own = _standard(generator.standard_normal(len(shares)))
    if setting.local is None:
        return setting.spread * own
    smooth = _standard(SHAPES[generator.integers(len(SHAPES))](shares, generator))
    part = np.sqrt(setting.spread**2 - setting.local**2)
    mixed: Floats = _standard(part * smooth + setting.local * own) * setting.spread
    return mixed


def _standard(values: Floats) -> Floats:
    centred = values - values.mean()
    standard: Floats = centred / centred.std()
    return standard


def _parabola(shares: Floats, generator: np.random.Generator) -> Floats:
    x = shares[:, :2] - 1 / 3
    terms = np.column_stack([x, x**2, x[:, :1] * x[:, 1:]])
    terms = (terms - terms.mean(0)) / terms.std(0)
    return np.asarray(terms @ generator.standard_normal(5), dtype=np.float64)


def _waves(shares: Floats, generator: np.random.Generator) -> Floats:
    """A draw of a Gaussian process with a random length of 0.3 to 1 (the side is 1.41)."""
    length = generator.uniform(0.3, 1.0)
    waves = generator.standard_normal((3, 200)) / length
    phases = generator.uniform(0, 2 * np.pi, 200)
    return np.asarray(
        np.cos(shares @ waves + phases) @ generator.standard_normal(200), dtype=np.float64
    )


def _returns(shares: Floats, generator: np.random.Generator) -> Floats:
    """Diminishing returns along each axis, at different rates: what scaling laws look like."""
    rate = np.exp(generator.normal(np.log(3), 0.6, 3))
    height = generator.dirichlet([3.0, 3.0, 3.0])
    return np.asarray(-np.expm1(-rate * shares) / -np.expm1(-rate) @ height, dtype=np.float64)


SHAPES: tuple[Callable[[Floats, np.random.Generator], Floats], ...] = (_parabola, _waves, _returns)

Rule = Callable[[Posterior, Ints, np.random.Generator], int]


def top_two(posterior: Posterior, counts: Ints, generator: np.random.Generator) -> int:
    """What `Racing` does."""
    allowed = np.ones(len(counts), dtype=np.bool_)
    chosen = most_worth_repeating(
        posterior.expected, posterior.covariance, posterior.noise_told, INDIFFERENCE, allowed
    )
    return int(chosen)


def thompson(posterior: Posterior, counts: Ints, generator: np.random.Generator) -> int:
    """Top-two Thompson sampling (Russo, 2016) with β = 1/2."""
    best = posterior.sample(512, generator).values.argmax(1)
    best = generator.permutation(best)
    others = best[best != best[0]]
    return int(others[0] if len(others) and generator.random() < 0.5 else best[0])


def ocba(posterior: Posterior, counts: Ints, generator: np.random.Generator) -> int:
    """Optimal computing budget allocation (Chen et al., 2000), gaps widened by the zone."""
    expected = posterior.expected
    leader = int(expected.argmax())
    wanted = 1 / (expected[leader] - expected + INDIFFERENCE) ** 2
    wanted[leader] = np.sqrt((np.delete(wanted, leader) ** 2).sum())
    return int((wanted / wanted.sum() * (counts.sum() + 1) - counts).argmax())


@dataclass(frozen=True)
class Race:
    """Looks at a race: the trials made, the choice, whether it is good, the probability told."""

    trials: Ints
    choice: Ints
    good: Flags
    probability: Floats


def run_race(
    world: World,
    rule: Rule | None,
    *,
    surface: bool,
    rounds: float,
    losses: bool = False,
    enough: float = math.inf,
) -> Race:
    """Try every candidate once, then as ``rule`` says (None: in turn).

    There is a look for every quarter of a trial a candidate; for None for every whole one. It ends
    after so many rounds, or once a look has a probability of ``enough``, but not at once.
    """
    size = len(world.truth)
    every = size if rule is None else size // 4
    model = Model(size, world.shares if surface else None)
    generator = np.random.default_rng(0)
    counts = np.ones(size, dtype=np.int64)
    looks = []
    while True:
        observations = world.observed(counts, losses=losses)
        made = int(counts.sum())
        sure = False
        if (made - size) % every == 0:
            looks.append((made, *_look(world, model, observations)))
            sure = made >= size + MIN_REPEATS and looks[-1][-1] >= enough
        if made >= rounds * size or sure:
            return Race(*(np.array(column) for column in zip(*looks, strict=True)))
        if rule is None:
            counts += 1
        else:
            counts[rule(joint.posterior(model, observations), counts, generator)] += 1


def _look(world: World, model: Model, observations: Observations) -> tuple[int, bool, float]:
    fitted = fit(model, observations)
    leader = int(fitted.posterior.expected.argmax())
    draws = fitted.posterior.sample(2000, np.random.default_rng(0)).values
    within = float(chances(draws, INDIFFERENCE).within[leader])
    return leader, bool(world.good[leader]), within


def run_uniform(worlds: Iterable[World], rounds: int) -> Iterator[Race]:
    """All candidates in turn, and the highest mean is taken, as without any statistics."""
    for world in worlds:
        sums = world.values[:, :rounds].cumsum(1)
        trials = len(world.truth) * np.arange(1, rounds + 1)
        choice = sums.argmax(0)
        yield Race(trials, choice, world.good[choice], np.full(rounds, np.nan))
