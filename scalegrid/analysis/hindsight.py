"""What was known after fewer trials."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scalegrid.analysis import joint
from scalegrid.analysis.candidate_table import luck_of, observed
from scalegrid.analysis.observations import Flags
from scalegrid.analysis.recommend import estimates_as_planned
from scalegrid.analysis.selection import MIN_REPEATS, chances
from scalegrid.analysis.surface import Fit
from scalegrid.analysis.tables import Tables, with_rungs
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from scalegrid.analysis.estimates import Estimates

LOOKS = 12
"""At how many numbers of trials it is looked; at a few more where the leader changed late."""


class Look(NamedTuple):
    """What the first ``trials`` of a sweep say, failed ones included.

    The leader is ``variant``; ``best`` and ``within`` are its probabilities of being the best and
    good enough. ``repeats`` are the degrees of freedom of the noise.
    """

    trials: int
    variant: str
    best: float
    within: float
    repeats: int

    @property
    def seen(self) -> bool:
        """Whether the noise had been seen, so that an answer could be clear."""
        return self.repeats >= MIN_REPEATS


class Hindsight(NamedTuple):
    """Looks by their number of trials; the last is what `recommend` says now.

    The recommended variant led at each look from ``since`` trials on, and not with one trial less,
    if there is an earlier look.
    """

    looks: list[Look]
    since: int


def hindsight(tables: Tables) -> Hindsight:
    """Look back at numbers of trials that grow by equal factors, in the order in which they ended.

    The model is the one of now: all candidates that have a finished trial take part. One that had
    none by then is as the model expects it, and cannot lead. Trials that ended at the same moment
    are in the order of seed and variant, so that the order of rows has no influence.

    Raises:
        UserError: no candidate has a finished trial, or the tables do not say when trials ended.
    """
    past = _Past(tables)
    sizes = np.geomspace(past.first, past.last, LOOKS).round().astype(int).tolist()
    looks = {size: past.look(size) for size in sorted({*sizes, past.last})}
    before, since = _change(past, looks)
    looks |= {size: past.look(size) for size in (before, since) if size not in looks}
    return Hindsight([looks[size] for size in sorted(looks)], since)


def _change(past: _Past, looks: dict[int, Look]) -> tuple[int, int]:
    """The last number of trials by which another variant leads, and the next; found by halving.

    Twice the first number where none of the ``looks`` has another leader.
    """
    sizes = sorted(looks)
    leader = looks[sizes[-1]].variant
    since = before = sizes[0]
    for size, then in pairwise(sizes):
        if looks[size].variant != leader:
            before, since = size, then
    while since - before > 1:
        middle = (before + since) // 2
        if past.leader(middle) == leader:
            since = middle
        else:
            before = middle
    return before, since


class _Past:
    """The trials of a sweep in the order in which they ended.

    Something is known from the ``first`` number of them on; the ``last`` is all.
    """

    def __init__(self, tables: Tables) -> None:
        self._answers: Mapping[str, Flags] = tables.answered
        self._now: Estimates = estimates_as_planned(
            tables.planned, tables.trials, tables.spec, answers=self._answers
        )
        self._number = {variant: i for i, variant in enumerate(self._now.variants)}
        self._order = _in_order(tables)
        self._own: pd.DataFrame = self._now.every
        counted = self._order.isin(self._own["trial"]).cumsum().to_numpy()
        self.first = int(np.searchsorted(counted, 2)) + 1  # one trial says nothing of the noise
        self.last = len(self._order)

    def leader(self, size: int) -> str:
        """The recommended variant after the first ``size`` trials."""
        return self._fit(size)[0]

    def look(self, size: int) -> Look:
        """What the first ``size`` trials say."""
        leader, repeats, fitted = self._fit(size)
        chance = chances(fitted.samples.values, self._now.indifference)
        return Look(
            trials=size,
            variant=leader,
            best=float(chance.best[self._number[leader]]),
            within=float(chance.within[self._number[leader]]),
            repeats=repeats,
        )

    def _fit(self, size: int) -> tuple[str, int, Fit]:
        """The leader, the degrees of freedom, and the posterior, by the model of now."""
        now = self._now
        own = self._own[self._own["trial"].isin(self._order[:size])]
        if now.over is None:
            fitted, repeats = self._fit_brief(own)
        else:
            over = now.over.after(own)
            at_top = own[own["rung"] == now.over.rungs[-1]]
            fitted = over.fit(luck_of(at_top, self._number, now.metric, self._answers))
            repeats = over.lines.repeats
        tried = np.isin(now.variants, own["variant"])
        expected = np.where(tried, fitted.posterior.expected, -np.inf)
        return now.variants[int(expected.argmax())], repeats, fitted

    def _fit_brief(self, own: pd.DataFrame) -> tuple[Fit, int]:
        """With the response surface, if it fits now."""
        now = self._now
        seen = observed(own, self._number, now.metric)
        luck = luck_of(own, self._number, now.metric, self._answers)
        surface = now.fitted.validation.fits
        on_images = joint.posterior(now.fitted.model, seen, surface=surface)
        return replace(now.fitted, on_images=on_images, luck=luck), seen.repeats


def _in_order(tables: Tables) -> pd.Series[str]:
    """The ids of the trials of the plan, but for those of width curves and of placed layers."""
    planned = tables.planned[~tables.planned["role"].isin(["curve", "stages"])]
    trials = tables.trials
    trials = trials[trials["variant"].isin(planned["variant"])]
    if "finished_at" not in trials:
        raise UserError(
            "the tables do not say when each trial ended; run the sweep again under another --name "
            "to know."
        )
    by = ["finished_at", "seed", "variant", "rung"]
    ordered = with_rungs(trials).sort_values(by, kind="stable")
    ids: pd.Series[str] = ordered["trial"].reset_index(drop=True)
    return ids
