"""The processes, heads, that work on one sweep together: which live, and what each has claimed.

Each has a small file in the folder of the sweep, with the trials that it has claimed, and renews it
every few seconds. A head is dead if its file has not changed for `LEASE` seconds of the clock of
whoever looks, since the clocks of machines differ, or at once if its process was one of this
machine and has ended; then its file is removed, and its claims with it. One that was only suspended
for so long writes its file again, and finds its trials made by others (`JoinedStore.add`).

All but the renewal happens under the lock of the folder.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scalegrid.results.loading import SPEC_FILE
from scalegrid.util import disk
from scalegrid.util.errors import UserError, cannot_write
from scalegrid.util.files import make_missing, remove_made, remove_partial_files, replace_file
from scalegrid.util.locks import HeldError, Lock
from scalegrid.util.processes import process_space, runs
from scalegrid.util.text import enumerated

if TYPE_CHECKING:
    from typing_extensions import Self

BEAT = 3.0
"""Seconds after which a head renews its file."""

LEASE = 60.0
"""Seconds without renewal after which a head is dead."""

PATIENCE = 150.0
"""Seconds for the lock, which a head holds for moments; NFS frees a dead machine's after 90."""

_ALONE = 10.0  # seconds after which who has the lock, and no file, is taken for no head
_POLL = 0.5  # seconds between looks at a sweep that is being started

START = "start"
"""What the head has claimed that starts a sweep, or goes on with it as the first."""

PREFIX, STATUS = ".head-", ".status"


@dataclass(frozen=True)
class Head:
    """One head as its file has it: where it runs, on how many workers, and its claims.

    ``space`` tells apart what calls itself ``host``: see `process_space`.
    """

    host: str
    space: str
    pid: int
    workers: int
    claims: tuple[str, ...]
    beat: int = 0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def here(self) -> bool:
        """Whether its process is one of those that this one sees."""
        return (self.host, self.space) == (platform.node(), process_space())


@dataclass
class _Seen:
    """What the file of another head said, since when (monotonic time), and if it ever changed."""

    text: bytes
    since: float
    changed: bool = False


