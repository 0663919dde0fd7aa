"""The head's side of a spool: an executor whose workers are jobs of a cluster.

A trial is started again where its job has ended, and goes on with a worker that has it already when
the head itself is started again.
"""

from __future__ import annotations

import math
import pickle
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from scalegrid.executors.base import CLOSED, STARTS, Event
from scalegrid.executors.lacking import lacking
from scalegrid.executors.local import KILLED, was_killed
from scalegrid.executors.spool import FAILED, WORKERS, Box, Order, Orders, Report
from scalegrid.executors.spool_worker import FASTEST, pause
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util import disk
from scalegrid.util.errors import UserError
from scalegrid.util.processes import uninterrupted
from scalegrid.util.version import __version__

CHECK = 5.0
"""Seconds between two questions for the jobs."""

OTHERS = 0.3
"""Seconds between looks at the reports of workers without trials."""

SILENCE = 300.0
"""Seconds after which a job is given up that is said to run, and of which nothing is heard."""

KEPT = 1.0
"""Seconds for which outcomes that were returned stay in the spool: longer than the head takes to
store them (`Store.commit_every`), which may be killed meanwhile.
"""

_MISSES = 2  # questions in a row to which a job is not named, before it has ended
_GOODBYE = 3.0  # seconds for workers to leave before their files are removed


class Jobs(Protocol):
    """The jobs that workers run in."""

    def start(self, count: int) -> list[str]:
        """Submit so many; their ids, which are names of folders.

        Raises:
            UserError: they are refused.
        """

    def alive(self) -> Collection[str] | None:
        """The ids of those that wait or run; None if that is not known at the moment."""

    def cancel(self, ids: Sequence[str]) -> None:
        """End them, as far as that can be done."""

    def close(self) -> None:
        """Remove their files: all trials have ended, and no job is needed any more."""

    def end_of(self, job: str) -> str:
        """How one has ended, in a few words."""


@dataclass(eq=False)
class _Work:
    """A trial that was submitted; ``told`` of its epochs the caller knows."""

    trial: str
    pickled: bytes
    lacking: frozenset[str]
    starts: int = 0
    told: int = 0
    epochs: tuple[Epoch, ...] = ()
    began: float = 0.0


@dataclass(eq=False)
class _Worker:
    """A job and its box. Without a ``life`` it waits, or has left and may be started again."""

    job: str
    box: Box
    number: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    ended: dict[str, bytes] = field(default_factory=dict)
    life: str = ""
    node: str = ""
    leaving: bool = False
    spoke: bool = False
    heard: float = field(default_factory=time.monotonic)
    missed: int = 0

    def free(self, slots: int) -> int:
        """How many more trials it takes now."""
        running = self.orders.keys() - self.ended.keys()
        return slots - len(running) if self.life and not self.leaving else 0

    def write(self, *, closed: bool = False) -> None:
        """Write its orders.

        Raises:
            UserError: they cannot be written.
        """
        self.number += 1
        orders = Orders(self.number, self.life, tuple(self.orders.values()), closed)
        try:
            self.box.write(orders)
        except OSError as error:
            raise UserError(
                f"cannot write to {self.box.folder}: {error.strerror or error}; mend that and run "
                "the same command again to go on where it was."
            ) from error


