"""The first part of a search: networks are sampled, each trained once, and learnt from in order.

The network of a number is chosen by the results of all numbers before it but the last ``ahead``,
whatever else is known by then. So it does not depend on which training ends first, nor on when the
search was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from typing import cast

from scalegrid.allocation import Line
from scalegrid.analysis.observations import Flags
from scalegrid.results.schema import Row
from scalegrid.search.answer import ranked
from scalegrid.search.networks import SEED, Job, Maker, Network
from scalegrid.search.searcher import Searcher
from scalegrid.search.space import Space
from scalegrid.search.spec import Name, SearchSpec

_OWN_ATTEMPTS = 50
"""Suggestions of the searcher for one number; after them others are drawn at random."""

ATTEMPTS = 2000
"""Suggestions for one number after which the space counts as exhausted."""


class Sampling:
    """Asks for networks to train, and is told what they came to.

    ``exhausted``: no further network was found that is new and within the window.

    Args:
        spec: the resolved specification.
        space: the space.
        maker: makes its networks.
        networks: those sampled before, in order.
        trials: rows of finished and failed trials, of any seed.
        keep: called with each network that is sampled now, before it is asked for.
    """

    certainty = None
    wanted: Set[Line] = frozenset()  # for a higher rung

    def __init__(
        self,
        spec: SearchSpec,
        space: Space,
        maker: Maker,
        networks: Iterable[Network],
        trials: Iterable[Row],
        keep: Callable[[Network], object] = id,
    ) -> None:
        self._spec, self._maker, self._keep = spec, maker, keep
        name = cast(Name, spec.searcher)
        self._searcher = Searcher(name, space.choices, spec.search_seed)
        self._random = Searcher("random", space.choices, spec.search_seed + 1)
        self.networks = list(networks)
        self._seen = {network.definition for network in self.networks}
        self._ended: dict[int, Row] = {}
        self._told = 0  # numbers that the searcher has been told, or that failed
        self._asked: set[int] = set()
        self.exhausted = False
        for row in trials:
            if row["seed"] == SEED:
                self._ended[self.network(row["variant"]).number] = row

    def ask(self) -> Job | None:
        """The next network to train; None when that waits for trainings, or there is none."""
        for network in self.networks:
            if network.number not in self._ended and network.number not in self._asked:
                self._asked.add(network.number)
                return Job(network)
        number = len(self.networks)
        if number >= self._spec.trials or self.exhausted:
            return None
        known = number - self._spec.ahead + 1  # results that it goes by, of the first so many
        if any(earlier not in self._ended for earlier in range(known)):
            return None
        self._tell_first(known)
        suggested = self._suggested(number)
        if suggested is None:
            self.exhausted = True
            return None
        self._keep(suggested)
        self.networks.append(suggested)
        self._seen.add(suggested.definition)
        self._asked.add(number)
        return Job(suggested)

    def network(self, variant: str) -> Network:
        """The sampled network of an id."""
        return next(network for network in self.networks if network.variant == variant)

    @property
    def left(self) -> int:
        """Trainings that have not been asked for yet."""
        if self.exhausted:
            return 0
        return max(0, self._spec.trials - len(self._asked | self._ended.keys()))

    @property
    def accuracies(self) -> dict[str, float]:
        """The accuracy of each network whose trial has finished, by its id."""
        found = {one.variant: self._accuracy(one.number) for one in self.networks}
        return {variant: value for variant, value in found.items() if value is not None}

    def tell(self, network: Network, row: Row, _flags: Flags | None = None) -> None:
        """Take in a trial that has ended."""
        self._ended[network.number] = row

    @property
    def best(self) -> Sequence[Network]:
        """The networks whose trial has finished, the best objective first."""
        return ranked(self.networks, self.accuracies, self._spec.objective)

    def _accuracy(self, number: int) -> float | None:
        row = self._ended.get(number)
        return float(row["top1"]) if row is not None and row["status"] == "finished" else None

    def _tell_first(self, count: int) -> None:
        """Let the searcher know the results of the first so many networks; failures say nothing."""
        while self._told < count:
            network = self.networks[self._told]
            accuracy = self._accuracy(self._told)
            self._told += 1
            if accuracy is None:
                continue
            worth = self._spec.objective.value(accuracy, network.cost)
            both = self._spec.searcher == "nsga2"
            values = (accuracy, network.cost) if both else (worth,)
            self._searcher.tell(network.suggestion, values)

    def _suggested(self, number: int) -> Network | None:
        """A network that is new and within the window; None where none is found any more."""
        outside = repeated = 0
        for attempt in range(ATTEMPTS):
            searcher = self._searcher if attempt < _OWN_ATTEMPTS else self._random
            suggestion = searcher.suggest(number, attempt)
            definition = self._maker.define(suggestion)
            if definition in self._seen:
                repeated += 1
                continue
            cost = self._maker.cost(definition)
            if not self._spec.objective.allows(cost):
                outside += 1
                continue
            return self._maker.make(
                number, suggestion, definition, cost, outside=outside, repeated=repeated
            )
        return None
