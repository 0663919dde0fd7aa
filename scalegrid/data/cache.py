"""The cache of resized images: decoded once, shared by all trials through the page cache.

Each data set and resolution has a folder, `<cache>/v1/<fingerprint>/<resolution>/`, with

- `train.npy`, `val.npy`: uint8, shape `(images, resolution, resolution, channels)`;
- `train-labels.npy`, `val-labels.npy`: int64, shape `(images,)`;
- `record.json`: the size and CRC-32 of each of these files.

A folder is written under another name and renamed when complete, so it exists whole or not at
all. A folder whose files do not match its record is built again. Another machine gets the same
files by `parts` and `receive`, with the record as what tells that they are the same.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from scalegrid.data.changes import folder_of, remember
from scalegrid.data.decoding import Chunk, decode
from scalegrid.data.sources import SPLITS, Pixels, Source, Split, Statistics
from scalegrid.util import disk
from scalegrid.util.errors import ImageError, UserError, unusable
from scalegrid.util.files import cache_root
from scalegrid.util.locks import Lock

_RECORD = "record.json"
_UNFINISHED = "building-"
_BLOCK = 2**22  # bytes read at a time when checking
_PART = 2**26  # bytes sent at a time to another machine
_GIBIBYTE = 2**30
_DEFAULT_LIMIT = 8.0  # GiB

Progress = Callable[[int, int], None]
Record = dict[str, tuple[int, int]]  # of each file: its size and CRC-32


@dataclass(frozen=True)
class CachedData:
    """Prepared data, as a trial carries it to its worker process. Picklable.

    Attributes:
        directory: holds a folder for each resolution.
        fingerprint: of the source.
        num_classes: number of classes.
        resolutions: those that are ready, px.
        source: the data set that trials decode while they train if it is too large for a cache.
        note: the sentence that tells the user so; None when cached.
        channels: of each image.
        statistics: as in `Source`.
    """

    directory: Path
    fingerprint: str
    num_classes: int
    resolutions: tuple[int, ...]
    source: Source | None = None
    note: str | None = None
    channels: int = 3
    statistics: Statistics | None = None


def prepare(
    source: Source,
    resolutions: Iterable[int],
    *,
    cache_dir: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> CachedData:
    """Make the images of `source` ready at each of `resolutions`.

    Builds what is missing or damaged, in `workers` processes, and decodes each image once for all
    resolutions. Of several processes that prepare the same data at once, the first builds and the
    others wait. A cache larger than `cache_limit`, or than the disk has room for, is not built:
    trials then decode the images while they train, to the same pixels, and only their headers are
    read here.

    Args:
        source: the data set.
        resolutions: sides of the squares, px.
        cache_dir: where caches are kept; None for `scalegrid.util.files.cache_root`.
        workers: processes that decode; 1 decodes in this one.
        progress: called with the images done and to do.

    Raises:
        UserError: images cannot be read (names them all), or the cache folder cannot be written.
    """
    wanted = tuple(sorted(set(resolutions)))
    root = cache_dir or cache_root()
    directory = folder_of(source.fingerprint, root)
    ready = CachedData(
        directory,
        source.fingerprint,
        source.num_classes,
        wanted,
        channels=source.channels,
        statistics=source.statistics,
    )
    missing = [side for side in wanted if not _is_whole(directory / str(side))]
    if not missing:
        return ready
    note = _too_large(source, wanted, missing, root)
    if note is not None:
        _decoded(source, (), workers, progress)
        remember(source, root)
        return replace(ready, source=source, note=note)
    with _writable(root):
        disk.make_folders(directory)
        with Lock(directory / "lock"):
            missing = [side for side in missing if not _is_whole(directory / str(side))]
            if missing:
                _build(source, directory, missing, workers, progress)
    remember(source, root)
    return ready


def cache_bytes(source: Source, resolutions: Iterable[int]) -> int:
    """The size of the cache of `source` at `resolutions`, to within its few labels."""
    images = source.num_train + source.num_val
    return sum(images * source.channels * side * side for side in set(resolutions))


def cache_limit() -> int:
    """Largest size in bytes of one data set's cache: `SCALEGRID_CACHE_LIMIT` in GiB, else 8 GiB.

    Raises:
        UserError: the variable is not a number of GiB, zero or more.
    """
    text = os.environ.get("SCALEGRID_CACHE_LIMIT") or str(_DEFAULT_LIMIT)
    try:
        limit = int(float(text) * _GIBIBYTE)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise UserError(f"SCALEGRID_CACHE_LIMIT is {text!r}; give a number of GiB, such as 8")
    return limit


def record_of(data: CachedData, resolution: int) -> bytes | None:
    """What says which files a trial at `resolution` px reads; None if it reads none of a cache."""
    if data.source is None and resolution in data.resolutions:
        with suppress(OSError):
            return (data.directory / str(resolution) / _RECORD).read_bytes()
    return None


def located(data: CachedData, resolution: int, record: bytes) -> CachedData | None:
    """The same data as this machine has them: where they were, or in its own cache; None if not.

    Files that are where they were have been checked there.
    """
    for directory in (data.directory, folder_of(data.fingerprint, cache_root())):
        folder = directory / str(resolution)
        with suppress(OSError):
            same = (folder / _RECORD).read_bytes() == record
            if same and (directory == data.directory or _is_whole(folder)):
                return replace(data, directory=directory)
    return None


def parts(data: CachedData, resolution: int) -> Iterator[tuple[str, Pixels]]:
    """The files of one resolution in parts of up to 64 MiB: each with the name of its file."""
    folder = data.directory / str(resolution)
    for name in json.loads((folder / _RECORD).read_bytes()):
        content = np.memmap(folder / name, np.uint8, "r")
        for start in range(0, len(content), _PART):
            yield name, np.asarray(content[start : start + _PART])


def receive(
    data: CachedData, resolution: int, record: bytes, content: Iterable[tuple[str, Pixels]]
) -> CachedData:
    """The data in this machine's own cache, written there from the `parts` of another machine's.

    Of several processes that receive the same data at once, the first writes and the others wait.

    Raises:
        UserError: the cache folder cannot be written, or what came is damaged.
    """
    root = cache_root()
    directory = folder_of(data.fingerprint, root)
    with _writable(root):
        disk.make_folders(directory)
        with Lock(directory / "lock"):
            if here := located(data, resolution, record):
                return here
            with _unfinished_folder(directory) as unfinished, ExitStack() as stack:
                files: dict[str, BinaryIO] = {}
                for name, part in content:
                    if name not in files:
                        file = stack.enter_context(disk.opened(unfinished / name, "wb"))
                        files[name] = file
                    files[name].write(part.data)
                for file in files.values():
                    disk.sync(file)
                _write_file(unfinished / _RECORD, record)
                _put_in_place(unfinished, directory / str(resolution))
    here = located(data, resolution, record)
    if here is None:
        raise UserError(f"the images that were sent to {str(directory)!r} came damaged; try again")
    return here


def _too_large(
    source: Source, wanted: Sequence[int], missing: Sequence[int], root: Path
) -> str | None:
    """The note on images that are streamed instead of cached; None when they are cached."""
    size, limit = cache_bytes(source, wanted), cache_limit()
    if size > limit:
        room = f"the limit of {limit / _GIBIBYTE:.3g} GiB (SCALEGRID_CACHE_LIMIT)"
    else:
        size, limit = cache_bytes(source, missing), _free_bytes(root)
        if size <= limit:
            return None
        room = f"the {limit / _GIBIBYTE:.3g} GiB free in {str(root)!r}"
    return (
        f"a cache of {source.name} would take {size / _GIBIBYTE:.3g} GiB, more than {room}, "
        "so its images are decoded while training, which is slower"
    )


def _free_bytes(root: Path) -> int:
    """Free bytes of the disk of `root`, which need not exist yet."""
    existing = next(path for path in (root, *root.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


@contextmanager
def _writable(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the cache folder {str(root)!r} cannot be written ({error.strerror or error}); "
            "make room, or name another in SCALEGRID_CACHE"
        ) from error


def _is_whole(folder: Path) -> bool:
    """Whether the files of one resolution exist and match their record."""
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        return bool(record) and all(
            _size_and_crc(folder / name) == tuple(expected) for name, expected in record.items()
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return False


def _size_and_crc(path: Path) -> tuple[int, int]:
    crc = size = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
            size += len(block)
    return size, crc


class _Writer:
    """A file with the size and CRC-32 of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = 0
        self.crc = 0

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)

    def finish(self) -> tuple[int, int]:
        """Make the file durable; returns its size and CRC-32."""
        disk.sync(self.file)
        return self.size, self.crc


