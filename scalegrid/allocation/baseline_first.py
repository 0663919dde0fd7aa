"""The baseline before all others: two trials that show whether a sweep can tell anything."""

from __future__ import annotations

from collections.abc import Mapping, Set

from scalegrid.allocation.base import Allocator, Ask, At, Line, Result

FIRST_SEEDS = (0, 1)
"""The baseline's first trials."""


class BaselineFirst:
    """Another allocator, which waits until the baseline's first trials have ended.

    Once any other variant has a trial, there is nothing to wait for. ``most`` is the largest number
    of trials that there may be, None if there is no limit.
    """

    def __init__(self, allocator: Allocator, baseline: str, most: int | None = None) -> None:
        self._allocator = allocator
        self._baseline = baseline
        self._first = [Ask(baseline, seed) for seed in FIRST_SEEDS[:most]]
        self._known = allocator.remaining().keys()
        self._asked: set[Ask] = set()
        self._told: set[Ask] = set()
        self._over = False

    def start(self) -> None:
        """The other's clock starts with the first trials of the baseline."""
        self._allocator.start()

    def ask(self) -> Ask | None:
        """The next of the baseline's trials; None until all are told; then as the other says."""
        if not self.waiting:
            ask = self._allocator.ask()
            while ask in self._asked:  # it runs, and another variant's trial has been told
                ask = self._allocator.ask()
            return ask
        for ask in self._first:
            if ask not in self._asked and ask not in self._told:
                self._asked.add(ask)
                return ask
        return None

    def tell(self, ask: Ask, result: Result | None) -> None:
        """Take in a trial, and pass it on."""
        self._told.add(ask)
        other = ask.variant != self._baseline and (ask.variant, ask.rung) in self._known
        self._over = self._over or other
        self._allocator.tell(ask, result)

    @property
    def waiting(self) -> bool:
        """Whether the baseline's first trials have not all ended, and no other variant has one.

        Not where a limit of the other is reached.
        """
        return (
            not self._over and not self._allocator.done and not self._told.issuperset(self._first)
        )

    @property
    def done(self) -> bool:
        """Whether no trial will be asked for any more."""
        return not self.waiting and self._allocator.done

    @property
    def certainty(self) -> float | None:
        """The other's."""
        return self._allocator.certainty

    @property
    def wanted(self) -> Set[Line]:
        """The other's."""
        return self._allocator.wanted

    def remaining(self) -> Mapping[At, float]:
        """The other's trials; of the baseline those that it waits for, if they are more."""
        remaining = dict(self._allocator.remaining())
        if self.waiting:
            first_rung = (self._baseline, 1)
            first = sum(ask not in self._asked | self._told for ask in self._first)
            asked = len(self._asked - self._told)  # the other still expects to ask for these
            others = max(0.0, remaining.get(first_rung, 0.0) - asked)
            remaining[first_rung] = max(others, float(first))
        return remaining
