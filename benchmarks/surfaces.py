"""Which response surface: ``python -m benchmarks.surfaces``.

Simulated worlds as in `benchmarks.selection`, all candidates trained with two seeds. Compared are
the plain model, scalegrid's quadratic with lack of fit, and scikit-learn's Gaussian process with
the same components (smooth, local, noise) whose variances and length maximise the likelihood.
Needs scikit-learn, which scalegrid itself does not.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.selection_worlds import INDIFFERENCE, Setting, World, draw_worlds
from benchmarks.timing import bounded
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats, Observations
from scalegrid.analysis.selection import chances
from scalegrid.cli.output import print_table

SEEDS = 2
DRAWS = 2000


class Belief(NamedTuple):
    """Expected true values (n,), and joint draws of them (count, n)."""

    expected: Floats
    draws: Floats


Surface = Callable[[World], Belief]


def ours(world: World, *, surface: bool) -> Belief:
    """scalegrid's model, with or without the quadratic."""
    size = len(world.truth)
    made = [(i, k, float(world.values[i, k])) for i in range(size) for k in range(SEEDS)]
    observations = Observations.collect(size, made)
    posterior = Model(size, world.shares).posterior(observations, surface=surface)
    draws = posterior.sample(DRAWS, np.random.default_rng(0)).values
    return Belief(posterior.expected, draws)


def gaussian_process(world: World) -> Belief:
    """scikit-learn's; a kernel of next to no length makes up what each candidate has of its own."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    values = world.values[:, :SEEDS]
    means, level = values.mean(1), values.mean()
    noise = values.var(axis=1, ddof=1).mean() / SEEDS
    kernel = ConstantKernel(0.5, (1e-3, 1e2)) * RBF(0.6, (0.2, 5.0)) + ConstantKernel(
        0.1, (1e-4, 1e2)
    ) * RBF(1e-3, "fixed")
    process = GaussianProcessRegressor(kernel, alpha=noise, n_restarts_optimizer=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance at its bound
        process.fit(world.shares, means - level)
        expected, covariance = process.predict(world.shares, return_cov=True)
    generator = np.random.default_rng(0)
    draws = generator.multivariate_normal(expected, covariance, DRAWS, check_valid="ignore")
    return Belief(level + expected, level + draws)


SURFACES: dict[str, Surface] = {
    "plain": lambda world: ours(world, surface=False),
    "quadratic with lack of fit": lambda world: ours(world, surface=True),
    "scikit-learn Gaussian process": gaussian_process,
}


def main() -> None:
    """Print, for each kind of world and surface, errors, choices, calibration and time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surfaces", description=__doc__)
    parser.add_argument("--worlds", type=bounded(int, 1), default=200, help="worlds of each kind")
    count = parser.parse_args().worlds
    settings = [Setting(20, 0.8, local) for local in (0.1, 0.4, None)]
    print_table([_row(setting, name, count) for setting in settings for name in SURFACES])


def _row(setting: Setting, name: str, count: int) -> dict[str, str]:
    looks, seconds = [], 0.0
    for world in draw_worlds(setting, count, SEEDS):
        started = time.process_time()
        belief = SURFACES[name](world)
        seconds += time.process_time() - started
        leader = int(belief.expected.argmax())
        within = float(chances(belief.draws, INDIFFERENCE).within[leader])
        error = float(np.sqrt(((belief.expected - world.truth) ** 2).mean()))
        looks.append((error, bool(world.good[leader]), within))
    frame = pd.DataFrame(looks, columns=["error", "good", "within"])
    said = frame["within"].clip(0.001, 0.999)
    surprise = -np.log(np.where(frame["good"], said, 1 - said)).mean()
    return {
        "worlds": str(setting),
        "surface": name,
        "error of means": f"{frame['error'].mean():.3f}",
        "good choices": f"{frame['good'].mean():.3f}",
        "reported": f"{frame['within'].mean():.3f}",
        "surprise": f"{surprise:.3f}",
        "ms": f"{1000 * seconds / count:.1f}",
    }


if __name__ == "__main__":
    main()
