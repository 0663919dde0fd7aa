"""Replacing a file so that a reader, or a machine that dies, sees the old one or the new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_PREFIX, _SUFFIX = ".", ".partial"


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Give ``path`` the content that ``write`` puts into a file, in one step.

    When ``durable``, content and name have reached the disk on return (two calls of fsync);
    otherwise only other processes are sure to see them.

    Raises:
        OSError: the file cannot be written; the old one is left as it was.
    """
    partial = path.with_name(f"{_PREFIX}{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        with partial.open("wb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of the files in ``folder`` durable (fsync of a directory, POSIX only)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_partial_files(folder: Path) -> None:
    """Delete what killed processes left half-written in ``folder``."""
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        path.unlink(missing_ok=True)
