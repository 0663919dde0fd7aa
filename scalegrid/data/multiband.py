"""The images of a folder with another number of channels than RGB, or of other types of numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image

from scalegrid.data.bands import Bands, read_bands
from scalegrid.data.levels import QUANTILES, Levels, levels_of, sample, statistics_of
from scalegrid.data.sources import Picture, Source, Split
from scalegrid.util.errors import ImageError, UserError
from scalegrid.util.files import digest

_FORMAT = 1  # increased whenever the same files give other pixels


@dataclass(frozen=True)
class BandReader:
    """Reads the images of both splits; picklable.

    Attributes:
        train_files: of the training images.
        val_files: of the validation images.
        channels: of each image; the stored ones, or luminance of three, or one repeated.
        stored: channels and type of number of every file.
        levels: how numbers become 8 bits; None for those that are.
    """

    train_files: tuple[str, ...]
    val_files: tuple[str, ...]
    channels: int
    stored: tuple[int, str]
    levels: Levels | None = None

    def __call__(self, split: Split, index: int) -> Picture:
        """Image `index` of `split`.

        Raises:
            UserError: see `numbers`.
        """
        files = self.train_files if split == "train" else self.val_files
        numbers = self.numbers(files[index])
        pixels = numbers if self.levels is None else self.levels.apply(numbers)
        if self.channels not in (1, 3):
            return pixels
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        return image.convert("L" if self.channels == 1 else "RGB")

    def numbers(self, file: str) -> Bands:
        """What a file holds: shape `(H, W, stored channels)`.

        Raises:
            UserError: it cannot be read, or is not like the first training image; names it.
        """
        numbers = read_bands(Path(file), self.channels)
        if (found := _stored(numbers)) != self.stored:
            raise ImageError(
                repr(file),
                f"has {_described(found)}, but {self.train_files[0]!r} has "
                f"{_described(self.stored)}",
                "all images must be alike",
            )
        return numbers


def in_bands(
    source: Source, train: tuple[str, ...], val: tuple[str, ...], wanted: int | None
) -> Source:
    """The same images with `wanted` channels; None: those of multi-band files, else three.

    The fingerprint covers the channels, and the levels and statistics of the training images.

    Raises:
        UserError: the files have another number of channels, or one of the first cannot be read.
    """
    stored = _stored(read_bands(Path(train[0]), wanted))
    own, kind = stored
    channels = wanted or (3 if own == 1 else own)
    if channels != own and not {channels, own} <= {1, 3}:
        can = "1 or 3" if own in (1, 3) else str(own)
        raise UserError(
            f"--channels is {channels}, but image {train[0]!r} has {_described(stored)}; "
            f"give --channels {can}"
        )
    reader = BandReader(train, val, channels, stored)
    levels, statistics, notes = None, None, source.notes
    if kind != "uint8" or channels not in (1, 3):
        pixels = sample(train, reader.numbers)
        if kind != "uint8":
            levels = levels_of(pixels)
            pixels = levels.apply(pixels)
            notes = (*notes, _note(kind, levels))
        if channels not in (1, 3):
            statistics = statistics_of(pixels)
    parts = [asdict(part) if part else None for part in (levels, statistics)]
    return replace(
        source,
        fingerprint=digest([source.fingerprint, "bands", _FORMAT, channels, *parts]),
        read=replace(reader, levels=levels),
        channels=channels,
        statistics=statistics,
        notes=notes,
        check_header=None,
        contents=None,
    )


def _stored(bands: Bands) -> tuple[int, str]:
    return bands.shape[2], bands.dtype.name


def _described(stored: tuple[int, str]) -> str:
    channels, kind = stored
    return f"{channels} channel{'s' if channels > 1 else ''} of {kind}"


def _note(kind: str, levels: Levels) -> str:
    low, high = (f"{100 * share:g}" for share in QUANTILES)
    return (
        f"the images are {kind} and are mapped to 8 bits: the {low} % and {high} % quantiles of "
        f"each channel become 0 and 255 ({levels})"
    )
