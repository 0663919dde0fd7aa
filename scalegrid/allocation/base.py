"""The interface behind which the next trial is chosen: ask and tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple, Protocol

from scalegrid.analysis.observations import Flags, Floats


class Ask(NamedTuple):
    """A trial to run: a variant's id, a seed, and the rung, a multiple of the brief budget."""

    variant: str
    seed: int
    rung: int = 1


class Result(NamedTuple):
    """What a finished trial came to: its ``value``, more being better.

    ``others`` are further metrics of it (`analysis.others`), which help to tell what its value
    would be without the noise; ``answers``, (images,), are the validation images it got right, for
    the luck with them where top-1 is the value, or what each adds to a value that they are the
    mean of; ``device`` is the kind it ran on.
    """

    value: float
    others: Sequence[float] = ()
    answers: Flags | Floats | None = None
    device: str | None = None


At = tuple[str, int]
"""A variant's id and a rung."""

Line = tuple[str, int]
"""A variant's id and a seed: the trainings that continue each other from rung to rung."""


class Allocator(Protocol):
    """Chooses trials one at a time, while others are still running.

    It is deterministic: the same calls in the same order give the same asks. After a restart it is
    rebuilt by telling it the trials of the table, in the table's order, before the first `ask`;
    what had been asked for and not told is then asked for again if it is still wanted. It may also
    be told trials that it has not asked for. It asks for no trial twice, nor for one that it knows.

    ``tests/allocation/allocator_contract.py`` has the tests that every allocator inherits.
    """

    def ask(self) -> Ask | None:
        """The next trial to start, or None when there is nothing to start until more is told."""

    def start(self) -> None:
        """Training begins now: limits of time count from here, or else from the first `ask`."""

    def tell(self, ask: Ask, result: Result | None) -> None:
        """Take in what a trial came to, None if it failed; its first result stands.

        Trials of unknown variants and rungs are ignored.
        """

    @property
    def done(self) -> bool:
        """Whether no trial will be asked for any more, whatever the running ones come to."""

    @property
    def certainty(self) -> float | None:
        """Probability that the best candidate so far is good enough; None if it cannot tell."""

    def remaining(self) -> Mapping[At, float]:
        """How many trials of each variant and rung it expects to ask for yet, for the time left."""

    @property
    def wanted(self) -> Set[Line]:
        """The lines that may have another trial, at a higher rung: their checkpoints are of use."""
