"""The second part of a search: the best networks are raced, by trainings with seeds of their own.

The training by which a finalist was chosen is not counted: it is the luckiest of many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from scalegrid.allocation import Ask, Racing, Result, TrialStanding
from scalegrid.analysis import zone
from scalegrid.results.schema import Row
from scalegrid.search.networks import SEED, Network
from scalegrid.search.spec import SearchSpec
from scalegrid.spec import CONFIDENCE

_ALIKE = (1 / 3, 1 / 3, 1 / 3)
"""Budget shares, of which networks of a search have none: candidates are exchangeable."""


class Finals:
    """Races finalists by the objective; asks for networks and seeds.

    Args:
        spec: the resolved specification.
        finalists: the networks, the best first.
        trials: rows made before, those of other networks and of the search itself among them.
    """

    def __init__(
        self, spec: SearchSpec, finalists: Sequence[Network], trials: Iterable[Row]
    ) -> None:
        self._spec, self.finalists = spec, list(finalists)
        self._finalists = {network.variant: network for network in finalists}
        self._race = Racing(
            list(self._finalists),
            dict.fromkeys(self._finalists, _ALIKE),
            replicates=spec.seeds,
            indifference=zone("top1", spec.indifference),
            confidence=CONFIDENCE if spec.confidence is None else spec.confidence,
            max_trials=spec.race_trials,
        )
        self._asked = 0
        for row in trials:
            if row["variant"] in self._finalists and row["seed"] > SEED:
                self._asked += 1
                self.tell(self._finalists[row["variant"]], row)

    def ask(self) -> tuple[Network, int] | None:
        """The next network to train and its seed; None when that waits, or it is decided."""
        if len(self._finalists) < 2:
            return None
        if (ask := self._race.ask()) is None:
            return None
        self._asked += 1
        return self._finalists[ask.variant], ask.seed + SEED + 1

    def tell(self, network: Network, row: Row) -> None:
        """Take in a trial that has ended."""
        ask, result = _told(self._spec, network, row)
        self._race.tell(ask, result)

    @property
    def left(self) -> int:
        """The most trainings of finalists that may be asked for yet."""
        return max(0, most_raced(self._spec) - self._asked)

    @property
    def certainty(self) -> float | None:
        """Probability that the leader is good enough; None before that can be said."""
        return self._race.certainty


def most_raced(spec: SearchSpec) -> int:
    """The most trainings of finalists."""
    return spec.race_trials if spec.finalists > 1 else 0


def chances(
    spec: SearchSpec, finalists: Sequence[Network], trials: Iterable[Row]
) -> Mapping[str, float]:
    """Probability of each finalist to be the best of them, by its id; empty without a race."""
    networks = {network.variant: network for network in finalists}
    told = dict(
        _told(spec, networks[row["variant"]], row)
        for row in trials
        if row["variant"] in networks and row["seed"] > SEED
    )
    finished = {ask: result for ask, result in told.items() if result is not None}
    shares = dict.fromkeys(networks, _ALIKE)
    standing = TrialStanding.of(finished, shares, zone("top1", spec.indifference))
    return {} if standing is None else standing.best


def _told(spec: SearchSpec, network: Network, row: Row) -> tuple[Ask, Result | None]:
    ask = Ask(row["variant"], row["seed"] - SEED - 1)
    if row["status"] != "finished":
        return ask, None
    worth = spec.objective.value(row["top1"], network.cost)
    return ask, Result(worth, device=row["device"])