def _build(
    source: Source,
    directory: Path,
    resolutions: Sequence[int],
    workers: int,
    progress: Progress | None,
) -> None:
    """Write the folders of `resolutions`; the caller holds the lock on `directory`."""
    with _unfinished_folder(directory) as unfinished:
        folders = [unfinished / str(side) for side in resolutions]
        for folder in folders:
            disk.make_folder(folder)
        records = _write_images(source, folders, resolutions, workers, progress)
        for folder, record in zip(folders, records, strict=True):
            for split in SPLITS:
                labels = source.labels(split)
                content = _npy_header(labels) + labels.tobytes()
                record[f"{split}-labels.npy"] = _write_file(folder / f"{split}-labels.npy", content)
            _write_file(folder / _RECORD, json.dumps(record).encode())
            _put_in_place(folder, directory / folder.name)


@contextmanager
def _unfinished_folder(directory: Path) -> Iterator[Path]:
    """A folder to write in, deleted at the end; the caller holds the lock on `directory`."""
    for leftover in directory.glob(f"{_UNFINISHED}*"):  # by a process that was killed
        disk.remove_tree(leftover)
    unfinished = directory / f"{_UNFINISHED}{os.getpid()}"
    disk.make_folder(unfinished)
    try:
        yield unfinished
    finally:
        disk.remove_tree(unfinished)


