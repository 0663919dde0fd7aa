"""Every change of a disk passes here, so that each can be counted, and made to fail, in one place.

Nothing else in the package writes, syncs, renames or removes a file of its own; the tests fail
each call in turn, and lose what had not been synced.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF}


def opened(path: Path, mode: Literal["wb", "ab"]) -> BinaryIO:
    """The file, new or to be added to."""
    return path.open(mode)


def sync(file: BinaryIO) -> None:
    """Make durable what has been written to a file, though not its name: see `sync_folder`."""
    file.flush()
    os.fsync(file.fileno())


def truncate(file: BinaryIO, size: int) -> None:
    """Drop what a file has after so many bytes, for those who read it now."""
    os.ftruncate(file.fileno(), size)


def rename(old: Path, new: Path) -> None:
    """Give a file or a folder another name, in one step; a file of that name is replaced."""
    os.replace(old, new)


def remove(path: Path) -> None:
    """Delete a file, if there is one."""
    path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Delete an empty folder."""
    folder.rmdir()


def make_folder(folder: Path) -> None:
    """Make a folder, in one that exists, if it is not there."""
    folder.mkdir(exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names of the files in ``folder`` durable (fsync of a directory, POSIX only).

    Some file systems of networks refuse that, and keep names by their own rules; a folder that may
    be written to and not read cannot be synced.
    """
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def refresh(folder: Path) -> None:
    """Have a network file system show a folder as it is now, not as it was some seconds ago.

    NFS compares what it remembers of a folder with what the server says whenever the folder is
    changed from here, if only in its times.
    """
    with suppress(OSError):
        os.utime(folder)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it that are missing, durably.

    The name of the folder itself is synced in any case: a run that was killed may not have.
    """
    for path in (*reversed(folder.parents), folder):
        if path == folder or not path.exists():
            make_folder(path)
            sync_folder(path.parent)


def remove_tree(folder: Path) -> None:
    """Delete a folder with all that is in it, as far as that can be done."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in files:
            with suppress(OSError):
                remove(Path(place, name))
        for name in folders:
            with suppress(OSError):
                inside = Path(place, name)
                (remove if inside.is_symlink() else remove_folder)(inside)
    with suppress(OSError):
        remove_folder(folder)
