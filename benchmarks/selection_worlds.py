"""Worlds in which the best candidate is known, and races run in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Floats, Ints, Observations
from scalegrid.analysis.repeat import most_worth_repeating
from scalegrid.analysis.selection import chances, is_clear
from scalegrid.analysis.surface import fit, triangle_mesh

NOISE = 0.7
INDIFFERENCE = 0.3
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Setting:
    """Candidates on the triangle whose true means have standard deviation ``spread`` (points).

    ``local`` is the standard deviation of what is not smooth in them; None: nothing is smooth.
    """

    candidates: int
    spread: float
    local: float | None

    def __str__(self) -> str:
        local = "no surface" if self.local is None else f"local {self.local:g}"
        return f"{self.candidates} candidates, spread {self.spread:g}, {local}"


@dataclass(frozen=True)
class World:
    """True means (n,), and the value of every trial there could be: (n, trials of each)."""

    shares: Floats
    truth: Floats
    values: Floats

    @property
    def good(self) -> Floats:
        """Which candidates are within the zone of the best."""
        return self.truth >= self.truth.max() - INDIFFERENCE


def spread_out(count: int) -> Floats:
    """Points of the triangle: its corners, then always the one furthest from those before."""
    mesh = triangle_mesh(24)
    chosen = [int(mesh[:, axis].argmax()) for axis in range(3)]
    while len(chosen) < count:
        apart = np.linalg.norm(mesh[:, None] - mesh[chosen], axis=2).min(1)
        chosen.append(int(apart.argmax()))
    return mesh[chosen]


def draw_worlds(setting: Setting, count: int, trials: int) -> Iterator[World]:
    """Worlds of a setting, always the same ones."""
    shares = spread_out(setting.candidates)
    for number in range(count):
        generator = np.random.default_rng([number, setting.candidates])
        truth = _means(setting, shares, generator)
        noise = generator.standard_normal((setting.candidates, trials))
        yield World(shares, truth, truth[:, None] + NOISE * noise)


def _means(setting: Setting, shares: Floats, generator: np.random.Generator) -> Floats:
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
        posterior.expected, posterior.covariance, posterior.noise, INDIFFERENCE, allowed
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
    """What would have been recommended after ``trials`` trials; arrays of equal length."""

    trials: Ints
    good: Floats
    probability: Floats
    clear: Floats


def run_race(
    world: World, rule: Rule | None, *, surface: bool, trials: int, every: int
) -> Race:
    """Try every candidate once, then as ``rule`` says (None: in turn); look now and then."""
    size = len(world.truth)
    model = Model(size, world.shares if surface else None)
    generator = np.random.default_rng(0)
    counts = np.ones(size, dtype=np.int64)
    looks = []
    while True:
        made = [(i, k, world.values[i, k]) for i in range(size) for k in range(counts[i])]
        observations = Observations.collect(size, made)
        if (len(made) - size) % every == 0:
            looks.append((len(made), *_look(world, model, observations)))
        if len(made) >= trials:
            return Race(*(np.array(column) for column in zip(*looks, strict=True)))
        if rule is None:
            chosen = len(made) % size
        else:
            chosen = rule(model.posterior(observations), counts, generator)
        counts[chosen] += 1


def _look(world: World, model: Model, observations: Observations) -> tuple[bool, float, bool]:
    fitted = fit(model, observations)
    leader = int(fitted.posterior.expected.argmax())
    draws = fitted.posterior.sample(2000, np.random.default_rng(0)).values
    within = float(chances(draws, INDIFFERENCE).within[leader])
    return bool(world.good[leader]), within, is_clear(observations.repeats, within, CONFIDENCE)
