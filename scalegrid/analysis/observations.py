"""What the trials say, as arrays: which candidate, which seed, which value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Observations:
    """One entry a finished trial; ``candidate`` numbers lie in [0, ``size``), larger is better.

    ``others`` are further metrics of the same trials, (trials, metrics), which may say more of the
    value than it does itself.

    The entries are in the order of candidate and seed, so that equal sets of trials give equal
    numbers to the last bit, in whatever order they came.
    """

    size: int
    candidate: Ints
    seed: Ints
    value: Floats
    others: Floats

    @classmethod
    def collect(cls, size: int, trials: Iterable[tuple[float, ...]]) -> Observations:
        """Gather rows of candidate, seed, value and, if any, the other metrics.

        A metric that some of the trials lack is left out.
        """
        ordered = sorted(trials)
        metrics = min((len(row) for row in ordered), default=3)
        others = np.array([row[3:metrics] for row in ordered], dtype=np.float64)
        others = others.reshape(len(ordered), -1)
        return cls(
            size,
            np.array([row[0] for row in ordered], dtype=np.int64),
            np.array([row[1] for row in ordered], dtype=np.int64),
            np.array([row[2] for row in ordered], dtype=np.float64),
            others[:, np.isfinite(others).all(0)],
        )

    @property
    def counts(self) -> Ints:
        """Trials of each candidate."""
        return np.bincount(self.candidate, minlength=self.size).astype(np.int64)

    @property
    def means(self) -> Floats:
        """Mean value of each candidate; NaN where there is no trial."""
        sums = np.bincount(self.candidate, self.value, self.size)
        counts = self.counts
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def deviations(self, metrics: Floats) -> Floats:
        """How far each trial is from its candidate's mean, (trials, metrics)."""
        belongs = np.eye(self.size)[self.candidate]
        means = (belongs.T @ metrics) / np.maximum(self.counts, 1)[:, None]
        apart: Floats = metrics - means[self.candidate]
        return apart

    @property
    def repeats(self) -> int:
        """Degrees of freedom of the pooled noise: trials beyond the first of each candidate."""
        return len(self.value) - int((self.counts > 0).sum())

    @property
    def table(self) -> Floats:
        """Trials of each candidate (rows) with each distinct seed (columns)."""
        seeds, column = np.unique(self.seed, return_inverse=True)
        table = np.zeros((self.size, len(seeds)))
        np.add.at(table, (self.candidate, column), 1)
        return table
