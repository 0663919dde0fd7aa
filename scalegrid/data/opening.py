"""Data sets by name or path."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from scalegrid.data.convert import largest_image
from scalegrid.data.folder import open_folder
from scalegrid.data.glyphs import open_glyphs
from scalegrid.data.leaves import open_leaves
from scalegrid.data.shards import find_shards
from scalegrid.data.sources import SPLITS, Fit, Picture, Source, Split
from scalegrid.data.table import SUFFIXES, open_table
from scalegrid.data.torchvision import NAMES, open_torchvision
from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_root, digest
from scalegrid.util.text import did_you_mean

_KEPT = 2 / 3
"""Share of the pixels of an image that a crop may keep without a word."""

_UNEVEN = 5
"""How many times as many images a class may have as another without a word."""

EMBEDDED: dict[str, Callable[[int | None, int | None], Source]] = {
    "leaves": open_leaves,
    "glyphs": open_glyphs,
}
"""The data sets that come with the package, the default first."""


def open_source(
    data: str,
    *,
    train_images: int | None = None,
    val_images: int | None = None,
    download: bool = True,
    data_dir: Path | None = None,
    channels: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_bad_images: bool = False,
    fit: Fit = "crop",
    workers: int = 1,
) -> Source:
    """Open a data set by name or path, without decoding its images.

    Args:
        data: `leaves` or `glyphs`; a name that timm's data set factory takes (`cifar10`, `mnist`,
            ..., with or without its `torch/`); or the path of a folder of images or of parquet
            shards (`./cifar10` for a folder with the name of a data set), or of a CSV table.
        train_images: number of training images; None for all.
        val_images: number of images to measure accuracy on; None for all of a folder's own
            validation set, else a tenth of the training images, held out.
        download: whether a named data set may be downloaded.
        data_dir: where named data sets are kept; None for `data_root`.
        channels: of each image; None for those of a folder's multi-band files, else three.
        image_column: of parquet shards; None for the only column of images; of a table `path`.
        label_column: of parquet shards; None for the only column of labels; of a table `label`.
        skip_bad_images: leave out image files that cannot be read.
        fit: how images become squares.
        workers: threads that look for images that cannot be read.

    Raises:
        UserError: nothing of that name, bad data, or numbers (of channels too) or columns that do
            not fit it.
    """
    largest_image()  # refused here, and not as if an image were bad
    source = _opened(
        data,
        train_images=train_images,
        val_images=val_images,
        download=download,
        data_dir=data_dir,
        channels=channels,
        image_column=image_column,
        label_column=label_column,
        skip_bad_images=skip_bad_images,
        workers=workers,
    )
    if fit != "crop":
        fingerprint = digest([source.fingerprint, "fit", fit])
        source = replace(source, fit=fit, fingerprint=fingerprint)
    return replace(source, notes=(*source.notes, *_cut_off(source), *_uneven(source)))


def _cut_off(source: Source) -> list[str]:
    """A note if much of the images is left out."""
    if source.fit != "crop" or source.aspect is None or source.aspect >= _KEPT:
        return []
    return [
        f"the central square of an image leaves out {1 - source.aspect:.0%} of its pixels, in the "
        "median; --fit pad or stretch keeps all"
    ]


def _uneven(source: Source) -> list[str]:
    """A note if classes have very different numbers of images."""
    for split, kind in zip(SPLITS, ("training", "validation"), strict=True):
        counts = np.bincount(source.labels(split), minlength=source.num_classes)
        most, least = int(counts.argmax()), int(counts.argmin())
        if counts[most] > _UNEVEN * counts[least]:
            return [
                f"class {source.class_names[most]!r} has {counts[most]:,} {kind} images and "
                f"{source.class_names[least]!r} {counts[least]:,}: top-1 counts images, so it is "
                "mostly that of the large classes; --metric balanced counts classes"
            ]
    return []


def _opened(
    data: str,
    *,
    train_images: int | None,
    val_images: int | None,
    download: bool,
    data_dir: Path | None,
    channels: int | None,
    image_column: str | None,
    label_column: str | None,
    skip_bad_images: bool,
    workers: int,
) -> Source:
    path = Path(os.path.expanduser(data))
    name = data.removeprefix("torch/")
    name = {"inat": "inaturalist"}.get(name, name)
    named = name in (*EMBEDDED, *NAMES)
    of_files = not named and path.is_dir()
    shards = find_shards(path.absolute()) if of_files else None
    table = not named and not of_files and path.suffix.lower() in SUFFIXES and path.is_file()
    if skip_bad_images and (shards or not (of_files or table)):
        raise UserError(
            f"--skip-bad-images is for image files, in folders or a table, and {data!r} is none of "
            "these; leave it out"
        )
    if table:
        return open_table(
            path,
            train_images=train_images,
            val_images=val_images,
            image_column=image_column,
            label_column=label_column,
            channels=channels,
            skip_bad_images=skip_bad_images,
            workers=workers,
        )
    if shards:
        from scalegrid.data.parquet import open_parquet  # here, since others do without pyarrow

        source = open_parquet(
            *shards,
            train_images=train_images,
            val_images=val_images,
            image_column=image_column,
            label_column=label_column,
        )
        return _in_channels(source, channels)
    for key, column in (("image", image_column), ("label", label_column)):
        if column is not None:
            raise UserError(
                f"--{key}-column is {column!r}, but {data} has no parquet shards and is no table; "
                "leave it out"
            )
    if name in EMBEDDED:
        return _in_channels(EMBEDDED[name](train_images, val_images), channels)
    if name in NAMES:
        source = open_torchvision(
            name,
            data_dir or data_root(),
            train_images=train_images,
            val_images=val_images,
            download=download,
        )
        return _in_channels(source, channels)
    if not path.is_dir():
        raise UserError(_unknown(data, path, (*EMBEDDED, *NAMES)))
    return open_folder(
        path,
        train_images=train_images,
        val_images=val_images,
        channels=channels,
        skip_bad_images=skip_bad_images,
        workers=workers,
    )


@dataclass(frozen=True)
class GreyReader:
    """The luminance of what another reader reads; picklable."""

    read: Callable[[Split, int], Picture]

    def __call__(self, split: Split, index: int) -> Picture:
        """Image `index` of `split`: mode L."""
        image = self.read(split, index)
        assert isinstance(image, Image.Image)
        return image.convert("L")


def _in_channels(source: Source, channels: int | None) -> Source:
    """A source of RGB images, or their luminance if `channels` is 1."""
    if channels in (None, source.channels):
        return source
    if channels != 1:
        raise UserError(
            f"--channels is {channels}, but the images of {source.name} have {source.channels}; "
            "leave it out, or give 1 for grey"
        )
    fingerprint = digest([source.fingerprint, "channels", 1])
    return replace(source, read=GreyReader(source.read), channels=1, fingerprint=fingerprint)


def data_root() -> Path:
    """The folder of downloaded data sets: `SCALEGRID_DATA`, or `datasets` in the cache folder."""
    own = os.environ.get("SCALEGRID_DATA")
    return Path(os.path.expanduser(own)) if own else cache_root() / "datasets"


def _unknown(data: str, path: Path, names: tuple[str, ...]) -> str:
    if path.exists():
        return f"data {data!r} is a file; give a folder of images or parquet shards, or a CSV table"
    if path.suffix.lower() in SUFFIXES:
        return f"there is no table {data!r}; give the path of a CSV table, or of a folder of images"
    hint = did_you_mean(data, names).replace("?", ", or a folder elsewhere (--data PATH)?")
    hint = hint or f"give the path of a folder, or one of {', '.join(names)}"
    return f"data {data!r} is neither a folder here nor the name of a data set; {hint}"
