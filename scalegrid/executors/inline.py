"""Trials in this process, one after the other: for debuggers and profilers."""

from __future__ import annotations

from collections import deque

from scalegrid.executors.base import CLOSED, Event
from scalegrid.training.attempt import TRAIN, attempt, find
from scalegrid.training.trial import Trial


class InlineExecutor:
    """An executor of capacity one; `collect` trains the next trial."""

    def __init__(self, device: str = "cpu", function: str = TRAIN) -> None:
        self._device = device
        self._train = find(function)
        self._queue: deque[Trial] = deque()
        self._closed = False

    @property
    def capacity(self) -> int:
        """One."""
        return 1

    def submit(self, trial: Trial) -> None:
        """Put ``trial`` in the queue.

        Raises:
            RuntimeError: the executor is closed.
        """
        if self._closed:
            raise RuntimeError(CLOSED)
        self._queue.append(trial)

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Run the next trial, however long it takes; return its epochs and outcome."""
        if not self._queue:
            return []
        trial = self._queue.popleft()
        epochs: list[Event] = []
        outcome = attempt(
            self._train, trial, lambda epoch: epochs.append((trial.trial, epoch)), self._device
        )
        return [*epochs, outcome]

    def abandon(self) -> None:
        """Empty the queue."""
        self._queue.clear()

    def cancel(self) -> None:
        """Empty the queue; the executor is then closed."""
        self._queue.clear()
        self._closed = True
