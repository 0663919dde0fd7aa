"""The interface behind which trials run: submit, collect, abandon, cancel."""

from __future__ import annotations

from typing import Protocol

from scalegrid.data import Source, remember_unreadable
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util.errors import UserError

Event = tuple[str, Epoch] | Outcome
"""Either (trial id, epoch just finished) or the outcome that ends a trial."""


class Executor(Protocol):
    """Runs trials, several at once.

    A trial that raises, or whose process dies, ends with a failed `Outcome`; `collect` does not
    raise because of it.
    """

    @property
    def capacity(self) -> int:
        """How many trials run at once."""

    def submit(self, trial: Trial) -> None:
        """Start ``trial`` as soon as a worker is free."""

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Wait up to ``timeout`` seconds for events; return all there are, oldest first."""

    def abandon(self) -> None:
        """Discard all trials, waiting and running; the executor is idle then."""

    def cancel(self) -> None:
        """Stop all trials at once and close the executor.

        Calling it again does nothing.
        """


def stopped(outcome: Outcome, source: Source) -> UserError:
    """The error that ends a run where an image cannot be used, which all trials would meet."""
    assert outcome.image is not None
    remember_unreadable(source, outcome.image)
    return UserError(f"{outcome.error}; then run the same command to go on")
