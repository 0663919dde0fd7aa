"""Trials in this process, one after the other: for debuggers and profilers."""

from __future__ import annotations

from collections import deque

from scalegrid.executors.base import Event
from scalegrid.training.attempt import TRAIN, attempt, find
from scalegrid.training.trial import Trial


class InlineExecutor:
    """An executor of capacity one; `collect` trains the next trial."""

    def __init__(self, device: str = "cpu", function: str = TRAIN) -> None:
        self._device = device
        self._train = find(function)
        self._queue: deque[Trial] = deque()

    @property
    def capacity(self) -> int:
        """One."""
        return 1

    def submit(self, trial: Trial) -> None:
        """Put ``trial`` in the queue."""
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
        """Empty the queue."""
        self._queue.clear()
