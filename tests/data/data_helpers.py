"""Small data sets for the tests of `scalegrid.data`."""

from __future__ import annotations

import hashlib
import os
import signal
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from image_files import make_classes as make_classes
from image_files import picture as picture
from PIL import Image

from scalegrid.data import SPLITS, Source, Split
from scalegrid.data.glyphs import GlyphTask, open_glyphs
from scalegrid.data.sources import Picture

TINY = GlyphTask(classes="CGE", size=24)


def tiny_glyphs(train_images: int = 7, val_images: int = 3) -> Source:
    """A glyph source whose images take no time."""
    return open_glyphs(train_images, val_images, TINY)


@dataclass(frozen=True)
class CountingReader:
    """Reads like another reader, and writes a line to a file for each image, in any process."""

    read: Callable[[Split, int], Picture]
    log: Path

    def __call__(self, split: Split, index: int) -> Picture:
        with self.log.open("a") as log:
            log.write(f"{split} {index} {os.getpid()}\n")
        return self.read(split, index)


def counted(source: Source, log: Path) -> Source:
    """The same source, which writes a line to `log` for each image that is read."""
    return replace(source, read=CountingReader(source.read, log))


class HoldingReader:
    """Reads black, and raises if an image that it has read before is still in memory."""

    def __init__(self) -> None:
        self.last: weakref.ref[Image.Image] | None = None

    def __call__(self, split: Split, index: int) -> Image.Image:
        assert self.last is None or self.last() is None
        image = Image.new("RGB", (8, 8))
        self.last = weakref.ref(image)
        return image


@dataclass(frozen=True)
class FatalReader:
    """Ends the process that reads with it, as the out-of-memory killer would."""

    def __call__(self, split: Split, index: int) -> Image.Image:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


@dataclass(frozen=True)
class InterruptedReader:
    """Reads white where Ctrl-C cannot reach the process, however early it comes, else black."""

    def __call__(self, split: Split, index: int) -> Image.Image:
        unreachable = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return Image.new("RGB", (8, 8), "white" if unreachable else "black")


def source_digest(source: Source) -> str:
    """Digest of all pixels and labels of a source."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for index, label in enumerate(source.labels(split)):
            digest.update(source.image(split, index).tobytes() + bytes([int(label)]))
    return digest.hexdigest()
