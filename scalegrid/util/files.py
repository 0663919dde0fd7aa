"""Files: replaced atomically, digests of content, the cache folder, arrays."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from scalegrid.util import disk

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PREFIX, _SUFFIX = ".", ".partial"


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Replace ``path`` atomically with what ``write`` writes to a file.

    Readers see the old file or the new one, also after a crash of the process. If ``durable``,
    content and name have reached the disk on return (two calls of fsync), and the same holds after
    a crash of the machine.

    Raises:
        OSError: the file cannot be written; the old one is unchanged.
    """
    partial = path.with_name(f"{_PREFIX}{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        with disk.opened(partial, "wb") as file:
            write(file)
            if durable:
                disk.sync(file)
        disk.rename(partial, path)
    except BaseException:
        with suppress(OSError):
            disk.remove(partial)
        raise
    if durable:
        disk.sync_folder(path.parent)


def remove_partial_files(folder: Path) -> None:
    """Delete the unfinished files of killed processes in ``folder``, as far as that can be done."""
    for path in partial_files(folder):
        with suppress(OSError):
            disk.remove(path)


def partial_files(folder: Path) -> list[Path]:
    """The unfinished files in ``folder``, of killed processes or of one that is writing them."""
    return list(folder.glob(f"{_PREFIX}*{_SUFFIX}"))


def make_missing(folder: Path) -> list[Path]:
    """Make a folder durably; it and those above it that were not there, outermost first."""
    missing = [path for path in (*reversed(folder.parents), folder) if not path.exists()]
    try:
        disk.make_folders(folder)
    except OSError:
        remove_made(missing)
        raise
    return missing


def remove_made(folders: Sequence[Path]) -> None:
    """Remove what `make_missing` has made, as far as it is empty."""
    for path in reversed(folders):
        with suppress(OSError):
            disk.remove_folder(path)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one; a link in a circle is none."""
    return entry.is_dir(follow_symlinks=False) or os.path.isdir(entry.path)


def digest(content: Any) -> str:
    """Twelve hex digits that identify ``content``, a JSON value, whatever the order of keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cache_root() -> Path:
    """The cache folder: `SCALEGRID_CACHE`, else the platform's (Linux: ``~/.cache/scalegrid``).

    Where there is no home directory it is a temporary one, see `cache_notes`.
    """
    chosen = os.environ.get("SCALEGRID_CACHE")
    if chosen:
        return Path(os.path.expanduser(chosen))
    import platformdirs  # here, since help does without

    try:
        return platformdirs.user_cache_path("scalegrid", appauthor=False)
    except RuntimeError:  # there is no home directory, and nothing that names another
        user = os.getuid() if hasattr(os, "getuid") else "user"
        return Path(tempfile.gettempdir()) / f"scalegrid-{user}"


def cache_notes() -> list[str]:
    """A sentence where caches are kept in a temporary folder for want of a home directory."""
    root = cache_root()
    if os.environ.get("SCALEGRID_CACHE") or root.parent != Path(tempfile.gettempdir()):
        return []
    return [
        f"there is no home directory, so that caches are kept in {root} and may be lost; set "
        "SCALEGRID_CACHE to a folder that stays"
    ]


def recalled(
    kind: str,
    content: Any,
    compute: Callable[[], Any],
    valid: Callable[[Any], bool] = lambda value: True,
) -> Any:
    """What ``compute`` returns, a JSON value; from the cache if ``content`` has been seen before.

    Args:
        kind: the folder in the cache.
        content: all that the value depends on, a JSON value, beside the versions of scalegrid and
            of the libraries that build networks.
        compute: its failure is the caller's; a failure to keep the value is ignored.
        valid: whether a value from the cache may still be used.
    """
    from importlib.metadata import version

    libraries = [version(library) for library in ("scalegrid", "torch", "timm")]
    path = cache_root() / kind / f"{digest([libraries, content])}.json"
    with suppress(OSError, ValueError):
        kept = json.loads(path.read_bytes())
        if valid(kept):
            return kept
    value = compute()
    with suppress(OSError):
        disk.make_folders(path.parent)
        text = json.dumps(value).encode()
        replace_file(path, lambda file: file.write(text), durable=False)
    return value


def load_arrays(path: Path, names: Sequence[str]) -> list[NDArray[Any]] | None:
    """The named arrays of an ``.npz`` file; None if the file is missing or damaged."""
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except Exception:  # zipfile and numpy raise various errors for damaged files
        return None


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an ``.npz`` file of a cache; failure is ignored, since the arrays can be recomputed."""
    import numpy as np

    with suppress(OSError):
        disk.make_folders(path.parent)
        replace_file(path, lambda file: np.savez(file, allow_pickle=False, **arrays), durable=False)
