"""Data sets by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from scalegrid.data.folder import open_folder
from scalegrid.data.glyphs import open_glyphs
from scalegrid.data.sources import Source
from scalegrid.data.torchvision import NAMES, open_torchvision
from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_root
from scalegrid.util.text import did_you_mean

EMBEDDED = "glyphs"
"""The data set that comes with the package."""


def open_source(
    data: str,
    *,
    train_images: int | None = None,
    val_images: int | None = None,
    download: bool = True,
    data_dir: Path | None = None,
) -> Source:
    """Open a data set by name or path, without decoding its images.

    Args:
        data: `glyphs`; a name that timm's data set factory takes (`cifar10`, `mnist`, ..., with
            or without its `torch/`); or the path of a folder of images (`./cifar10` for a folder
            with the name of a data set).
        train_images: number of training images; None for all.
        val_images: number of images to measure accuracy on; None for all of a folder's own
            validation set, else a tenth of the training images, held out.
        download: whether a named data set may be downloaded.
        data_dir: where named data sets are kept; None for `data_root`.

    Raises:
        UserError: nothing of that name, bad data, or numbers that do not fit it.
    """
    name = data.removeprefix("torch/")
    name = {"inat": "inaturalist"}.get(name, name)
    if name == EMBEDDED:
        return open_glyphs(train_images, val_images)
    if name in NAMES:
        return open_torchvision(
            name,
            data_dir or data_root(),
            train_images=train_images,
            val_images=val_images,
            download=download,
        )
    path = Path(os.path.expanduser(data))
    if not path.is_dir():
        raise UserError(_unknown(data, path, (EMBEDDED, *NAMES)))
    return open_folder(path, train_images=train_images, val_images=val_images)


def data_root() -> Path:
    """The folder of downloaded data sets: `SCALEGRID_DATA`, or `datasets` in the cache folder."""
    own = os.environ.get("SCALEGRID_DATA")
    return Path(os.path.expanduser(own)) if own else cache_root() / "datasets"


def _unknown(data: str, path: Path, names: tuple[str, ...]) -> str:
    if path.exists():
        return f"data {data!r} is a file; give a folder of images"
    hint = did_you_mean(data, names, f"give a folder, or one of {', '.join(names)}")
    return f"data {data!r} is neither a folder nor the name of a data set; {hint}"
