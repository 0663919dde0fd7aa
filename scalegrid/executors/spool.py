"""Files on a shared disk by which the process that submits trials, the head, and workers talk.

A worker has a folder in the spool with two files: ``orders``, which the head alone writes, and
``report``, which the worker alone writes. Each says all that holds now, not what is new, and is
replaced in one step. So nothing is locked, nothing grows, and a head or worker that starts again
finds where matters stand. A damaged file (a power cut, a full disk) does not match its checksum and
is as good as none: they are not synced, since what must last is in the tables.

Files are read by opening them anew, which NFS answers with what the server has; names of new files
it may hide for a minute, so both files are there before anyone waits for them.
"""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalegrid.training.trial import Epoch
from scalegrid.util import disk
from scalegrid.util.files import replace_file
from scalegrid.util.version import __version__

SPOOL, LOGS = ".slurm", "logs"
"""Folders in that of a sweep: its spool, and what its trials print."""

WORKERS = "workers"
"""The folder in the spool that has one for each worker."""

_PART = 2**20  # bytes read at once


@dataclass(frozen=True)
class Order:
    """A trial that a worker shall have: train it, then keep its outcome until it is withdrawn.

    ``token`` is of this start of the trial alone. ``lacking`` is what the head lacks itself, see
    `lacking.lacking`.
    """

    token: str
    trial: str
    pickled: bytes
    lacking: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Orders:
    """What a worker shall have now; for its life ``to``. One that is ``closed`` ends."""

    number: int = 0
    to: str = ""
    trials: tuple[Order, ...] = ()
    closed: bool = False
    version: str = __version__


FAILED = "failed"
"""Why a worker has ended that knows no better reason."""


@dataclass(frozen=True)
class Report:
    """What a worker has: epochs of trials that run, and pickled outcomes, by token.

    A worker that is started again in the same job has another ``life``. One that is ``leaving``
    takes no more trials; ``left`` is why it has ended, ``problem`` what the user has to mend first.
    ``beat`` changes from time to time while it lives.
    """

    life: str
    node: str
    beat: int = 0
    running: Mapping[str, tuple[Epoch, ...]] = field(default_factory=dict)
    ended: Mapping[str, bytes] = field(default_factory=dict)
    leaving: bool = False
    left: str | None = None
    problem: str | None = None
    version: str = __version__


def remove_spool(folder: Path) -> None:
    """Remove the spool of the sweep in ``folder``, which has ended, and its logs if it has none.

    Workers that are left end when they find it gone.
    """
    disk.remove_tree(folder / SPOOL)
    with suppress(OSError):
        disk.remove_folder(folder / LOGS)


class Box:
    """The two files of a worker, for either side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = b""
        self._paths = {name: str(folder / name) for name in ("orders", "report")}

    def make(self) -> None:
        """Make the folder, and empty files where there are none.

        Raises:
            OSError: they cannot be made; the spool may have been removed.
        """
        disk.make_folder(self.folder)
        for name in ("orders", "report"):
            disk.opened(self.folder / name, "ab").close()

    def orders(self) -> Orders | None:
        """The orders if they have changed since the last call, for the worker."""
        orders: Orders | None = self._news("orders")
        return orders

    def report(self) -> Report | None:
        """The report if it has changed since the last call, for the head; None before the first."""
        report: Report | None = self._news("report")
        return report

    def all(self) -> tuple[Orders, Report | None]:
        """Both files as they are."""
        orders, report = (_loaded(self._read(name)) for name in ("orders", "report"))
        return orders or Orders(), report

    def write(self, what: Orders | Report) -> None:
        """Replace a file.

        Raises:
            OSError: it cannot be written; then it is as it was.
        """
        content = pickle.dumps({**vars(what), "": type(what).__name__})
        record = b"%08x%s" % (zlib.crc32(content), content)
        path = self.folder / ("orders" if isinstance(what, Orders) else "report")
        replace_file(path, lambda file: file.write(record), durable=False)

    def _read(self, name: str) -> bytes:
        """What a file has; as few calls as can be, since it is read every few milliseconds."""
        try:
            file = os.open(self._paths[name], os.O_RDONLY)
        except OSError:  # it is not there yet, or a disk of the network does not answer
            return b""
        try:
            parts = [os.read(file, _PART)]
            while len(parts[-1]) == _PART:
                parts.append(os.read(file, _PART))
        except OSError:
            return b""
        finally:
            os.close(file)
        return b"".join(parts)

    def _news(self, name: str) -> Any:
        record = self._read(name)
        if record == self._seen:
            return None
        self._seen = record
        return _loaded(record)


def _loaded(record: bytes) -> Any:
    """What a file holds; None where it is damaged."""
    checksum, content = record[:8], record[8:]
    if b"%08x" % zlib.crc32(content) != checksum:
        return None
    fields = pickle.loads(content)
    kind: Any = {"Orders": Orders, "Report": Report}[fields.pop("")]
    known = kind.__dataclass_fields__.keys() & fields.keys()  # another version may have others
    return kind(**{name: fields[name] for name in known})
