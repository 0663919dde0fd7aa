"""What runs on another machine for an executor: one worker process there, kept over trials.

The machine may lack this one's disk. It then gets the images of trials once, into its own cache;
its copy of a user's own code is in the working directory; and checkpoints are done without.
"""

from __future__ import annotations

import filecmp
import multiprocessing.process
import os
import pickle
import platform
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from scalegrid.data import CachedData
from scalegrid.data.cache import located, receive
from scalegrid.data.sources import Pixels, Source
from scalegrid.executors.base import Event
from scalegrid.executors.local import LocalExecutor
from scalegrid.executors.own_code import Own
from scalegrid.training.attempt import TRAIN
from scalegrid.training.trial import Outcome, Trial
from scalegrid.util.errors import UserError
from scalegrid.util.version import __version__

_TOGETHER = 0.1  # seconds within which events travel together


@dataclass(frozen=True)
class Job:
    """What all workers of an executor have in common.

    Attributes:
        device: what they train on, by the name that it has where they are.
        threads: CPU threads of each.
        folder: the working directory of the executor's process.
        own: the user's own code and definitions; copies are in the working directory of workers.
        function: ``module:function`` that trains a trial.
    """

    device: str = "cpu"
    threads: int = 1
    folder: str = "."
    own: tuple[Own, ...] = ()
    function: str = TRAIN


@dataclass(frozen=True)
class Order:
    """A trial on its way to a worker: pickled, and the record of the images that it reads."""

    trial: bytes
    record: bytes | None


@dataclass(frozen=True)
class Lacking:
    """The answer of a worker whose machine does not have the images of its trial."""


Answer = list[Event] | Lacking
Content = Callable[[], Iterable[tuple[str, Pixels]]]
"""Fetches the files of a cache, see `data.cache.parts`."""


class NodeWorker:
    """A worker process of the machine that this is made on; its trials come one at a time."""

    def __init__(self, job: Job) -> None:
        self.name = platform.node()
        self._placed: dict[tuple[Path, int, bytes], CachedData] = {}
        self._readable: set[str] = set()
        self._moved: dict[str, str] = {}
        if not _sees(job):
            self._moved = {one.name: one.there for one in job.own}
        elif Path(job.folder).is_dir():
            os.chdir(job.folder)
        # What is started from here goes on in this folder, and does without the main module, which
        # is the engine's and takes a second to import.
        multiprocessing.process.ORIGINAL_DIR = os.getcwd()  # type: ignore[attr-defined]
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._executor = LocalExecutor(1, (job.device,), job.threads, job.function)

    def hello(self) -> tuple[str, str]:
        """The name of the machine, and its version of this package."""
        return self.name, __version__

    def go_on(self, order: Order | None = None, content: Content | None = None) -> Answer:
        """Begin a trial, if there is one, and wait for its next events.

        Raises:
            UserError: the machine cannot train it, nor others; the sentence names the machine.
        """
        try:
            if order is not None:
                trial: Trial = pickle.loads(order.trial)
                data = self._data(trial, order.record, content)
                if data is None:
                    return Lacking()
                self._executor.submit(self._at_home(replace(trial, data=data)))
            return [self._named(event) for event in self._events()]
        except UserError as error:
            raise UserError(f"on the node {self.name}, {error}") from error

    def _events(self) -> list[Event]:
        """All events up to the end of the trial, or those of a moment."""
        began = time.monotonic()
        events = self._executor.collect()
        while not isinstance(events[-1], Outcome):
            left = began + _TOGETHER - time.monotonic()
            if left <= 0:
                break
            events += self._executor.collect(left)
        return events

    def _at_home(self, trial: Trial) -> Trial:
        """The trial by the names of here, and without a folder of checkpoints that is not here."""
        baseline = self._moved.get(trial.baseline, trial.baseline)
        trainer = trial.trainer and self._moved.get(trial.trainer, trial.trainer)
        trial = replace(trial, baseline=baseline, trainer=trainer)
        if trial.checkpoints is not None and not Path(trial.checkpoints).parent.is_dir():
            trial = replace(trial, checkpoints=None, keep=False)
        return trial

    def _data(
        self, trial: Trial, record: bytes | None, content: Content | None
    ) -> CachedData | None:
        """The images of a trial on this machine; None if they must be sent."""
        data, side = trial.data, trial.resolution
        if data.source is not None:
            self._check_readable(data.source)
        if record is None:
            return data
        key = data.directory, side, record
        if key not in self._placed:
            here = located(data, side, record)
            if here is None and content is not None:
                here = receive(data, side, record, content())
            if here is None:
                return None
            self._placed[key] = here
        return self._placed[key]

    def _check_readable(self, source: Source) -> None:
        """Raise UserError if images that trials decode while they train are not on this machine."""
        if source.fingerprint in self._readable:
            return
        try:
            source.image("train", 0)
        except (OSError, UserError) as error:
            raise UserError(
                f"{str(error).partition(';')[0]}; trials read these images while they train, so "
                "put them on a disk that all nodes have at the same path, or make room for a cache "
                "of them (SCALEGRID_CACHE_LIMIT), which is sent to nodes"
            ) from error
        self._readable.add(source.fingerprint)

    def _named(self, event: Event) -> Event:
        """An event; the error of a file that is missing here says where it is missing."""
        if isinstance(event, Outcome) and str(event.error).startswith("FileNotFoundError"):
            return replace(event, error=f"{event.error} (on the node {self.name})")
        return event


def _sees(job: Job) -> bool:
    """Whether this machine has the same code as the executor's at the same place."""
    try:
        return all(filecmp.cmp(one.file, one.copy, shallow=False) for one in job.own)
    except OSError:
        return False
