"""What a data set is: labelled images in two splits with a fingerprint; opened by name or path."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_root
from scalegrid.util.text import did_you_mean

if TYPE_CHECKING:
    from PIL import Image

Split = Literal["train", "val"]
Labels: TypeAlias = npt.NDArray[np.int64]
SPLITS: tuple[Split, Split] = ("train", "val")

EMBEDDED = "glyphs"
"""The data set that comes with the package."""


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as trials use it: subsets are taken, and validation images held out.

    Attributes:
        name: `glyphs`, `folder`, `cifar10`, ...
        fingerprint: hex digest of everything that decides the images and labels of both
            splits, and their order. Two sources with one fingerprint give the same trials.
        class_names: label `i` is `class_names[i]`.
        train_labels: int64, shape `(num_train,)`.
        val_labels: int64, shape `(num_val,)`.
        native_resolution: short side in px of the (median) image; None if only decoding shows it.
        mirror: whether a mirrored image keeps its label (letters and digits do not).
        read: `(split, index) -> image`; picklable, so that worker processes can decode.
    """

    name: str
    fingerprint: str
    class_names: tuple[str, ...]
    train_labels: Labels = field(repr=False)
    val_labels: Labels = field(repr=False)
    native_resolution: int | None
    mirror: bool
    read: Callable[[Split, int], Image.Image] = field(repr=False)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def num_train(self) -> int:
        """The number of training images a trial uses."""
        return len(self.train_labels)

    @property
    def num_val(self) -> int:
        """The number of images that accuracies are measured on."""
        return len(self.val_labels)

    def labels(self, split: Split) -> Labels:
        """Labels of a split: int64, shape `(number of images,)`."""
        return self.train_labels if split == "train" else self.val_labels

    def image(self, split: Split, index: int) -> Image.Image:
        """Image `index` of `split`: mode RGB, native pixels."""
        return self.read(split, index)


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
    from scalegrid.data import folder, glyphs, torchvision

    name = data.removeprefix("torch/")
    name = {"inat": "inaturalist"}.get(name, name)
    if name == EMBEDDED:
        return glyphs.open_glyphs(train_images, val_images)
    if name in torchvision.NAMES:
        return torchvision.open_torchvision(
            name,
            data_dir or data_root(),
            train_images=train_images,
            val_images=val_images,
            download=download,
        )
    path = Path(os.path.expanduser(data))
    if not path.is_dir():
        raise UserError(_unknown(data, path, (EMBEDDED, *torchvision.NAMES)))
    return folder.open_folder(path, train_images=train_images, val_images=val_images)


def data_root() -> Path:
    """The folder of downloaded data sets: `SCALEGRID_DATA`, or `datasets` in the cache folder."""
    own = os.environ.get("SCALEGRID_DATA")
    return Path(os.path.expanduser(own)) if own else cache_root() / "datasets"


def _unknown(data: str, path: Path, names: tuple[str, ...]) -> str:
    if path.exists():
        return f"data {data!r} is a file; give a folder of images"
    hint = did_you_mean(data, names, f"give a folder, or one of {', '.join(names)}")
    return f"data {data!r} is neither a folder nor the name of a data set; {hint}"
