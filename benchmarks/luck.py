"""Whether the term for luck with the validation images is right: ``python -m benchmarks.luck``.

Simulated sweeps, in which every candidate is good at some images and bad at others, are judged by
the true means over all images there could be. With ``--sweep NAME`` the choice of a real sweep
that has ``answers.parquet`` is made by a random half of its images (or by ``--images``) and judged
on the other half, many times: once by all seeds on both halves, once by half of the seeds, judged
by the others. Rows come in pairs, without and with the term of `scalegrid.analysis.luck`:

- ``stated``, ``good``: the leader's probability of being within 0.3 points of the best, and how
  often it is. Halves do not tell which candidates are good.
- ``overstated``: points by which the leader's posterior mean exceeds what it is judged by, both
  relative to the mean of the candidates.
- ``covers``: how often the 90 % intervals of candidates hold what they are judged by.

The losses, which are those of all images, take no part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.selection_worlds import INDIFFERENCE, candidates_of
from benchmarks.timing import bounded, options_parser, publish
from scalegrid.analysis.luck import luck
from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Flags, Floats, Observations
from scalegrid.analysis.selection import chances
from scalegrid.analysis.surface import Fit, fit
from scalegrid.results import SweepTables, load_sweep
from scalegrid.util.errors import UserError

SIZE, IMAGES = 8, 400
SPREAD, EASE, SEED = 0.01, 0.15, 0.02
"""Standard deviations: of true means, of images for all candidates, of a trial's accuracy."""

SETTINGS = ((0.15, 12), (0.15, 30), (0.08, 12), (0.0, 12))
"""Standard deviation of a candidate's probability to get an image right, and seeds."""

ZONE = INDIFFERENCE / 100
DRAWS = 2000
COLUMNS = ("stated", "good", "overstated", "covers")
TERMS = ("without", "with")


def main() -> None:
    """Print the table of simulated sweeps, or of a real one, and write it as parquet."""
    parser = options_parser("luck", __doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--sweep", help="a sweep with answers; simulated ones without it")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where it is")
    parser.add_argument(
        "--images", type=bounded(int, 2), help="to choose by, and as many to judge on"
    )
    parser.add_argument("--times", type=bounded(int, 2), default=200, help="sweeps, or halves")
    options = parser.parse_args()
    times = options.times // 10 if options.quick else options.times
    if options.sweep is None:
        rows = [row for setting in SETTINGS for row in simulated(*setting, times)]
    else:
        right, shares = answers_of(load_sweep(options.sweep, options.results))
        images = right.shape[2] // 2 if options.images is None else options.images
        rows = [row for way in (False, True) for row in halved(right, shares, times, images, way)]
    publish("luck", rows, options.out)


def simulated(interaction: float, seeds: int, times: int) -> Iterator[dict[str, object]]:
    """Two rows for sweeps of one kind, judged by the true means."""
    said = []
    for number in range(times):
        generator = np.random.default_rng([number, 9])
        truth = generator.normal(0, SPREAD, SIZE)
        right = answered(probabilities(truth, IMAGES, interaction, generator), seeds, generator)
        fitted = fit_answers(right)
        said.append([judge(fitted.on_images, truth), judge(fitted.posterior, truth)])
    labels = {"luck, points": 100 * interaction / IMAGES**0.5, "seeds": seeds}
    for term, means in zip(TERMS, np.mean(said, axis=0).tolist(), strict=True):
        yield {**labels, "term": term, **dict(zip(COLUMNS, means, strict=True))}


def probabilities(
    gains: Floats, images: int, interaction: float, generator: np.random.Generator
) -> Floats:
    """Of each candidate to get each image right: hard and easy images, and its own."""
    easy = generator.normal(0, EASE, images)
    own = interaction * generator.standard_normal((len(gains), images))
    return np.asarray(np.clip(0.5 + gains[:, None] + easy + own, 0, 1))


def answered(chance: Floats, seeds: int, generator: np.random.Generator) -> Flags:
    """Which images are right, (n, seeds, images): seeds move a trial's images together, and each.

    ``chance`` is (n, images).
    """
    return np.stack(
        [
            [generator.random(len(row)) < row + generator.normal(0, SEED) for _ in range(seeds)]
            for row in chance
        ]
    )


