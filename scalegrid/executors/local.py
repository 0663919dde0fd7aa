"""Trials in worker processes of this machine.

Each worker has its own pipe and workers share nothing, so killing a worker at any moment ends its
trial and disturbs no other. Workers outlive trials: they import torch once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

from scalegrid.executors.base import CLOSED, STARTS, Event, Executor
from scalegrid.executors.placement import Placement, local_placement
from scalegrid.executors.trial_log import logged, remove_empty
from scalegrid.spec import SweepSpec
from scalegrid.training.attempt import TRAIN, attempt, find
from scalegrid.training.cpu import keep_freed_memory
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util import processes
from scalegrid.util.errors import UserError, one_line

KILLED = "worker killed"
"""How the error of a trial begins whose worker was ended from outside."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_CHECK_EVERY = 1.0  # seconds between checks whether the workers are alive


def was_killed(error: object) -> bool:
    """Whether a trial's error says that its worker was ended from outside: nothing of the trial."""
    return str(error).startswith(KILLED)


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
    """The parent's side of a worker process."""

    process: SpawnProcess
    pipe: Connection
    device: str
    ready: bool = False
    trial: Trial | None = None
    began: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)

    def start_trial(self, trial: Trial, pickled: memoryview) -> None:
        """Send a trial to the process.

        Raises:
            OSError: the process is dead.
        """
        self.pipe.send_bytes(pickled)
        self.trial, self.began, self.epochs = trial, time.monotonic(), []

    def received(self) -> list[_Message]:
        """The messages that have arrived."""
        messages: list[_Message] = []
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                messages.append(self.pipe.recv())
        return messages

    def failure(self, reason: str) -> list[Event]:
        """The failed outcome of the trial that the process was training, if any."""
        if self.trial is None:
            return []
        return [
            Outcome(
                trial=self.trial.trial,
                status="failed",
                history=tuple(self.epochs),
                error=reason,
                seconds=time.monotonic() - self.began,
                device=self.device,
            )
        ]