class SpoolExecutor:
    """Runs trials in jobs, each of which trains ``slots`` at once.

    Jobs that end are replaced as long as there are trials for them. The outcomes that a call of
    `collect` returns stay in the spool for `KEPT` seconds, and until the next call: the caller
    stores them meanwhile.

    Args:
        spool: the folder for files of head and workers; what an executor before left there is used.
        jobs: the jobs.
        capacity: how many trials run at once, at most.
        slots: how many in a job.

    Raises:
        UserError: the spool cannot be written, or the jobs are refused.
    """

    def __init__(self, spool: Path, jobs: Jobs, capacity: int, slots: int = 1) -> None:
        self._spool, self._jobs = spool, jobs
        self._capacity, self._slots = capacity, slots
        self._queue: deque[_Work] = deque()
        self._running: dict[str, _Work] = {}  # by token
        self._workers: dict[str, _Worker] = {}
        self._found: dict[str, str] = {}  # tokens of before, by trial, that no one asked for yet
        self._ready: list[Event] = []
        self._unreturned: set[str] = set()  # tokens of outcomes that `collect` is to return
        self._returned: dict[str, float] = {}  # of those it has returned, and when
        self._untouched = False  # whether an executor before left something, and nobody asked yet
        self._failed_starts = 0
        self._checked = self._active = time.monotonic()
        self._heard_all = 0.0
        self._closed = False
        try:
            disk.make_folders(spool / WORKERS)
        except OSError as error:
            raise UserError(f"cannot write to {spool}: {error.strerror or error}.") from None
        try:
            self._attach()
            self._start(self._wanted(capacity))
        except BaseException:
            self.cancel()
            raise

    @property
    def capacity(self) -> int:
        """How many trials run at once where all jobs run."""
        return self._capacity

    def submit(self, trial: Trial) -> None:
        """Start ``trial`` as soon as a worker is free; or take what one has of it already.

        Raises:
            RuntimeError: the executor is closed.
            TypeError, pickle.PicklingError: the trial is not plain data.
        """
        if self._closed:
            raise RuntimeError(CLOSED)
        work = _Work(trial.trial, pickle.dumps(trial), lacking(trial))
        self._untouched = False
        if (found := self._left_of(trial)) is None:
            self._queue.append(work)
            self._assign()
            return
        worker, token = found
        work.starts, work.began = 1, time.monotonic()
        self._running[token] = work
        if token in worker.ended:
            self._ready += self._end(worker, token)

    def _left_of(self, trial: Trial) -> tuple[_Worker, str] | None:
        """The worker that has a trial since a run before, and its token; None if it is to start."""
        token = self._found.pop(trial.trial, None)
        if token is None:
            return None
        worker = next(worker for worker in self._workers.values() if token in worker.orders)
        if token in worker.ended and _is_other(pickle.loads(worker.ended[token]), trial):
            del worker.orders[token]
            return None
        return worker, token

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Wait up to ``timeout`` seconds for events; return all there are, oldest first.

        Returns at once when no trial is running or waiting.

        Raises:
            UserError: a node lacks what a trial needs, jobs end before they start, or are refused.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._forget_returned()
        while True:
            if not (self._ready or self._queue or self._running):
                return []
            self._ready += self._hear()  # of which nothing is lost where an error follows
            self._ready += self._check()
            self._assign()
            now = time.monotonic()
            if self._ready:
                self._active = now
                self._returned.update(dict.fromkeys(self._unreturned, now))
                self._unreturned.clear()
                events, self._ready = self._ready, []
                return events
            if deadline is not None and now >= deadline:
                return []
            wait = pause(now - self._active)
            time.sleep(wait if deadline is None else max(0.0, min(wait, deadline - now)))

    def abandon(self) -> None:
        """Discard all trials, waiting and running."""
        self._queue.clear()
        self._ready.clear()
        self._found.clear()
        self._running.clear()
        for worker in self._workers.values():
            if worker.orders:
                worker.orders.clear()
                worker.write()

    def cancel(self) -> None:
        """End the jobs; the executor is then closed.

        What has ended stays in the spool for the next executor if trials were running, or if none
        was submitted.
        """
        if self._closed:
            return
        self._closed = True
        idle = not (self._untouched or self._queue or self._running or self._ready)
        for worker in self._workers.values():
            with suppress(UserError):
                worker.write(closed=True)
        if self._workers:
            self._jobs.cancel(list(self._workers))
        self._queue.clear()
        self._running.clear()
        self._ready.clear()
        end = time.monotonic() + _GOODBYE
        while idle and self._spool.exists() and time.monotonic() < end:
            self._jobs.close()  # again where a worker that is leaving writes a file meanwhile
            time.sleep(FASTEST)

    def _attach(self) -> None:
        """Take over the workers of an executor before, and what they have trained."""
        folders = self._unknown_folders()
        if not folders:
            return
        self._untouched = True
        alive = self._jobs.alive()
        if alive is None:
            raise UserError(
                f"{self._spool} has the jobs of an earlier run, and the cluster does not say "
                "whether they still run; run the same command again when it answers."
            )
        for job in folders:
            self._adopt(job, job in alive)
        surplus = sum(worker.missed == 0 for worker in self._workers.values())
        surplus -= self._wanted(self._capacity)
        useless = [w.job for w in self._workers.values() if w.missed == 0 and not w.orders]
        if surplus > 0 and useless:
            self._jobs.cancel(useless[:surplus])
            for job in useless[:surplus]:
                disk.remove_tree(self._workers.pop(job).box.folder)

    def _unknown_folders(self) -> list[str]:
        found = sorted(path.name for path in (self._spool / WORKERS).iterdir())
        return [name for name in found if name not in self._workers]

    def _adopt(self, job: str, alive: bool) -> None:
        """Go on with a worker of before; of one that has ended, its outcomes are left."""
        worker = _Worker(job, Box(self._spool / WORKERS / job))
        orders, report = worker.box.all()
        alive = alive and not orders.closed
        worker.number, worker.orders = orders.number, {one.token: one for one in orders.trials}
        worker.missed = 0 if alive else _MISSES
        if report is not None and report.version == __version__:
            for token, pickled in report.ended.items():
                outcome: Outcome = pickle.loads(pickled)
                if was_killed(outcome.error):  # tried again, as ever
                    worker.orders.pop(token, None)
                elif token in worker.orders:
                    worker.ended[token] = pickled
        if alive and report is not None and report.left is None:
            worker.life, worker.node, worker.spoke = report.life, report.node, True
            worker.leaving = report.leaving
        if not worker.life or orders.to != worker.life:  # nothing runs there
            worker.orders = {t: one for t, one in worker.orders.items() if t in worker.ended}
        if not alive and not worker.orders:
            disk.remove_tree(worker.box.folder)
            return
        self._workers[job] = worker
        self._found.update({one.trial: token for token, one in worker.orders.items()})

    def _wanted(self, trials: int) -> int:
        """Jobs for so many trials at once."""
        return math.ceil(min(self._capacity, trials) / self._slots)

    def _start(self, wanted: int) -> None:
        """Submit the jobs that are missing of so many.

        They may be refused while others are there, of which a user may have so many only.

        Raises:
            UserError: they are refused, and there are no others.
        """
        there = [worker for worker in self._workers.values() if worker.missed < _MISSES]
        if (count := wanted - sum(not worker.leaving for worker in there)) <= 0:
            return
        with uninterrupted(), suppress(UserError) if there else nullcontext():
            for job in self._jobs.start(count):  # uninterrupted until `cancel` can end them
                worker = _Worker(job, Box(self._spool / WORKERS / job))
                self._workers[job] = worker
                with suppress(OSError):  # the worker makes it otherwise
                    worker.box.make()

    def _hear(self) -> Iterator[Event]:
        """What the workers report: those that train, and from time to time the others."""
        now = time.monotonic()
        if everyone := now - self._heard_all >= OTHERS:
            self._heard_all = now
        for worker in list(self._workers.values()):
            if worker.missed >= _MISSES or not (everyone or worker.orders):
                continue
            if (report := worker.box.report()) is not None:
                worker.heard = time.monotonic()
                yield from self._take(worker, report)

    def _take(self, worker: _Worker, report: Report) -> Iterator[Event]:
        if report.version != __version__:
            raise UserError(
                f"the worker on {report.node} has version {report.version} of scalegrid, and this "
                f"process {__version__}; install the same on all nodes."
            )
        if report.problem is not None:
            raise UserError(
                f"the worker on {report.node} cannot work: {report.problem}; mend that and run the "
                "same command again to go on."
            )
        worker.node, worker.leaving = report.node, report.leaving
        worker.spoke |= report.left != FAILED
        worker.ended = {t: out for t, out in report.ended.items() if t in worker.orders}
        for token in worker.ended:
            if token in self._running:
                yield from self._end(worker, token)
        if report.left is not None:
            worker.life = ""
            worker.missed = max(worker.missed, _MISSES - 1)
            yield from self._lose(worker, f"which {report.left}")
        elif report.life != worker.life:
            yield from self._lose(worker, "which was started again")
            worker.life = report.life
            self._failed_starts = 0
            worker.write()
        for token, epochs in report.running.items():
            if (work := self._running.get(token)) is not None:
                yield from _told(work, epochs)

    def _end(self, worker: _Worker, token: str) -> list[Event]:
        """The epochs that are not yet told, and the outcome."""
        outcome: Outcome = pickle.loads(worker.ended[token])
        work = self._running.pop(token)
        self._unreturned.add(token)
        return [*_told(work, outcome.history), outcome]

    def _lose(self, worker: _Worker, how: str) -> Iterator[Event]:
        """What runs in a job that has ended is to be started again, or has failed."""
        lost = [token for token in worker.orders if token not in worker.ended]
        for token in reversed(lost):  # the first is the first again
            order = worker.orders.pop(token)
            work = self._running.pop(token, None)
            if work is None:
                self._found.pop(order.trial, None)
            elif work.starts < STARTS:
                self._queue.appendleft(work)
            else:
                yield Outcome(
                    trial=work.trial,
                    status="failed",
                    history=work.epochs,
                    error=f"{KILLED} with its job {worker.job} on {worker.node}, {how}, as "
                    f"{STARTS - 1} times before",
                    seconds=time.monotonic() - work.began,
                    device="unknown",
                )

    def _check(self) -> Iterator[Event]:
        """Ask for the jobs from time to time, and replace those that have ended."""
        now = time.monotonic()
        if now - self._checked < CHECK:
            return
        alive = self._jobs.alive()
        self._checked = time.monotonic()
        if alive is None:
            return
        for job in self._unknown_folders():  # of a head that was killed as it submitted them
            self._adopt(job, job in alive)
        for worker in list(self._workers.values()):
            yield from self._check_job(worker, worker.job in alive)
        self._start(self._wanted(len(self._queue) + len(self._running)))

    def _check_job(self, worker: _Worker, alive: bool) -> Iterator[Event]:
        if worker.missed >= _MISSES:
            return
        if alive and worker.life and time.monotonic() - worker.heard > SILENCE:
            self._jobs.cancel([worker.job])
            worker.missed = _MISSES
        else:
            worker.missed = 0 if alive else worker.missed + 1
        if worker.missed < _MISSES:
            return
        if (report := worker.box.report()) is not None:  # its last words
            yield from self._take(worker, report)
        end = self._jobs.end_of(worker.job)
        if not worker.spoke:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise UserError(f"jobs end before they train anything: job {worker.job} {end}.")
        worker.life = ""
        yield from self._lose(worker, f"which {end}")
        self._drop_if_done(worker)

    def _forget_returned(self) -> None:
        """The caller has had time to store what it was given some time ago: that may go."""
        past = time.monotonic() - KEPT
        stored = {token for token, since in self._returned.items() if since < past}
        if not stored:
            return
        for worker in list(self._workers.values()):
            for token in stored & worker.orders.keys():
                del worker.orders[token]  # in its file with the next order
            self._drop_if_done(worker)
        for token in stored:
            del self._returned[token]

    def _drop_if_done(self, worker: _Worker) -> None:
        if worker.missed >= _MISSES and not worker.orders:
            del self._workers[worker.job]
            disk.remove_tree(worker.box.folder)

    def _assign(self) -> None:
        """Give waiting trials to workers that are free."""
        for worker in self._workers.values():
            if not self._queue:
                return
            free = min(worker.free(self._slots), len(self._queue))
            for _ in range(free):
                work = self._queue.popleft()
                token = uuid.uuid4().hex
                work.starts, work.began, work.epochs = work.starts + 1, time.monotonic(), ()
                worker.orders[token] = Order(token, work.trial, work.pickled, work.lacking)
                self._running[token] = work
            if free > 0:
                worker.write()
                self._active = time.monotonic()


def _is_other(outcome: Outcome, trial: Trial) -> bool:
    """Whether what a run before was told of a trial is not what this one wants: it ended that."""
    return outcome.unfit or (
        trial.number_format is not None and outcome.number_format not in (None, trial.number_format)
    )


def _told(work: _Work, epochs: Sequence[Epoch]) -> Iterator[Event]:
    """The epochs that the caller does not know; one started again repeats what it knows."""
    work.epochs = tuple(epochs)
    for epoch in epochs[work.told :]:
        work.told += 1
        yield work.trial, epoch
