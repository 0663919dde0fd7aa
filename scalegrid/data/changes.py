"""Which images of a data set have changed since a sweep began with it.

Beside the cache of a data set lies what its files were, so that a sweep can go on after a file was
mended, or replaced by one of equal pixels, and can name a file that has changed. Without the cache,
all that is known is that something has changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from scalegrid.data.convert import fit
from scalegrid.data.sources import Content, Source, Split
from scalegrid.util import disk
from scalegrid.util.files import cache_root, digest, replace_file

_FILES = "files.json"
_BAD = "unreadable.json"
_SETTINGS = ""  # no path


def folder_of(fingerprint: str, root: Path) -> Path:
    """Where the cache of a data set is, below the root of all caches."""
    return root / "v1" / fingerprint[:32]


def remember(source: Source, root: Path) -> None:
    """Keep what the files of a data set are, if images are files and a cache can be written."""
    path = folder_of(source.fingerprint, root) / _FILES
    if source.contents is None or path.exists():
        return
    with suppress(OSError):
        disk.make_folders(path.parent)
        _write(path, _listing(source, source.contents()))


def remember_unreadable(source: Source, name: str) -> None:
    """Keep that an image, as errors call it, could not be read from the beginning.

    No trial that has finished has seen it, so it may be mended.
    """
    folder = folder_of(source.fingerprint, cache_root())
    before = _read(folder / _FILES)
    if source.contents is None or not before:
        return
    for one in source.contents():
        if repr(one.file) == name and before.get(one.path) == one.digest:
            with suppress(OSError):
                _write(folder / _BAD, {**_read(folder / _BAD), one.path: one.digest})


def since(source: Source, fingerprint: str) -> tuple[Source, tuple[str, ...]]:
    """A data set as one of an earlier fingerprint, or what has changed since.

    It has that fingerprint if all files that differ could not be read then, or give the pixels
    that are in the cache.

    Returns:
        The data set; and the paths of images that have changed, as far as known.
    """
    if source.fingerprint == fingerprint or source.contents is None:
        return source, ()
    folder = folder_of(fingerprint, cache_root())
    before = _read(folder / _FILES)
    if not before:
        return source, ()
    listing = _listing(source, source.contents())
    now, mended = dict(listing), _read(folder / _BAD)
    if now.pop(_SETTINGS) != before.pop(_SETTINGS, None):
        return source, ()  # not the files alone
    if list(now) != list(before):
        return source, tuple(sorted(now.keys() ^ before.keys()))
    changed = tuple(
        path
        for index, path in enumerate(now)
        if now[path] != before[path]
        and path not in mended
        and not _same_pixels(source, index, folder)
    )
    if changed:
        return source, changed
    with suppress(OSError):  # trials see these files from now on
        _write(folder / _FILES, listing)
        disk.remove(folder / _BAD)
    return replace(source, fingerprint=fingerprint), ()


def _listing(source: Source, contents: Sequence[Content]) -> dict[str, str]:
    """The digests of files by their paths, and of all else that decides images and labels."""
    depth = repr(getattr(source.read, "depth", None))
    settings = digest([source.fit, source.channels, source.class_names, depth])
    return {_SETTINGS: settings, **{one.path: one.digest for one in contents}}


def _same_pixels(source: Source, index: int, folder: Path) -> bool:
    """Whether an image, counted over both splits, has the pixels of a cache at all resolutions."""
    split: Split = "train" if index < source.num_train else "val"
    index -= 0 if split == "train" else source.num_train
    caches = list(folder.glob(f"*/{split}.npy"))
    if not caches:
        return False
    image = source.image(split, index)
    sides = [int(cache.parent.name) for cache in caches]
    return all(
        np.array_equal(np.load(cache, mmap_mode="r")[index], fit(image, side, source.fit))
        for cache, side in zip(caches, sides, strict=True)
    )


def _write(path: Path, files: dict[str, str]) -> None:
    replace_file(path, lambda file: file.write(json.dumps(files).encode()))


def _read(path: Path) -> dict[str, str]:
    try:
        files = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return files if isinstance(files, dict) else {}
