"""The interface behind which trials run: submit, collect, abandon, cancel."""

from __future__ import annotations

from typing import Protocol

from scalegrid.data import Source, remember_unreadable
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util.errors import UserError

Event = tuple[str, Epoch] | Outcome
"""Either (trial id, epoch just finished) or the outcome that ends a trial."""

CLOSED = "the executor is closed"
"""What `Executor.submit` says after `Executor.cancel`."""

STARTS = 3
"""How often a trial is started that its machine loses; also workers in a row that do not start."""


class Executor(Protocol):
    """Runs trials, several at once, in the order in which they are submitted.

    Each trial gives its epochs, then one `Outcome` with the same epochs, and nothing afterwards. A
    trial that raises, or whose process dies, ends with a failed `Outcome`; `collect` does not raise
    because of it, and the capacity stays the same. If the process was ended from outside, the error
    says so (`was_killed`). A trial that has ended may be submitted again.

    An executor on other machines sends a `Trial`, which is plain data, and gets epochs and an
    `Outcome` back, as `training.attempt` makes them from it. The machine needs this package, the
    user's own code, the folder of the image cache (``trial.data``) and that of checkpoints; there a
    worker sets its threads, prints to standard error alone and ends with its executor. The results
    are written by the process that calls `collect`, and by no worker.

    ``tests/executors/executor_contract.py`` has the tests that every executor inherits, by
    `WorkersContract` where trials run in processes of their own.
    """

    @property
    def capacity(self) -> int:
        """How many trials run at once."""

    def submit(self, trial: Trial) -> None:
        """Start ``trial`` as soon as a worker is free.

        Raises:
            RuntimeError: the executor is closed.
            TypeError, pickle.PicklingError: the trial is not plain data, and cannot be sent.
        """

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Wait up to ``timeout`` seconds for events; return all there are, oldest first.

        Returns at once when no trial is running or waiting. An executor that trains in this process
        trains one trial meanwhile, however long it takes.
        """

    def abandon(self) -> None:
        """Discard all trials, waiting and running; the executor is idle then.

        Nothing is heard of them afterwards, even if they had ended.
        """

    def cancel(self) -> None:
        """Stop all trials at once and close the executor.

        Calling it again does nothing.
        """


def stopped(outcome: Outcome, source: Source) -> UserError:
    """The error that ends a run where an image or a device cannot be used (`Outcome.stops`)."""
    if outcome.image is None:
        return UserError(str(outcome.error))
    remember_unreadable(source, outcome.image)
    return UserError(f"{outcome.error}; then run the same command to go on")
