"""Which images are used: the first of a fixed stratified order.

The order depends on the labels alone. A larger choice therefore contains every smaller one, and a
choice of at least as many images as classes holds an image of each class.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from scalegrid.data.sources import Labels
from scalegrid.util.errors import UserError

SEED = 0
HELD_OUT = 0.1
"""Share of the training images held out for validation by default."""


def stratified_order(labels: Labels) -> Labels:
    """A permutation of the images, each prefix of which mirrors the class frequencies.

    Each class is shuffled, its j-th of n images gets the position j/n, and the images are sorted
    by position, ties in shuffled order. Of a class with `n` of the `N` images, a prefix of `k`
    images holds at most `ceil(k·n/N)`, and at least one if `k` is at least the number of classes.

    Args:
        labels: int64, shape `(N,)`.

    Returns:
        Indices into `labels`: int64, shape `(N,)`.
    """
    shuffled = np.random.default_rng(SEED).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    sizes = np.repeat(counts, counts)
    position = np.empty(len(labels))
    position[by_class] = (np.arange(len(labels)) - firsts) / sizes
    order: Labels = shuffled[np.argsort(position[shuffled], kind="stable")].astype(np.int64)
    return order


def subset(labels: Labels, wanted: int | None, setting: str, otherwise: str = "") -> Labels:
    """Indices of the first `wanted` images of the stratified order; of all when None.

    Args:
        labels: of all images, int64.
        wanted: number of images.
        setting: what an error calls that number.
        otherwise: how there can be more images, for an error.

    Raises:
        UserError: more images wanted than there are, or fewer than there are classes.
    """
    classes = len(np.unique(labels))
    check_number(wanted, setting, classes=classes, available=len(labels), otherwise=otherwise)
    return stratified_order(labels)[:wanted]


def hold_out(
    labels: Labels, train_images: int | None, val_images: int | None, class_names: Sequence[str]
) -> tuple[Labels, Labels]:
    """Split a set of images into training and validation images, both stratified.

    Args:
        labels: of all images, int64.
        train_images: number of training images; None for all that are left.
        val_images: number of images to hold out; None for a tenth, but one of each class.
        class_names: to name a class in an error.

    Returns:
        Indices of the training and of the validation images, disjoint.

    Raises:
        UserError: a class with a single image, or numbers that the images do not allow.
    """
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() < 2:
        name = class_names[int(counts.argmin())]
        raise UserError(
            f"class {name!r} has a single image, which cannot be both trained and validated on; "
            "add images or a validation set"
        )
    if val_images is None:
        val_images = max(len(class_names), round(HELD_OUT * len(labels)))
    check_number(val_images, "val_images", classes=len(class_names), available=len(labels))
    order = stratified_order(labels)
    held, rest = order[:val_images], order[val_images:]
    left = np.bincount(labels[rest], minlength=len(class_names))
    if left.min() == 0:
        raise UserError(
            f"val_images is {val_images} of {len(labels)} images, which leaves none of class "
            f"{class_names[int(left.argmin())]!r} to train on; ask for fewer"
        )
    return rest[subset(labels[rest], train_images, "train_images")], held


def _plain(name: str) -> str:
    """A name without its case, and with accents written in one way (macOS has its own)."""
    return unicodedata.normalize("NFC", name).casefold()


def check_same_classes(train: tuple[str, Sequence[str]], val: tuple[str, Sequence[str]]) -> None:
    """Raise UserError unless the classes of both sets are the same; each has a name and classes."""
    for (here, wanted), (there, present) in ((train, val), (val, train)):
        missing = sorted(set(wanted) - set(present))
        if missing:
            alike = [name for name in present if _plain(name) == _plain(missing[0])]
            written = f"; there it is written {alike[0]!a}" if alike else ""
            raise UserError(
                f"class {missing[0]!r} of {here!r} is missing from {there!r}{written}; "
                "both need images of every class"
            )


def check_number(
    wanted: int | None,
    setting: str,
    *,
    classes: int,
    available: int | None = None,
    otherwise: str = "",
) -> None:
    """Raise UserError unless there are as many images as `wanted`, and those hold every class."""
    if wanted is None:
        return
    if available is not None and wanted > available:
        raise UserError(
            f"{setting} is {wanted}, but there are only {available} images to choose from; "
            f"ask for at most {available}{otherwise}"
        )
    if wanted < classes:
        raise UserError(
            f"{setting} is {wanted}, but there are {classes} classes; "
            "ask for at least one image of each"
        )
