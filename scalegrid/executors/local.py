"""Trials in worker processes of this machine.

Each worker has a pipe of its own and nothing is shared between workers, so one that is killed at
any moment takes nothing with it but its trial. Workers outlive trials: they import torch once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from scalegrid.executors.attempt import TRAIN, attempt, describe, find
from scalegrid.executors.base import Event
from scalegrid.training.cpu.memory import keep_freed_memory
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util import processes
from scalegrid.util.errors import UserError

KILLED = "worker killed"
"""How the error of a trial begins whose worker was ended from outside."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_STARTS = 3  # attempts at starting a worker before giving up
_GLANCE = 1.0  # seconds between looks at whether the workers are alive


@dataclass(frozen=True)
class _Ready:
    """A worker has imported all it needs."""


@dataclass(frozen=True)
class _Broken:
    """A worker cannot import what it needs."""

    reason: str


_Message = _Ready | _Broken | Epoch | Outcome


@dataclass(eq=False)
class _Worker:
    """The parent's side of one worker process."""

    process: SpawnProcess
    pipe: Connection
    device: str
    ready: bool = False
    trial: Trial | None = None
    began: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)


class LocalExecutor:
    """Runs trials in persistent processes; worker i uses ``devices[i % len(devices)]``.

    A worker that is killed ends its trial with a failed outcome, and another takes its place.
    Workers leave it to the parent what Ctrl-C and SIGTERM mean, and end when the parent does.

    Args:
        workers: processes.
        devices: ``cpu``, ``cuda:0``, ...
        threads: CPU threads of each worker.
        function: ``module:function`` that trains a trial, see `attempt.RunTrial`.
    """

    def __init__(
        self,
        workers: int,
        devices: Sequence[str] = ("cpu",),
        threads: int = 1,
        function: str = TRAIN,
    ) -> None:
        self._job = (function, threads)
        self._queue: deque[Trial] = deque()
        self._failed_starts = 0
        self._workers: list[_Worker] = []
        try:
            for i in range(workers):
                self._start(devices[i % len(devices)])
        except BaseException:
            self.cancel()
            raise

    @property
    def capacity(self) -> int:
        """The number of workers."""
        return len(self._workers)

    def submit(self, trial: Trial) -> None:
        """Start ``trial`` as soon as a worker is free."""
        self._queue.append(trial)
        self._assign()

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Wait up to ``timeout`` seconds for events; return all there are, oldest first.

        Returns at once when no trial is running or waiting.

        Raises:
            UserError: workers do not get as far as their first trial.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        events: list[Event] = []
        while self._queue or any(worker.trial for worker in self._workers):
            left = _GLANCE if deadline is None else deadline - time.monotonic()
            sources = [s for w in self._workers for s in (w.pipe, w.process.sentinel)]
            wait(sources, max(0.0, min(left, _GLANCE)))
            for worker in list(self._workers):
                events += self._listen(worker)
            self._assign()
            if events or (deadline is not None and time.monotonic() >= deadline):
                break
        return events

    def abandon(self) -> None:
        """Forget all trials, waiting and running; workers that train one are replaced."""
        self._queue.clear()
        for worker in [worker for worker in self._workers if worker.trial is not None]:
            self._workers.remove(worker)
            _end([worker])
            self._start(worker.device)

    def cancel(self) -> None:
        """Kill the workers; the executor is then closed."""
        self._queue.clear()
        _end(self._workers)
        self._workers.clear()

    def _start(self, device: str) -> None:
        """Start another worker."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        # Not a daemon: those may not have children, and a trial may load its data with some.
        process = spawn.Process(target=_work, args=(theirs, *self._job, device))
        with processes.uninterrupted():  # until it is known to `cancel`
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours, device))

    def _assign(self) -> None:
        for worker in self._workers:
            if not self._queue:
                return
            if worker.ready and worker.trial is None:
                try:
                    worker.pipe.send(self._queue[0])
                except OSError:  # it died idle; `_listen` replaces it
                    continue
                worker.trial, worker.began = self._queue.popleft(), time.monotonic()
                worker.epochs = []

    def _listen(self, worker: _Worker) -> list[Event]:
        """What ``worker`` has said, and the failure of its trial if it is dead."""
        events: list[Event] = []
        # Asked before reading, so that all a dead worker said has arrived.
        alive = worker.process.is_alive()
        with suppress(EOFError, OSError):
            while worker.pipe.poll():
                events += self._take(worker, worker.pipe.recv())
        if not alive:
            events += self._bury(worker)
        return events

    def _take(self, worker: _Worker, message: _Message) -> list[Event]:
        if isinstance(message, _Ready):
            worker.ready = True
            self._failed_starts = 0
            return []
        if isinstance(message, _Broken):
            raise UserError(f"worker processes cannot start: {message.reason}.")
        trial, worker.trial = worker.trial, None
        assert trial is not None
        if isinstance(message, Outcome):
            return [message]
        worker.trial = trial
        worker.epochs.append(message)
        return [(trial.trial, message)]

    def _bury(self, worker: _Worker) -> list[Event]:
        """Replace a dead worker; the failure of the trial it had."""
        reason = _cause_of_death(worker.process.exitcode)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise UserError(f"worker processes cannot start: {reason}.")
        self._workers.remove(worker)
        _end([worker])
        self._start(worker.device)
        if worker.trial is None:
            return []
        return [
            Outcome(
                trial=worker.trial.trial,
                status="failed",
                history=tuple(worker.epochs),
                error=reason,
                seconds=time.monotonic() - worker.began,
                device=worker.device,
            )
        ]


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.process.join()
        worker.process.close()
        worker.pipe.close()


def _cause_of_death(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"worker exited with status {exit_code}"
    number = -exit_code
    name = signal.Signals(number).name if number in set(signal.Signals) else "unknown"
    hint = ", perhaps out of memory" if name == "SIGKILL" else ""
    return f"{KILLED} by signal {number} ({name}{hint})"


def _work(pipe: Connection, function: str, threads: int, device: str) -> None:
    """The life of a worker process: trials in, epochs and outcomes out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    processes.end_with_parent()
    # Standard output is for the parent's tables alone.
    os.dup2(2, 1)
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    keep_freed_memory()
    with suppress(EOFError, OSError):  # the parent has gone, or has closed the pipe
        try:
            run = find(function)
        except BaseException as error:
            pipe.send(_Broken(describe(error)))
            return
        pipe.send(_Ready())
        while True:
            trial: Trial = pipe.recv()
            pipe.send(attempt(run, trial, pipe.send, device))
