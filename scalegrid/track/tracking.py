"""Tracking beside a running sweep: in a process that the sweep starts, and ends with it.

A process, since trackers hang when their server does (Weights & Biases then holds up the exit of
its process for more than a minute), print, and handle interruptions in ways of their own. It reads
the tables on disk, so that it needs to be told no more than that there is something new.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from scalegrid.progress import Display
from scalegrid.results import read_stored
from scalegrid.track.sending import Draw, send_unsent, unsent
from scalegrid.track.trackers import Tracker, tracker_for
from scalegrid.util import processes
from scalegrid.util.errors import one_line
from scalegrid.util.text import duration

PATIENCE = 300.0
"""Seconds without any progress after which the end of a sweep no longer waits for its trackers."""

_GRACE = 2.0  # seconds for a run that is being sent when a sweep is interrupted


class Tracking:
    """Sends the trials of a sweep to trackers as they end, and its figures at the end.

    A context manager: leaving it ends the process that sends, within seconds.

    Args:
        names: of trackers; with none, nothing is ever done.
        folder: of the sweep.
        display: where notes go.
        draw: draws the figures; it is called in the other process.

    Raises:
        UserError: a tracker's package is not installed.
    """

    def __init__(self, names: Sequence[str], folder: Path, display: Display, draw: Draw) -> None:
        self._trackers = {name: tracker_for(name, folder) for name in names}
        self._folder, self._display, self._draw = folder, display, draw
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_exception: object) -> None:
        """End the process; what it has not sent is sent by the next run."""
        if self._process is not None and self._pipe is not None:
            self._pipe.close()  # which it notices between two runs
            self._process.join(_GRACE)
            self._process.kill()
            self._process.join()

    def update(self) -> None:
        """Send what has been stored meanwhile, in the background."""
        self._ask(last=False)

    def finish(self) -> bool:
        """Send the rest and the figures, and wait for that; False if interrupted meanwhile."""
        if self._trackers and self._process is None and self._all_sent():
            return True
        try:
            self._ask(last=True)
        except KeyboardInterrupt:
            self._display.note("Interrupted; the same command sends the rest to the trackers.")
            return False
        return True

    def _all_sent(self) -> bool:
        """Whether no tracker lacks a run; says how many each lacks."""
        stored = read_stored(self._folder)
        lacking = {n: len(unsent(stored, one)) for n, one in self._trackers.items() if stored}
        for name, count in lacking.items():
            note = f"Sending {count} runs to {name}" if count else f"{name} has all runs already"
            self._display.note(f"{note}.")
        return not any(lacking.values())

    def _ask(self, *, last: bool) -> None:
        """Have the process look for what is new, and show what it has said.

        If it is the last time, wait until all is sent.
        """
        if not self._trackers:
            return
        try:
            if self._pipe is None:
                self._pipe = self._start()
            self._pipe.send(last)
            while self._pipe.poll(PATIENCE if last else 0.0):
                note = self._pipe.recv()
                if note is None:
                    return
                if note:
                    self._display.note(note)
            reason = f"for {duration(PATIENCE)} nothing could be sent" if last else ""
        except (OSError, EOFError):
            reason = "the process that sends has ended, or cannot start"
        if reason:
            self._display.note(_given_up(" and ".join(self._trackers), reason))
            self._trackers.clear()

    def _start(self) -> Connection:
        """Start the process."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        task = (theirs, self._folder, self._trackers, self._draw)
        self._process = spawn.Process(target=_work, args=task)
        with processes.uninterrupted():  # until `__exit__` can end it
            self._process.start()
            theirs.close()
        return ours


def _given_up(names: str, reason: str) -> str:
    return f"Nothing more is sent to {names}: {reason}; the same command sends the rest."


def _work(pipe: Connection, folder: Path, trackers: dict[str, Tracker], draw: Draw) -> None:
    """Send what is new whenever asked, until the pipe closes.

    Notes come back, an empty one for each run that is sent, and None when all is done.
    """
    processes.ignore_interruptions()
    processes.end_with_parent()
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    sent = dict.fromkeys(trackers, 0)
    reasons: set[str] = set()

    def left_out(reason: str) -> None:
        if reason not in reasons:  # several trackers get the same figures
            reasons.add(reason)
            pipe.send(f"left out: {reason}")

    def send(name: str, *, last: bool) -> str:
        """Send what a tracker lacks; what there is to say about that."""
        try:
            for _ in send_unsent(folder, trackers[name], draw if last else None, left_out):
                sent[name] += 1
                pipe.send("")
        except Exception as error:
            del trackers[name]
            return _given_up(name, one_line(error))
        if last:
            return f"{sent[name]} runs have been sent to {name}; {trackers[name].hint}."
        return ""

    with suppress(EOFError, OSError):  # the parent has ended, or has closed the pipe
        last = False
        while not last:
            last = pipe.recv()
            while pipe.poll():  # asked several times meanwhile
                last = pipe.recv()
            for name in list(trackers):
                if note := send(name, last=last):
                    pipe.send(note)
        pipe.send(None)
