"""Files: replaced in one step, named by their content, and cached where the user says."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import platformdirs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PREFIX, _SUFFIX = ".", ".partial"


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Give ``path`` the content that ``write`` puts into a file, in one step.

    A reader, or a machine that dies, sees the old file or the new one. When ``durable``, content
    and name have reached the disk on return (two calls of fsync); otherwise only other processes
    are sure to see them.

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


def digest(content: Any) -> str:
    """Twelve hex digits that identify ``content`` (anything JSON can hold), whatever key order."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cache_root() -> Path:
    """The folder of everything that can be computed again.

    `SCALEGRID_CACHE`, else the platform's own cache folder (on Linux ``~/.cache/scalegrid``).
    """
    own = os.environ.get("SCALEGRID_CACHE")
    if own:
        return Path(os.path.expanduser(own))
    return platformdirs.user_cache_path("scalegrid", appauthor=False)


def load_arrays(path: Path, names: Sequence[str]) -> list[NDArray[Any]] | None:
    """The named arrays of an ``.npz`` file; None if it is missing, cut short or corrupt."""
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except Exception:  # whatever a damaged archive makes zipfile and numpy raise
        return None


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an ``.npz`` file; where that is impossible, the arrays are computed again next time."""
    import numpy as np

    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda file: np.savez(file, allow_pickle=False, **arrays), durable=False)
