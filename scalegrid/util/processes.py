"""Processes: interruptions, children that leave them to their parent, and the cores there are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType

from scalegrid.util.cgroups import cpu_quota

INTERRUPTIONS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Ctrl-C, a request to end, and the end of a terminal (POSIX)."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C and SIGHUP from their first instruction on.

    In this process interruptions wait until the end: a start that is broken off halfway would leave
    a child that complains.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # its own start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        with _postponed():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _postponed() -> Iterator[None]:
    """Within, the handlers of `INTERRUPTIONS` wait, also if another thread got the signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = [signal.signal(one, lambda *got: came.append(got)) for one in INTERRUPTIONS]
    try:
        yield
    finally:
        for number, handler in zip(INTERRUPTIONS, before, strict=True):
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


@cache
def process_space() -> str:
    """What tells apart the processes of machines and containers of one name; Linux alone has it."""
    with suppress(OSError):
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    return ""


def available_cores() -> int:
    """The cores that this process may use, by its affinity and its container's quota."""
    affine = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if affine else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, `INTERRUPTIONS` raise KeyboardInterrupt as Ctrl-C does; afterwards all is as before.

    One that is ignored stays so (SIGHUP after ``nohup``). Outside the main thread, where Python
    handles no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in INTERRUPTIONS}
    for number, handler in before.items():
        if number != signal.SIGINT and handler != signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_interruptions() -> None:
    """Ignore `INTERRUPTIONS` from now on, or until the end of `stoppable`."""
    if threading.current_thread() is threading.main_thread():
        for number in INTERRUPTIONS:
            signal.signal(number, signal.SIG_IGN)