def by_trial(right: Flags) -> dict[tuple[int, int], Flags]:
    """The answers (n, seeds, images) of each candidate and seed."""
    return {(i, s): row for i, rows in enumerate(right) for s, row in enumerate(rows)}


def answers_of(tables: SweepTables) -> tuple[Flags, Floats]:
    """Answers (n, seeds, images) of the seeds that all candidates have, and their shares (n, 3).

    Raises:
        UserError: there are not four such seeds.
    """
    candidates = candidates_of(tables)
    answers = tables.answered
    trials = tables.trials[tables.trials["trial"].isin(list(answers))]
    wide = trials.pivot(index="variant", columns="seed", values="trial")
    wide = wide.reindex(candidates["variant"]).dropna(axis=1)
    if wide.shape[1] < 4:
        raise UserError(
            f"{tables.folder} has {wide.shape[1]} seeds with the answers of all candidates, and "
            "4 are needed; run more, or choose another sweep."
        )
    right = np.stack([[answers[trial] for trial in row] for row in wide.to_numpy().tolist()])
    shares = candidates[["share_depth", "share_width", "share_resolution"]].to_numpy(np.float64)
    return right, shares


def halved(
    right: Flags, shares: Floats | None, times: int, images: int, other_seeds: bool
) -> Iterator[dict[str, object]]:
    """Two rows for one sweep, judged on ``images`` others than those that the choice is made by.

    With ``other_seeds`` it is also judged by other trainings, and the intervals allow for their
    noise; else for what a training's answers on images are by chance.

    Raises:
        UserError: there are not twice as many images.
    """
    _, seeds, total = right.shape
    if not 2 <= images <= total // 2:
        raise UserError(f"--images is {images}; choose 2 to {total // 2}, half of those there are.")
    said, variances = [], []
    for number in range(times):
        generator = np.random.default_rng(number)
        here, there = generator.permutation(total)[: 2 * images].reshape(2, -1)
        order = generator.permutation(seeds)
        mine, theirs = np.array_split(order, 2) if other_seeds else (order, order)
        fitted = fit_answers(right[:, mine][:, :, here], shares)
        judging = right[:, theirs][:, :, there]
        by_image = float(judging.var(axis=1, ddof=1).mean()) / images
        noise = (fitted.on_images.noise if other_seeds else by_image) / len(theirs)
        values = judging.mean(axis=(1, 2))
        variances.append(fitted.luck.variance if fitted.luck else 0.0)
        alone = judge(fitted.on_images, values, noise)
        said.append([alone, judge(fitted.posterior, values, noise + variances[-1])])
    labels = {
        "luck, points": 100 * float(np.mean(variances)) ** 0.5,
        "images": images,
        "judged by": "other seeds" if other_seeds else "the same seeds",
    }
    for term, means in zip(TERMS, np.mean(said, axis=0).tolist(), strict=True):
        yield {**labels, "term": term, **dict(zip(COLUMNS[2:], means[2:], strict=True))}


def fit_answers(right: Flags, shares: Floats | None = None) -> Fit:
    """What `recommend` makes of top-1, as a share, and the answers (n, seeds, images)."""
    answers = by_trial(right)
    rows = ((*trial, float(row.mean())) for trial, row in answers.items())
    observations = Observations.collect(len(right), rows)
    return fit(Model(len(right), shares), observations, luck(answers))


def judge(posterior: Posterior, values: Floats, chance: float = 0.0) -> tuple[float, ...]:
    """The leader's ``stated``, ``good`` and ``overstated``, and ``covers`` of all candidates.

    Args:
        posterior: what the choice is made by.
        values: what it is judged by, (n,), as shares.
        chance: variance of ``values`` around the true means.
    """
    generator = np.random.default_rng(0)
    draws = posterior.sample(DRAWS, generator).values
    leader = int(posterior.expected.argmax())
    stated = chances(draws, ZONE).within[leader]
    good = values[leader] >= values.max() - ZONE
    apart = values - values.mean()
    overstated = 100 * (posterior.expected - posterior.expected.mean() - apart)[leader]
    draws = draws + chance**0.5 * generator.standard_normal(draws.shape)
    low, high = np.quantile(draws - draws.mean(1, keepdims=True), [0.05, 0.95], axis=0)
    covers = np.mean((low <= apart) & (apart <= high))
    return float(stated), float(good), float(overstated), float(covers)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
