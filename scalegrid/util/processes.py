"""Processes: interruptions, children that leave them to their parent, and the cores there are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

from scalegrid.util.cgroups import cpu_quota


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C from their first instruction on.

    In this process Ctrl-C and SIGTERM wait until the end: a start that is broken off halfway would
    leave a child that complains.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # its own start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _postponed():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _postponed() -> Iterator[None]:
    """Within, the handlers of Ctrl-C and SIGTERM wait, also if another thread got the signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *got: came.append(got)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    for got, _ in came:
        signal.raise_signal(got)


def end_with_parent() -> None:
    """End this child process when its parent ends, even if the parent is killed."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def staying() -> Iterator[None]:
    """Within, ``os._exit`` raises SystemExit: a user's code ends its own call, not the program."""

    def leave(status: int) -> None:
        raise SystemExit(f"os._exit({status})")

    before = os._exit
    os._exit = leave  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = before


def runs(pid: int) -> bool:
    """Whether a process of this machine has this number; True where that cannot be asked."""
    if sys.platform == "win32":  # where signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has so large a number
        return False
    except PermissionError:
        pass
    return True


def available_cores() -> int:
    """The cores that this process may use, by its affinity and its container's quota."""
    affine = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if affine else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, SIGTERM raises KeyboardInterrupt as Ctrl-C does; afterwards both are as before.

    Outside the main thread, where Python handles no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop), signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def ignore_interruptions() -> None:
    """Ignore Ctrl-C and SIGTERM from now on, or until the end of `stoppable`."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
