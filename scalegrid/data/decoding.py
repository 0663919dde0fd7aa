"""All images of a source, decoded and resized by several processes, in order."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial

from scalegrid.data.convert import fit
from scalegrid.data.sources import SPLITS, Source, Split
from scalegrid.util import processes
from scalegrid.util.errors import ImageError, UserError

_CHUNK = 32  # images of a task, few enough for a live progress display
_FEW = 256  # up to so many images, starting processes takes longer than the work


@dataclass(frozen=True)
class Chunk:
    """Consecutive images of a split: their number, their pixels at each resolution, and the bad.

    The pixels of images that cannot be used are missing.
    """

    split: Split
    images: int
    pixels: tuple[bytes, ...]
    bad: tuple[ImageError, ...] = ()


@dataclass(frozen=True)
class _Task:
    split: Split
    start: int
    stop: int


def decode(
    source: Source, resolutions: Sequence[int], workers: int
) -> Generator[Chunk, None, None]:
    """Decode every image once and yield it at all resolutions, training images first.

    Args:
        source: the data set.
        resolutions: sides of the squares, px; without any, only headers are read.
        workers: processes to decode in; 1 decodes in this one.

    Yields:
        Chunks whose `pixels[i]` are uint8, `(images, side, side, channels)` at `resolutions[i]`.

    Raises:
        UserError: a worker process was killed.
    """
    tasks = [
        _Task(split, start, min(start + _CHUNK, len(source.labels(split))))
        for split in SPLITS
        for start in range(0, len(source.labels(split)), _CHUNK)
    ]
    if workers == 1 or source.num_train + source.num_val <= _FEW:
        yield from map(partial(_decode, source, resolutions), tasks)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)),
        # Not forked: the caller may have threads (torch, a progress display).
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(source, resolutions),
    )
    try:
        with processes.uninterrupted():  # processes start when the tasks are submitted
            chunks = pool.map(_decode_in_worker, tasks)
        yield from chunks
    except BrokenProcessPool as error:
        raise UserError(
            "a process that decodes images was killed, perhaps for want of memory; "
            f"use fewer than {workers} workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(source: Source, resolutions: Sequence[int], task: _Task) -> Chunk:
    """The images of a task, of which one is in memory at its native size at any time."""
    squares: list[list[bytes]] = [[] for _ in resolutions]
    bad = []
    for index in range(task.start, task.stop):
        try:
            if not resolutions:
                source.check(task.split, index)
                continue
            image = source.image(task.split, index)
        except ImageError as error:
            bad.append(error)
            continue
        for done, side in zip(squares, resolutions, strict=True):
            done.append(fit(image, side, source.fit).tobytes())
        del image  # before the next is decoded
    pixels = tuple(map(b"".join, squares))
    return Chunk(task.split, task.stop - task.start, pixels, tuple(bad))


_worker_job: tuple[Source, Sequence[int]]  # what a worker process decodes, set when it starts


def _start_worker(source: Source, resolutions: Sequence[int]) -> None:
    global _worker_job
    _worker_job = source, resolutions
    # These reach the whole process group, and only the parent acts on them.
    processes.ignore_interruptions()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which a pool ends its processes
    processes.end_with_parent()


def _decode_in_worker(task: _Task) -> Chunk:
    return _decode(*_worker_job, task)
