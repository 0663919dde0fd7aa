"""What a data set is: labelled images in two splits with a fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Pixels: TypeAlias = npt.NDArray[np.uint8]
Picture: TypeAlias = "Image.Image | Pixels"
"""An image of mode RGB or L; of another number of channels C, its pixels, shape `(H, W, C)`."""

Split = Literal["train", "val"]
Fit = Literal["crop", "pad", "stretch"]
"""How an image becomes a square."""
Labels: TypeAlias = npt.NDArray[np.int64]
SPLITS: tuple[Split, Split] = ("train", "val")


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel, for intensities from 0 to 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Content(NamedTuple):
    """The file of an image: its path below the data set, its path here, and what is in it."""

    path: str
    file: str
    digest: str


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as trials use it: subsets are taken, and validation images held out.

    Attributes:
        name: `leaves`, `folder`, `cifar10`, ...
        fingerprint: hex digest of everything that decides the images and labels of both
            splits, and their order. Two sources with one fingerprint give the same trials.
        class_names: label `i` is `class_names[i]`.
        train_labels: int64, shape `(num_train,)`.
        val_labels: int64, shape `(num_val,)`.
        native_resolution: short side in px of the (median) image; None if only decoding shows it.
        mirror: whether a mirrored image keeps its label (letters and digits do not).
        read: `(split, index) -> image`; picklable, so that worker processes can decode.
        channels: of each image.
        statistics: what images are normalised by; None for the constants of `batching`.
        notes: sentences on the images that a user should read.
        check_header: `(split, index)`: raise ImageError where the header alone shows that an
            image cannot be read; None where that is not known. Picklable.
        contents: the files of the images of both splits, in their order, where they are files.
        skipped: images that were left out since they cannot be read.
        aspect: short over long side of the (median) image; None if only decoding shows it.
        fit: how images become squares.
    """

    name: str
    fingerprint: str
    class_names: tuple[str, ...]
    train_labels: Labels = field(repr=False)
    val_labels: Labels = field(repr=False)
    native_resolution: int | None
    mirror: bool
    read: Callable[[Split, int], Picture] = field(repr=False)
    channels: int = 3
    statistics: Statistics | None = None
    notes: tuple[str, ...] = ()
    check_header: Callable[[Split, int], None] | None = field(default=None, repr=False)
    contents: Callable[[], Sequence[Content]] | None = field(default=None, repr=False)
    skipped: int = 0
    aspect: float | None = None
    fit: Fit = "crop"

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

    @property
    def guessing(self) -> float:
        """The accuracy of always giving the commonest class of the validation images."""
        return float(np.bincount(self.val_labels).max() / self.num_val)

    def labels(self, split: Split) -> Labels:
        """Labels of a split: int64, shape `(number of images,)`."""
        return self.train_labels if split == "train" else self.val_labels

    def check(self, split: Split, index: int) -> None:
        """Raise ImageError where the header of an image shows that it cannot be read."""
        if self.check_header is not None:
            self.check_header(split, index)

    def image(self, split: Split, index: int) -> Picture:
        """Image `index` of `split`, native pixels: mode L or RGB if of one or three channels."""
        return self.read(split, index)
