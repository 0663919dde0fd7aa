"""Whether intervals of diminishing returns hold: ``python -m benchmarks.returns``.

Families are simulated whose curve is known: accuracies, errors, sizes that are off the curve. Shown
is how often the 95 % intervals of `scalegrid.analysis.saturating` hold the φ at which the slope is
at the threshold, and the slope at the largest size.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from benchmarks.timing import bounded
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.saturating import KNOWN, Saturating, saturating
from scalegrid.cli.output import print_table

TABLE2 = np.array([0, 0.83, 1.36, 2.24, 3.51, 4.73, 5.63, 6.61])
"""φ of B0 … B7."""


def power(x: Floats) -> Floats:
    """About that of Table 2."""
    accuracy: Floats = 85 - 8 * 2 ** (-0.53 * x)
    return accuracy


def hyperbola(x: Floats) -> Floats:
    """As good a description of Table 2, and no power law: its gains fall more slowly at last."""
    accuracy: Floats = 87 - 10 / (1 + 0.4 * x)
    return accuracy


class World(NamedTuple):
    """A curve over sizes, how far sizes are off it, and their noise in points.

    The noise is estimated from so many ``seeds``. With none it is known, with one it is not.
    """

    name: str
    curve: Callable[[Floats], Floats]
    sizes: Floats
    off: float
    noise: float
    seeds: int
    threshold: float = 1.0

    def slope(self, x: float) -> float:
        """Points per doubling at ``x``."""
        after, before = self.curve(np.array([x + 1e-5, x - 1e-5]))
        return float(after - before) / 2e-5

    @property
    def crossing(self) -> float:
        """Where the slope is at the threshold."""
        return float(brentq(lambda x: self.slope(x) - self.threshold, 0, 20))

    def drawn(self, generator: np.random.Generator) -> Saturating:
        """What is found of one family."""
        values = self.curve(self.sizes) + self.off * generator.standard_normal(len(self.sizes))
        shape = (max(self.seeds, 1), len(self.sizes))
        trials = values + self.noise * generator.standard_normal(shape)
        error, degrees = self.noise, KNOWN
        if self.seeds:
            degrees = shape[1] * (self.seeds - 1)
            error = float(np.sqrt(trials.var(0, ddof=1).mean() / self.seeds)) if degrees else 0.0
        return saturating(self.sizes, trials.mean(0), np.full(shape[1], error), degrees)


BRIEF = np.array([0, 0.6, 1, 1.6])
WORLDS = (
    World("Table 2", power, TABLE2, 0.0, 0.18, 0),
    World("Table 2, sizes 0.3 off", power, TABLE2, 0.3, 0.18, 0),
    World("Table 2, no power law", hyperbola, TABLE2, 0.0, 0.18, 0),
    World("Table 2, 3 seeds, sizes 0.3 off", power, TABLE2, 0.3, 0.3, 3),
    World("Table 2, one seed", power, TABLE2, 0.0, 0.3, 1),
    World("4 sizes within 3×, 3 seeds", power, BRIEF, 0.1, 0.6, 3, 2.0),
    World("3 sizes within 2×, 4 seeds", power, BRIEF[:3], 0.1, 0.6, 4, 2.0),
)


class Held(NamedTuple):
    """How often intervals held the truth, and the median width of that of φ."""

    crossing: float
    slope: float
    width: float


def held(world: World, count: int) -> Held:
    """Draw ``count`` families of a world."""
    last, rows = float(world.sizes.max()), []
    for number in range(count):
        found = world.drawn(np.random.default_rng(number))
        low, high = np.quantile(
            found.falls_below(world.threshold), [0.025, 0.975], method="inverted_cdf"
        )
        least, most = np.quantile(found.marginal(np.array([last])), [0.025, 0.975])
        rows.append((low <= world.crossing <= high, least <= world.slope(last) <= most, high - low))
    crossing, slope, width = np.array(rows, dtype=float).T
    return Held(float(crossing.mean()), float(slope.mean()), float(np.median(width)))


def main() -> None:
    """Print a row a world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=bounded(int, 1), default=200, help="families of each kind")
    count = parser.parse_args().worlds
    rows = []
    for world in WORLDS:
        found = held(world, count)
        rows.append(
            {
                "family": world.name,
                "true φ": f"{world.crossing:.2f}",
                "φ held": f"{found.crossing:.3f}",
                "width": f"{found.width:.2f}",
                "last slope held": f"{found.slope:.3f}",
            }
        )
    print_table(rows)


if __name__ == "__main__":
    main()
