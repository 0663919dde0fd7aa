"""What a sweep has cost so far, and so what more of it would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scalegrid.analysis.tables import with_rungs

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd


@dataclass(frozen=True)
class Pace:
    """The trials of a sweep, failed ones included, and the time that they took.

    ``busy`` is how long at least one trial ran, in seconds, and ``each`` the time from one trial of
    a candidate to the next, through all rungs, while as many run at once as did so far.
    Both are None where the tables do not say when trials ended.
    """

    trials: int
    busy: float | None
    each: float | None

    @classmethod
    def of(cls, trials: pd.DataFrame, candidates: Collection[str]) -> Pace:
        """Of rows of ``trials.parquet``, and the ids of the candidates among their variants."""
        finished = trials[trials["status"] == "finished"]
        own = finished[finished["variant"].isin(candidates)]
        if own.empty or not {"seconds", "finished_at"} <= set(trials):
            return cls(len(trials), None, None)
        seconds = finished["seconds"].to_numpy(dtype=np.float64)
        ends = finished["finished_at"].to_numpy(dtype="datetime64[us]").astype(np.float64) / 1e6
        if not ends.max() > 0:  # made elsewhere, at times that are not known
            return cls(len(trials), None, None)
        order = np.argsort(ends, kind="stable")
        ends, starts = ends[order], (ends - seconds)[order]
        before = np.concatenate([[-np.inf], np.maximum.accumulate(ends)[:-1]])
        busy = float((ends - np.clip(starts, before, ends)).sum())
        at_once = max(1.0, float(seconds.sum()) / busy) if busy else 1.0
        line = float(with_rungs(own).groupby("rung")["seconds"].mean().sum())
        return cls(len(trials), busy, line / at_once)

    def seconds(self, trials: float) -> float | None:
        """How long so many more trials of candidates take."""
        return None if self.each is None else trials * self.each
