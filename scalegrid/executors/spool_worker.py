"""A worker of a spool: in a job of a cluster, it trains the trials that its orders name.

The trials run in processes of its own, so one that is killed for its memory ends neither the worker
nor its job.
"""

from __future__ import annotations

import pickle
import platform
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from scalegrid.executors.lacking import lacking
from scalegrid.executors.local import LocalExecutor
from scalegrid.executors.spool import FAILED, Box, Order, Orders, Report
from scalegrid.training.attempt import TRAIN
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util import disk
from scalegrid.util.errors import UserError
from scalegrid.util.text import plural
from scalegrid.util.version import __version__

IDLE = 300.0
"""Seconds without a trial after which a worker ends: its head may be dead, and others wait."""

BEAT = 10.0
"""Seconds between reports of a worker from which nothing else is heard."""

FASTEST, SLOWEST = 0.002, 1.0
"""Least and most seconds between two looks at a file."""

_SHARE = 0.05  # of the time since something happened, that it takes to notice the next
_EPOCHS = 0.2  # seconds between reports of epochs
_TOO_SHORT = 60.0  # seconds: the notice of a job's end may come as early as that


def pause(since: float) -> float:
    """Seconds to the next look at a file, so many seconds after something has happened."""
    return min(max(_SHARE * since, FASTEST), SLOWEST)


def work(
    folder: Path,
    devices: Sequence[str] = ("cpu",),
    threads: int = 1,
    logs: Path | None = None,
    function: str = TRAIN,
    idle: float = IDLE,
) -> None:
    """Run a worker until it is told to end, or is ended, or has been idle for so many seconds.

    SIGTERM ends it at once; SIGHUP once the trials that run have ended, as does Slurm's notice that
    the time limit is near. It has to be called in the main thread.

    Args:
        folder: the worker's in the spool, by the id of its job.
        devices: one for each trial that runs at once.
        threads: CPU threads of each.
        logs: see `LocalExecutor`.
        function: see `LocalExecutor`.
        idle: how long it waits for a trial.
    """
    worker = _Worker(folder, idle)
    with suppress(_SweepOverError):
        worker.run(devices, threads, logs, function)


class _SweepOverError(Exception):
    """The spool has been removed."""


class _EndedError(BaseException):
    """SIGTERM has come."""


