"""What everything behind ask and tell does, as tests, and what every allocator does.

The tests of one inherit `AskTellContract` or `AllocatorContract` and say how to make it. About
every fifth trial fails.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Generic, Protocol, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scalegrid.allocation import Allocator, Ask, Result

A = TypeVar("A")  # what is asked for
R = TypeVar("R")  # what it comes to
R_contra = TypeVar("R_contra", contravariant=True)

SHARES = {
    "a": (1.0, 0.0, 0.0),
    "b": (0.0, 1.0, 0.0),
    "c": (0.0, 0.0, 1.0),
    "d": (0.4, 0.3, 0.3),
}
"""Candidates and their budget shares."""

IDS = ["base", *SHARES]
WORTH = dict(zip(IDS, (0.2, 0.70, 0.69, 0.30, 0.40), strict=True))

inherited = settings(
    max_examples=4,
    suppress_health_check=[HealthCheck.differing_executors],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # there is nothing to shrink
)


class AskTell(Protocol[A, R_contra]):
    """Something that is asked what to try next, and told what it came to."""

    def ask(self) -> A | None: ...

    def tell(self, ask: A, result: R_contra | None) -> None: ...

    @property
    def done(self) -> bool: ...


class AskTellContract(Generic[A, R]):
    """Order, restarts, failed trials, and results that are late, repeated or unknown."""

    strange: Sequence[A]
    """What it never asks for."""

    def make(self) -> AskTell[A, R]:
        """A new one; it ends within 200 trials."""
        raise NotImplementedError

    def result(self, ask: A) -> R:
        """What a trial comes to, the same whenever it runs."""
        raise NotImplementedError

    def outcome(self, ask: A) -> R | None:
        """That, or None where the trial fails."""
        return None if zlib.crc32(repr(ask).encode()) % 5 == 0 else self.result(ask)

    @pytest.fixture(scope="class")
    @classmethod
    def undisturbed(cls) -> Sequence[A]:
        """What it asks for where each trial is told before the next is asked for."""
        return cls().run(cls().make())

    def run(self, made: AskTell[A, R], *, fail: bool = False) -> list[A]:
        """All that it asks for, each told at once."""
        asks: list[A] = []
        while (ask := made.ask()) is not None:
            assert len(asks) < 200
            asks.append(ask)
            made.tell(ask, None if fail else self.outcome(ask))
        assert made.done
        return asks

    def possible(self, ask: A, told: Mapping[A, R | None]) -> bool:
        """Whether a trial may run once these have ended."""
        return True

    def look(self, made: Any, begun: Sequence[A]) -> None:
        """Whether what it says of itself is right, once these trials have begun."""

    @inherited
    @given(st.integers(1, 5), st.booleans(), st.randoms(use_true_random=False))
    def test_it_ends_and_asks_for_nothing_twice_whatever_ends_first(
        self, undisturbed: Sequence[A], workers: int, late: bool, random: Random
    ) -> None:
        """Also where trials end that it has not asked for, such as those of an earlier process."""
        made = self.make()
        told: dict[A, R | None] = {}
        running: list[A] = []
        while True:
            while len(running) < workers and (ask := made.ask()) is not None:
                assert ask not in told
                assert ask not in running
                assert self.possible(ask, told)
                running.append(ask)
            self.look(made, [*told, *running])
            if not running:
                break
            ended = running.pop(random.randrange(len(running)))
            known = {*running, *told, ended}
            others = [a for a in undisturbed if a not in known and self.possible(a, told)]
            if late and others and random.random() < 0.2:
                running.append(ended)
                ended = random.choice(others)
            made.tell(ended, self.outcome(ended))
            told[ended] = self.outcome(ended)
            self.look(made, [*told, *running])
            assert len(told) < 200
        assert made.done
        assert made.ask() is None

    def test_once_done_it_stays_so_whatever_the_running_trials_come_to(self) -> None:
        made = self.make()
        running: list[A] = []
        while not made.done:
            while len(running) < 4 and (ask := made.ask()) is not None:
                running.append(ask)
            if not made.done:
                made.tell(running[0], self.outcome(running.pop(0)))
        for ask in running:
            assert made.ask() is None
            made.tell(ask, self.result(ask))
            assert made.done
        assert made.ask() is None

    @inherited
    @given(st.data())
    def test_a_restart_goes_on_as_if_there_had_been_none(
        self, undisturbed: Sequence[A], data: st.DataObject
    ) -> None:
        """Whatever the order of the table."""
        told = undisturbed[: data.draw(st.integers(0, len(undisturbed)))]
        again = self.make()
        for ask in data.draw(st.permutations(told)):
            again.tell(ask, self.outcome(ask))
        assert self.run(again) == undisturbed[len(told) :]

    @pytest.mark.parametrize("number", [0, 1])
    def test_what_was_not_told_before_a_restart_is_asked_for_again(self, number: int) -> None:
        made = self.make()
        asks = [ask for _ in range(3) if (ask := made.ask()) is not None]
        told = asks.pop(number)
        again = self.make()
        again.tell(told, self.outcome(told))
        assert [again.ask() for _ in asks] == asks

    def test_of_a_trial_the_first_result_stands(self, undisturbed: Sequence[A]) -> None:
        made = self.make()
        for ask in undisturbed:
            assert made.ask() == ask
            for result in (self.outcome(ask), self.outcome(ask), None, self.result(ask)):
                made.tell(ask, result)
        assert made.done

    def test_unknown_trials_are_ignored(self, undisturbed: Sequence[A]) -> None:
        made = self.make()
        for ask in undisturbed:
            for unknown, result in zip(self.strange, (self.result(ask), None) * 2, strict=False):
                made.tell(unknown, result)
            assert made.ask() == ask
            made.tell(ask, self.outcome(ask))
        assert made.done

    def test_it_ends_where_every_trial_fails(self) -> None:
        assert self.run(self.make(), fail=True)


class AllocatorContract(AskTellContract[Ask, Result]):
    """That, and lines that rise from rung to rung, and the trials that remain."""

    strange = (Ask("unknown", 0), Ask("base", 0, 2), Ask("a", 0, 2))
    rungs: Sequence[int] = (1,)

    def make(self) -> Allocator:
        """One whose variants are ``base``, ``a`` and others, with these rungs; 2 is none."""
        raise NotImplementedError

    def result(self, ask: Ask) -> Result:
        noise = Random(str(ask)).gauss(0, 0.01)
        value = WORTH[ask.variant] + 0.05 * ask.rung**0.5 + noise
        return Result(value, device="cuda" if ask.seed == 1 else "cpu")

    def possible(self, ask: Ask, told: Mapping[Ask, Result | None]) -> bool:
        """Whether its line has finished the rung below."""
        below = self.rungs[self.rungs.index(ask.rung) - 1]
        return ask.rung == 1 or told.get(ask._replace(rung=below)) is not None

    def look(self, made: Allocator, begun: Sequence[Ask]) -> None:
        assert made.certainty is None or 0 <= made.certainty <= 1
        assert not made.done or not any(made.remaining().values())

    def test_something_remains_until_it_is_done(self, undisturbed: Sequence[Ask]) -> None:
        made = self.make()
        made.start()
        made.start()
        remaining = made.remaining()
        assert min(remaining.values()) > 0
        assert sum(remaining.values()) >= 1
        assert {variant for variant, _ in remaining} <= {ask.variant for ask in undisturbed}
        assert self.run(made) == undisturbed
        assert not any(made.remaining().values())

    def test_a_line_is_wanted_until_it_goes_on(self, undisturbed: Sequence[Ask]) -> None:
        """From its first trial on: its checkpoint is removed when it is not."""
        made = self.make()
        for i, ask in enumerate(undisturbed):
            going_on = {other[:2] for other in undisturbed[i:] if other.rung > 1}
            assert made.wanted >= going_on & {begun[:2] for begun in undisturbed[:i]}
            assert made.ask() == ask
            made.tell(ask, self.outcome(ask))