class LocalExecutor:
    """Runs trials in persistent processes; worker i uses ``devices[i % len(devices)]``.

    The trial of a killed worker ends with a failed outcome, and a new worker replaces it. Workers
    ignore interruptions, which the parent handles, and end when the parent does.

    Args:
        workers: number of processes.
        devices: ``cpu``, ``cuda:0``, ...
        threads: CPU threads of each worker.
        function: ``module:function`` that trains a trial, see `training.attempt.Train`.
        logs: folder for what workers print while they train, a file a trial; None: standard error.
    """

    def __init__(
        self,
        workers: int,
        devices: Sequence[str] = ("cpu",),
        threads: int = 1,
        function: str = TRAIN,
        logs: Path | None = None,
    ) -> None:
        self._job = (function, threads, logs)
        self._logs = logs
        self._queue: deque[tuple[Trial, memoryview]] = deque()
        self._failed_starts = 0
        self._checked = time.monotonic()  # when all workers were last seen to be alive
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
        """Start ``trial`` as soon as a worker is free.

        Raises:
            RuntimeError: the executor is closed.
            TypeError, pickle.PicklingError: the trial is not plain data.
        """
        if not self._workers:
            raise RuntimeError(CLOSED)
        self._queue.append((trial, ForkingPickler.dumps(trial)))
        self._assign()

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Wait up to ``timeout`` seconds for events; return all there are, oldest first.

        Returns at once when no trial is running or waiting.

        Raises:
            UserError: workers end before their first trial.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        events: list[Event] = []
        while self._queue or any(worker.trial for worker in self._workers):
            left = _CHECK_EVERY if deadline is None else deadline - time.monotonic()
            sources = [s for w in self._workers for s in (w.pipe, w.process.sentinel)]
            ready = set(wait(sources, max(0.0, min(left, _CHECK_EVERY))))
            # The children of a worker that is dead hold its pipe and its sentinel open.
            if check_all := time.monotonic() - self._checked >= _CHECK_EVERY:
                self._checked = time.monotonic()
            for worker in list(self._workers):
                if check_all or worker.pipe in ready or worker.process.sentinel in ready:
                    events += self._receive(worker)
            self._assign()
            if events or (deadline is not None and time.monotonic() >= deadline):
                break
        return events

    def abandon(self) -> None:
        """Discard all trials, waiting and running; workers that train are replaced."""
        self._queue.clear()
        for worker in [worker for worker in self._workers if worker.trial is not None]:
            self._replace(worker)

    def cancel(self) -> None:
        """Kill the workers; the executor is then closed."""
        self._queue.clear()
        _kill(self._workers)
        self._workers.clear()

    def _start(self, device: str) -> None:
        """Start another worker."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        # Not a daemon: daemons have no children, and a trial may load its data with some.
        process = spawn.Process(target=_work, args=(theirs, *self._job, device))
        with processes.uninterrupted():  # until `cancel` can end it
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours, device))

    def _replace(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        _kill([worker])
        self._start(worker.device)

    def _assign(self) -> None:
        """Give waiting trials to idle workers."""
        for worker in self._workers:
            if not self._queue:
                return
            if worker.ready and worker.trial is None:
                with suppress(OSError):  # it died idle, and `_receive` replaces it
                    worker.start_trial(*self._queue[0])
                    self._queue.popleft()

    def _receive(self, worker: _Worker) -> list[Event]:
        """The events of a worker; a dead one is replaced, and its trial has failed."""
        # Checked before the messages are read, so that all those of a dead worker have arrived.
        alive = worker.process.is_alive()
        events: list[Event] = []
        for message in worker.received():
            events += self._event(worker, message)
        if not alive:
            reason = _cause_of_death(worker.process.exitcode)
            self._give_up_after_failed_starts(worker, reason)
            events += worker.failure(reason)
            if worker.trial is not None:
                remove_empty(self._logs, worker.trial.trial)
            self._replace(worker)
        return events

    def _event(self, worker: _Worker, message: _Message) -> list[Event]:
        """What a message means for the caller."""
        if isinstance(message, _Broken):
            raise UserError(f"worker processes cannot start: {message.reason}.")
        if isinstance(message, _Ready):
            worker.ready = True
            self._failed_starts = 0
            return []
        if isinstance(message, Outcome):
            worker.trial = None
            return [message]
        assert worker.trial is not None
        worker.epochs.append(message)
        return [(worker.trial.trial, message)]

    def _give_up_after_failed_starts(self, dead: _Worker, reason: str) -> None:
        """Raise UserError if workers die again and again before they are ready."""
        if not dead.ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise UserError(f"worker processes cannot start: {reason}.")


placement = local_placement


def executor(_spec: SweepSpec, placement: Placement) -> Executor:
    """Worker processes of this machine."""
    return LocalExecutor(placement.workers, placement.devices, placement.threads)


def _kill(workers: Sequence[_Worker]) -> None:
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


def _work(pipe: Connection, function: str, threads: int, logs: Path | None, device: str) -> None:
    """Run a worker process: trials in, epochs and outcomes out, until the pipe closes."""
    processes.ignore_interruptions()
    processes.end_with_parent()
    # Standard output is for the parent's tables alone.
    os.dup2(2, 1)
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    keep_freed_memory()
    with suppress(EOFError, OSError):  # the parent has ended, or has closed the pipe
        try:
            train = find(function)
        except BaseException as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            pipe.send(_Broken(f"{one_line(error)} ({frame.filename}:{frame.lineno})"))
            return
        pipe.send(_Ready())
        while True:
            trial: Trial = pipe.recv()
            with logged(logs, trial.trial):
                outcome = attempt(train, trial, pipe.send, device, explain=logs is not None)
            pipe.send(outcome)
