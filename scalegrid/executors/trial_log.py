"""What a worker prints while it trains a trial, in a file named after the trial."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scalegrid.util import disk


def log_file(folder: Path, trial: str) -> Path:
    """Where a trial's is."""
    return folder / f"{trial}.log"


@contextmanager
def logged(folder: Path | None, trial: str) -> Iterator[None]:
    """Within, standard output and error of this process, and of its children, go to the file.

    An empty file is removed. Without a folder, or where the file cannot be made, nothing changes.
    """
    file = None
    if folder is not None:
        with suppress(OSError):
            file = disk.opened(log_file(folder, trial), "wb")
    if file is None:
        yield
        return
    kept = [os.dup(1), os.dup(2)]
    try:
        _flush()
        with file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
        yield
    finally:
        _flush()
        for number, before in enumerate(kept, start=1):
            os.dup2(before, number)
            os.close(before)
        remove_empty(folder, trial)


def remove_empty(folder: Path | None, trial: str) -> None:
    """Remove the file if nothing was printed, as far as that can be done."""
    if folder is not None:
        with suppress(OSError):
            if log_file(folder, trial).stat().st_size == 0:
                disk.remove(log_file(folder, trial))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()