def _put_in_place(folder: Path, final: Path) -> None:
    disk.remove_tree(final)  # what exists is damaged, or of other images
    disk.rename(folder, final)


def _write_images(
    source: Source,
    folders: Sequence[Path],
    resolutions: Sequence[int],
    workers: int,
    progress: Progress | None,
) -> list[Record]:
    """Decode all images into `train.npy` and `val.npy` of each folder; returns their records."""
    with ExitStack() as stack:
        writers: dict[Split, list[_Writer]] = {}
        for split in SPLITS:
            files = [
                stack.enter_context(disk.opened(path / f"{split}.npy", "wb")) for path in folders
            ]
            writers[split] = [_Writer(file) for file in files]
            for writer, side in zip(writers[split], resolutions, strict=True):
                images = (len(source.labels(split)), side, side, source.channels)
                writer.write(_npy_header(np.broadcast_to(np.uint8(0), images)))

        def write(chunk: Chunk) -> None:
            for writer, pixels in zip(writers[chunk.split], chunk.pixels, strict=True):
                writer.write(pixels)

        _decoded(source, resolutions, workers, progress, write)
        return [
            {f"{split}.npy": writers[split][index].finish() for split in SPLITS}
            for index in range(len(folders))
        ]


def _decoded(
    source: Source,
    resolutions: Sequence[int],
    workers: int,
    progress: Progress | None,
    write: Callable[[Chunk], None] = lambda chunk: None,
) -> None:
    """Decode all images, or read their headers if there are no resolutions.

    Raises:
        UserError: some cannot be used; names them once all have been tried.
    """
    total = source.num_train + source.num_val
    done = 0
    bad: list[ImageError] = []
    with closing(decode(source, resolutions, workers)) as chunks:
        for chunk in chunks:
            bad += chunk.bad
            if not bad:
                write(chunk)
            done += chunk.images
            if progress is not None:
                progress(done, total)
    if bad:
        raise unusable(bad)


def _npy_header(array: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape,
    }
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _write_file(path: Path, content: bytes) -> tuple[int, int]:
    with disk.opened(path, "wb") as file:
        writer = _Writer(file)
        writer.write(content)
        return writer.finish()