class Heads:
    """This process among the heads of the sweep in ``folder``.

    A context manager: entering makes the folder and waits until the sweep is started, or is to be
    started here (``leads``); leaving gives back what is claimed. ``say`` is called with a note.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda note: None) -> None:
        self.folder = folder
        self.name = f"{PREFIX}{secrets.token_hex(6)}"
        self.lock = Lock(folder / ".lock")
        self.workers = 0
        self.leads = self.last = False
        self.others: list[Head] = []
        """Those that lived at the last `look`."""
        self._say = say
        self._claims: set[str] = set()
        self._written: set[str] = set()
        self._beats = 0
        self._seen: dict[Path, _Seen] = {}
        self._made: list[Path] = []
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._renew, daemon=True)

    @property
    def elsewhere(self) -> int:
        """Workers of the others."""
        return sum(head.workers for head in self.others)

    def __enter__(self) -> Self:
        """Make the folder, and become a head.

        Raises:
            UserError: the folder cannot be written, or a process that is no head uses it.
        """
        try:
            self._enter()
        except BaseException as error:
            remove_made(self._made)
            if isinstance(error, OSError):
                raise cannot_write(self.folder, error) from None
            raise
        self._pulse.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Give back what is claimed; remove the folder if no sweep was started in it."""
        self.depart()

    def depart(self) -> bool:
        """Be no head any more, if that is so yet; whether it was the last."""
        if self._over.is_set():
            return self.last
        try:
            with suppress(HeldError, OSError):
                self.lock.acquire_within(PATIENCE)
            self.leave()
            unused = self.folder in self._made and not (self.folder / SPEC_FILE).exists()
            if unused and self.last:
                with suppress(OSError):
                    disk.remove(self.lock.path)
        finally:
            self.lock.release()
        if unused and self.last:
            remove_made(self._made)
        return self.last

    def _enter(self) -> None:
        waited = False
        while True:
            self._made += make_missing(self.folder)  # again where who was to start it has failed
            self.take_lock()
            try:
                self.look()
                starting = [other for other in self.others if START in other.claims]
                if not starting:
                    self.leads = not self.others
                    if self.leads:
                        self.clear()
                        self._claims = {START}
                    self.write()
                    break
            finally:
                self.lock.release()
            if not waited:
                waited = True
                self._say(f"Waiting for {starting[0]}, which starts the sweep.")
            time.sleep(_POLL)
        if self.others:
            self._say(f"Joining {enumerated([str(other) for other in self.others])}.")

    def take_lock(self) -> None:
        """Take the lock of the folder.

        Raises:
            UserError: another process keeps it, or it cannot be made.
        """
        try:
            try:
                self.lock.acquire_within(_ALONE)
            except HeldError as held:
                if not self._files():
                    raise UserError(
                        f"{held}, or stop it and start it again, with --join."
                    ) from None
                self.lock.acquire_within(PATIENCE)
        except HeldError as held:
            raise UserError(f"{held}, and run the same command again.") from None
        except OSError as error:
            raise cannot_write(self.folder, error) from None

    def look(self) -> None:
        """See who lives, and remove the files of who does not; with the lock held."""
        disk.refresh(self.folder)
        found = ((path, self._read(path)) for path in self._files())
        self.others = [head for path, head in found if head and self._lives(path, head)]

    def known_to_live(self) -> list[Head]:
        """The other heads, as soon as it is certain that one lives, or that none does."""
        while True:
            self.look()
            certain = [one.changed for one in self._seen.values()]
            if not self.others or any(certain) or any(head.here for head in self.others):
                return self.others
            time.sleep(_POLL)

    def clear(self) -> None:
        """Remove what killed processes have left; where no other head lives."""
        remove_partial_files(self.folder)
        for path in self.folder.glob(f"{PREFIX}*"):
            with suppress(OSError):
                disk.remove(path)

    def claim(self, trial: str) -> bool:
        """Claim a trial unless another head has; it holds from `write_claims` on."""
        if any(trial in other.claims for other in self.others):
            return False
        self._claims = self._claims | {trial}  # a new set, since the pulse reads it
        return True

    def release(self, claims: Iterable[str]) -> None:
        """Give back what is claimed, some time after; that of a stored trial is of no account."""
        self._claims = self._claims.difference(claims)

    def write_claims(self) -> None:
        """Write the file of this head if it has new claims.

        Raises:
            UserError: it cannot be written.
        """
        if not self._claims <= self._written:
            self.write()

    def write(self) -> None:
        """Write the file of this head.

        Raises:
            UserError: it cannot be written.
        """
        with self._guard:
            if self._over.is_set():
                return
            self._beats += 1
            where = platform.node(), process_space(), os.getpid()
            head = Head(*where, self.workers, tuple(sorted(self._claims)), self._beats)
            text = json.dumps(asdict(head)).encode()
            try:
                replace_file(self.folder / self.name, lambda file: file.write(text), durable=False)
            except OSError as error:
                raise cannot_write(self.folder, error) from None
            self._written = set(head.claims)

    def leave(self) -> None:
        """Be no head any more, and know whether it was the ``last``; with the lock held."""
        with self._guard:
            self._over.set()
        with suppress(OSError):
            _remove(self.folder / self.name)
        self.look()
        self.last = not self.others

    def _renew(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(UserError):
                self.write()

    def _files(self) -> list[Path]:
        """The files of other heads."""
        found = self.folder.glob(f"{PREFIX}*")
        return [path for path in found if path.suffix != STATUS and path.name != self.name]

    def _read(self, path: Path) -> Head | None:
        """What a file says now; None if it is gone or not whole."""
        try:
            text = _content(path)
            fields = json.loads(text)
            head = Head(**{**fields, "claims": tuple(fields["claims"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        seen = self._seen.get(path)
        if seen is None or seen.text != text:
            self._seen[path] = _Seen(text, time.monotonic(), changed=seen is not None)
        return head

    def _lives(self, path: Path, head: Head) -> bool:
        """Whether a head lives; if not, its file goes."""
        silent = time.monotonic() - self._seen[path].since
        if silent < LEASE and (not head.here or runs(head.pid)):
            return True
        del self._seen[path]
        with suppress(OSError):
            _remove(path)
        return False


def _content(path: Path) -> bytes:
    """What a file has; NFS may say once that one is stale which is replaced as it is read."""
    try:
        return path.read_bytes()
    except OSError:
        return path.read_bytes()


def _remove(file: Path) -> None:
    """Remove the file of a head, after its status."""
    disk.remove(file.with_suffix(STATUS))
    disk.remove(file)
