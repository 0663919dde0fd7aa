"""The second part of a search: the best networks are raced, by trainings with seeds of their own.

The training by which a finalist was chosen is not counted: it is the luckiest of many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from scalegrid.allocation import Ask, Line, Racing, Result, standing_of
from scalegrid.analysis import zone
from scalegrid.analysis.observations import Flags
from scalegrid.results.schema import Row
from scalegrid.search.networks import SEED, Job, Network
from scalegrid.search.spec import SearchSpec
from scalegrid.spec import CONFIDENCE, Recipe

_ALIKE = (1 / 3, 1 / 3, 1 / 3)
"""Budget shares, of which networks of a search have none: candidates are exchangeable."""

Answered = Mapping[str, Flags]
"""Which validation images trials got right, by their ids; some may lack."""


class Finals:
    """Races finalists by the objective; asks for networks, seeds and rungs.

    Args:
        spec: the resolved specification.
        variants: the finalists, the best first.
        trials: rows made before, those of other networks and of the search itself among them.
        answers: of these trials.
    """

    def __init__(
        self,
        spec: SearchSpec,
        variants: Sequence[Network],
        trials: Iterable[Row],
        answers: Answered,
    ) -> None:
        self.spec, self.variants = spec, list(variants)
        self._finalists = {network.variant: network for network in variants}
        self._race = Racing(
            list(self._finalists),
            dict.fromkeys(self._finalists, _ALIKE),
            replicates=spec.seeds,
            indifference=zone("top1", spec.indifference),
            confidence=CONFIDENCE if spec.confidence is None else spec.confidence,
            max_trials=spec.race_trials,
            rungs=spec.rungs,
            goes_on=spec.continues,
        )
        self._asked, self._waits = 0, False
        for row in trials:
            if row["variant"] in self._finalists and row["seed"] > SEED:
                self._asked += 1
                self.tell(self._finalists[row["variant"]], row, answers.get(row["trial"]))

    def ask(self) -> Job | None:
        """The next training; None when that waits, or it is decided."""
        ask = self._race.ask() if len(self._finalists) > 1 else None
        self._waits = ask is None
        if ask is None:
            return None
        self._asked += 1
        return Job(self._finalists[ask.variant], ask.seed + SEED + 1, ask.rung)

    def tell(self, network: Network, row: Row, flags: Flags | None) -> None:
        """Take in a trial that has ended; ``flags`` are its answers."""
        self._race.tell(*_told(self.spec, network, row, flags))

    @property
    def wanted(self) -> Set[Line]:
        """The variants and seeds that may be trained at a higher rung yet."""
        return {(variant, seed + SEED + 1) for variant, seed in self._race.wanted}

    def recipe_of(self, _network: Network) -> Recipe:
        """That of all."""
        return self.spec.recipe

    @property
    def left(self) -> int:
        """The most trainings of finalists that may be asked for yet; 0 while it waits."""
        return 0 if self._waits else max(0, most_raced(self.spec) - self._asked)

    @property
    def certainty(self) -> float | None:
        """Probability that the leader is good enough; None before that can be said."""
        return self._race.certainty


def most_raced(spec: SearchSpec) -> int:
    """The most trainings of finalists."""
    return spec.race_trials if min(spec.finalists, spec.trials) > 1 else 0


class Chances(NamedTuple):
    """Probability of each finalist, by its id, to be the best at a ``rung``; empty without any."""

    best: Mapping[str, float]
    rung: int


def chances(
    spec: SearchSpec, finalists: Sequence[Network], trials: Iterable[Row], answers: Answered
) -> Chances:
    """What the race says of the highest rung that two finalists have reached, by all up to it."""
    networks = {network.variant: network for network in finalists}
    finished: dict[Ask, Result] = {}
    reached: dict[int, set[str]] = defaultdict(set)
    for row in trials:
        if row["variant"] in networks and row["seed"] > SEED:
            own = answers.get(row["trial"])
            ask, result = _told(spec, networks[row["variant"]], row, own)
            if result is not None:
                finished[ask] = result
                reached[ask.rung].add(ask.variant)
    rungs = sorted(rung for rung, those in reached.items() if len(those) > 1)
    if not rungs:
        return Chances({}, 1)
    finished = {ask: result for ask, result in finished.items() if ask.rung in rungs}
    shares, indifference = dict.fromkeys(networks, _ALIKE), zone("top1", spec.indifference)
    standing = standing_of(rungs, spec.continues)(finished, shares, indifference)
    assert standing is not None  # of two or more
    return Chances(standing.best, rungs[-1])


def _told(
    spec: SearchSpec, network: Network, row: Row, flags: Flags | None
) -> tuple[Ask, Result | None]:
    """A trial as a race takes it: its objective, and what each image adds to that."""
    ask = Ask(row["variant"], row["seed"] - SEED - 1, row["rung"])
    if row["status"] != "finished":
        return ask, None
    factor = spec.objective.value(1.0, network.cost)
    answers = None if flags is None else factor * flags.astype(np.float64)
    return ask, Result(factor * row["top1"], answers=answers, device=row["device"])
