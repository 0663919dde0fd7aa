"""The same number of trials for every variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from scalegrid.allocation.base import Ask, At, Line, Result


class Uniform:
    """Seeds 0 … ``seeds`` − 1 of every variant; all variants with one seed before the next seed.

    A failed trial counts as made.
    """

    def __init__(self, variants: Sequence[str], seeds: int) -> None:
        # A dict keeps the order and drops whatever is told or asked, from either end, at once.
        asks = (Ask(variant, seed) for seed in range(seeds) for variant in variants)
        self._waiting: dict[Ask, None] = dict.fromkeys(asks)
        self._counts = Counter(ask.variant for ask in self._waiting)

    def ask(self) -> Ask | None:
        """The first trial that has neither been asked for nor told."""
        ask = next(iter(self._waiting), None)
        if ask is not None:
            self._drop(ask)
        return ask

    def start(self) -> None:
        """It has no limit of time."""

    def tell(self, ask: Ask, result: Result | None) -> None:
        """Never ask for this trial (again); what it came to is of no interest here."""
        if ask in self._waiting:
            self._drop(ask)

    @property
    def done(self) -> bool:
        """Whether every trial has been asked for or told."""
        return not self._waiting

    @property
    def certainty(self) -> None:
        """It does not look at what trials come to."""

    @property
    def wanted(self) -> Set[Line]:
        """None: it knows one rung."""
        return frozenset()

    def remaining(self) -> Mapping[At, float]:
        """Trials of each variant that have been neither asked for nor told."""
        return {(variant, 1): float(count) for variant, count in self._counts.items() if count}

    def _drop(self, ask: Ask) -> None:
        del self._waiting[ask]
        self._counts[ask.variant] -= 1
