"""What embedded images have in common: balanced classes, uneven backgrounds and noise.

Intensities run from 0 (black) to 1 (white).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from scalegrid.data.selection import check_number
from scalegrid.data.sources import Source, Split

Colour = npt.NDArray[np.float64]

_CELLS = 6  # along a side, of slow variation


def drawn(
    name: str,
    class_names: Sequence[str],
    counts: tuple[int | None, int | None],
    usual: tuple[int, int],
    fingerprint: Callable[[int, int], str],
    size: int,
    mirror: bool,
    read: Callable[[Split, int], Image.Image],
) -> Source:
    """The source of images that are drawn: image `i` of a split is of class `i % classes`.

    Any number of images is balanced to within one, and image `i` does not depend on the number.

    Args:
        name: of the data set.
        class_names: of its classes.
        counts: images of the training and the validation split; None for the usual number.
        usual: their usual numbers.
        fingerprint: of everything that decides the images, given the counts.
        size: of an image, px.
        mirror: whether a mirrored image keeps its label.
        read: draws an image; picklable.

    Raises:
        UserError: fewer images than classes.
    """
    classes = len(class_names)
    numbers = [own if count is None else count for count, own in zip(counts, usual, strict=True)]
    for count, setting in zip(numbers, ("train_images", "val_images"), strict=True):
        check_number(count, setting, classes=classes)
    train, val = (np.arange(count, dtype=np.int64) % classes for count in numbers)
    return Source(
        name=name,
        fingerprint=fingerprint(*numbers),
        class_names=tuple(class_names),
        train_labels=train,
        val_labels=val,
        native_resolution=size,
        mirror=mirror,
        read=read,
    )


def rgb(colour: Colour) -> tuple[int, int, int]:
    """The nearest colour of 8 bits."""
    red, green, blue = np.clip(np.rint(colour * 255), 0, 255).astype(int).tolist()
    return red, green, blue


def background(
    rng: np.random.Generator, size: int, colour: Colour, gradient: float, texture: float
) -> Image.Image:
    """A square of `size` px of one colour with a linear gradient and slow random variation.

    Args:
        rng: of the image.
        size: px.
        colour: at the centre, before the variation.
        gradient: largest change from centre to edge.
        texture: standard deviation of the variation.
    """
    across = np.linspace(-1.0, 1.0, _CELLS)
    slope = rng.uniform(-gradient, gradient, (2, 1))
    field = rng.normal(0.0, texture, (_CELLS, _CELLS, 3)) + colour
    field += (slope[0] * across)[None, :, None] + (slope[1] * across)[:, None, None]
    coarse = np.clip(np.rint(field * 255), 0, 255).astype(np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def with_noise(
    rng: np.random.Generator, image: Image.Image, deviation: float, contrast: float = 1.0
) -> Image.Image:
    """The image with its contrast around grey scaled, and noise of this standard deviation."""
    noise = rng.standard_normal((*image.size[::-1], 3), dtype=np.float32)
    noise *= np.float32(255 * deviation)
    pixels = np.asarray(image)
    if contrast == 1.0:
        noise += pixels
    else:
        noise += np.float32(contrast) * (pixels - np.float32(127.5)) + np.float32(127.5)
    np.clip(np.rint(noise, out=noise), 0, 255, out=noise)
    return Image.fromarray(noise.astype(np.uint8))