class _Worker:
    """The worker's side of a box."""

    def __init__(self, folder: Path, idle: float) -> None:
        self._box, self._idle = Box(folder), idle
        self._orders = Orders()
        self._report = Report(life=uuid.uuid4().hex, node=platform.node())
        self._trials: dict[str, Trial] = {}  # that run, by token
        self._epochs: dict[str, list[Epoch]] = {}
        self._ended: dict[str, bytes] = {}
        self._leaving = False
        self._began = self._active = time.monotonic()
        self._written = 0.0
        self._news = True  # whether something is to be reported soon

    def run(self, devices: Sequence[str], threads: int, logs: Path | None, function: str) -> None:
        """Until it ends."""
        left = problem = None
        executor = None
        try:
            self._handle_signals()
            self._start(logs)
            _check(devices)
            executor = LocalExecutor(len(devices), devices, threads, function, logs)
            while (left := self._reason_to_end()) is None:
                self._step(executor)
        except _EndedError:
            left = "was ended from outside"
        except UserError as error:
            left, problem = "cannot work", str(error).rstrip(".")
        finally:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            if executor is not None:
                executor.cancel()
            self._trials.clear()
            self._write(left=left or FAILED, problem=problem)

    def _handle_signals(self) -> None:
        def end(_number: int, _frame: FrameType | None) -> None:
            raise _EndedError

        def leave(_number: int, _frame: FrameType | None) -> None:
            self._leaving = time.monotonic() - self._began > _TOO_SHORT or self._leaving
            self._news = True

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGHUP, leave)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # A head that starts workers itself has them blocked meanwhile.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP})

    def _start(self, logs: Path | None) -> None:
        """Show that it is there; outcomes of a life before wait to be taken in as well."""
        try:
            self._box.make()
            if logs is not None:
                disk.make_folder(logs)
        except OSError:
            raise _SweepOverError from None
        _, before = self._box.all()
        if before is not None and before.version == __version__:
            self._ended.update(before.ended)
        self._write()

    def _reason_to_end(self) -> str | None:
        if self._orders.closed:
            return "was told to end"
        if self._trials:
            return None
        if self._leaving:
            return "had little time left"
        if time.monotonic() - self._active > self._idle:
            return "had no trial"
        return None

    def _step(self, executor: LocalExecutor) -> None:
        """Look at the orders, then wait for what happens."""
        if (orders := self._box.orders()) is not None:
            self._obey(orders, executor)
        now = time.monotonic()
        due = now - self._written
        if self._news or due > BEAT or (self._fresh_epochs and due > _EPOCHS):
            self._write()
        wait = pause(now - self._active)
        if not self._trials:
            time.sleep(wait)
            return
        full = len(self._trials) >= executor.capacity
        for event in executor.collect(SLOWEST if full else wait):
            self._take(event)

    @property
    def _fresh_epochs(self) -> bool:
        return any(
            len(epochs) > len(self._report.running.get(token, ()))
            for token, epochs in self._epochs.items()
        )

    def _obey(self, orders: Orders, executor: LocalExecutor) -> None:
        """Start the trials that are new, and drop those that are withdrawn."""
        if orders.number < self._orders.number:
            return
        if orders.version != __version__:
            raise UserError(
                f"it has version {__version__} of scalegrid, and the sweep {orders.version}"
            )
        self._orders = orders
        if orders.to != self._report.life:
            return
        wanted = {order.token: order for order in orders.trials}
        self._ended = {token: out for token, out in self._ended.items() if token in wanted}
        if not self._trials.keys() <= wanted.keys():
            executor.abandon()
            self._trials.clear()
        for order in orders.trials:
            if order.token not in self._trials and order.token not in self._ended:
                self._begin(order, executor)
        self._epochs = {token: self._epochs.get(token, []) for token in self._trials}
        self._active = time.monotonic()

    def _begin(self, order: Order, executor: LocalExecutor) -> None:
        trial: Trial = pickle.loads(order.pickled)
        if missing := sorted(lacking(trial) - order.lacking):
            raise UserError(f"it does not have {missing[0]}")
        self._epochs[order.token] = []
        self._trials[order.token] = trial
        executor.submit(trial)

    def _take(self, event: tuple[str, Epoch] | Outcome) -> None:
        name = event.trial if isinstance(event, Outcome) else event[0]
        token = next(token for token, trial in self._trials.items() if trial.trial == name)
        if isinstance(event, Outcome):
            self._ended[token] = pickle.dumps(event)
            del self._trials[token], self._epochs[token]
            self._news, self._active = True, time.monotonic()
        else:
            self._epochs[token].append(event[1])

    def _write(self, left: str | None = None, problem: str | None = None) -> None:
        """Report."""
        self._report = replace(
            self._report,
            beat=self._report.beat + 1,
            running={token: tuple(self._epochs[token]) for token in self._trials},
            ended=dict(self._ended),
            leaving=self._leaving,
            left=left,
            problem=problem,
        )
        self._written, self._news = time.monotonic(), False
        try:
            self._box.write(self._report)
        except FileNotFoundError:
            if left is None:
                raise _SweepOverError from None
        except OSError:  # no room now: tried again
            self._news = True


def _check(devices: Sequence[str]) -> None:
    """Raise UserError where devices are not here. A process of its own imports torch for that."""
    wanted = len(set(devices) - {"cpu"})
    if not wanted:
        return
    code = "from scalegrid.training.devices import cuda_devices; print(cuda_devices())"
    asked = [sys.executable, "-c", code]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    found = int(said.stdout) if said.returncode == 0 else 0
    if found < wanted:
        raise UserError(
            f"torch finds {plural(found, 'CUDA device')} in its job instead of {wanted}; give the "
            "right gpus in --slurm, or --device cpu"
        )
