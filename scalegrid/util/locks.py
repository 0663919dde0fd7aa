"""Locks between processes: the operating system's, or a link where the file system has none."""

from __future__ import annotations

import errno
import os
import platform
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from scalegrid.util.errors import UserError
from scalegrid.util.processes import runs

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK}
_PAUSES = 0.001, 0.1  # seconds between two attempts, at first and later

_own: set[Path] = set()  # links that this process holds
_one_thread = threading.Lock()


class HeldError(UserError):
    """Another process holds the lock; ``ends``: its end will be noticed."""

    def __init__(self, folder: Path, by: str = "another process", *, ends: bool = True) -> None:
        super().__init__(f"{folder} is in use by {by}; wait for it")
        self.ends = ends


class Lock:
    """A lock of one holder at a time, on a file that stays where it is.

    It goes with the process, however that ends. Where the file system has no locks, as NFS without
    its lock service, it is a symbolic link beside the file instead, which is made atomically and
    points to ``HOST PID``. That of a process of this host that has ended is taken over; that of
    another host, of which nothing can be known, has to be deleted by hand.

    A context manager: entering waits for a holder whose end will be noticed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.link = path.with_name(f"{path.name}.held")
        self.note: str | None = None
        """A sentence where the lock is a link."""
        self._file: int | None = None
        self._linked = False

    def __enter__(self) -> Lock:
        pause, longest = _PAUSES
        while not self._acquired():
            time.sleep(pause)
            pause = min(2 * pause, longest)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            HeldError: another process has it.
            OSError: the file or the link cannot be made.
        """
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = self._locked(file)
            gone = locked and not self._is(file)
            with _one_thread:
                self._check_link()
                if not locked:
                    self._make_link()
        except BaseException:
            os.close(file)
            raise
        if gone:  # whoever had it has removed it since: others may lock another file of this name
            os.close(file)
            return self.acquire()
        self._file = file
        return None

    def acquire_within(self, seconds: float) -> None:
        """Take the lock as soon as it is free.

        Raises:
            HeldError: others have had it for so long, whether or not their end will be noticed.
            OSError: the file or the link cannot be made.
        """
        deadline = time.monotonic() + seconds
        pause, longest = _PAUSES
        while True:
            try:
                return self.acquire()
            except HeldError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, longest)

    def release(self) -> None:
        """Give it back, if it is held."""
        if self._linked:
            self._linked = False
            _own.discard(self.link)
            self.link.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _acquired(self) -> bool:
        try:
            self.acquire()
        except HeldError as held:
            if held.ends:
                return False
            raise
        return True

    def _is(self, file: int) -> bool:
        """Whether an open file is still the one at the path."""
        try:
            return os.path.samestat(os.fstat(file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _locked(self, file: int) -> bool:
        """Lock an open file; False where that cannot be done here."""
        try:
            if sys.platform == "win32":
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                raise HeldError(self.path.parent) from None
            if error.errno in _NO_LOCKS:
                return False
            raise
        return True

    def _make_link(self) -> None:
        try:
            os.symlink(f"{platform.node()} {os.getpid()}", self.link)
        except FileExistsError:  # made a moment ago
            raise HeldError(self.path.parent) from None
        _own.add(self.link)
        self._linked = True
        self.note = (
            f"the file system of {self.path.parent} has no locks, so that the link "
            f"{self.link.name} in it is one"
        )

    def _check_link(self) -> None:
        """Raise HeldError where another holds the link; remove what an ended process left."""
        try:
            target = os.readlink(self.link)
        except FileNotFoundError:
            return
        except OSError:  # a file or a folder in its place
            target = ""
        host, _, number = target.rpartition(" ")
        pid = int(number) if number.isascii() and number.isdigit() else 0
        here = host == platform.node() and pid > 0
        own = pid == os.getpid() and self.link not in _own  # of a process before a restart
        if not here or (runs(pid) and not own):
            holder = f"process {number} on {host}" if host else "another process"
            by = f"{holder} (if that has ended, delete {self.link})"
            raise HeldError(self.path.parent, by, ends=here)
        self._remove(target)

    def _remove(self, target: str) -> None:
        """Remove a link that points to ``target``; one that another has made since stays."""
        aside = self.link.with_name(f"{self.link.name}.{os.getpid()}")
        with suppress(FileNotFoundError):  # another has removed it
            os.rename(self.link, aside)
            if os.readlink(aside) == target:
                aside.unlink()
            else:
                os.rename(aside, self.link)
