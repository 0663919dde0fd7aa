"""From an image file of any format to a square of pixels."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from scalegrid.data.sources import Picture, Pixels
from scalegrid.util.errors import UserError

File: TypeAlias = Path | BinaryIO
"""What Pillow opens: a file by its path, or bytes in memory."""


def read_image(
    file: File, name: str | None = None, remedy: str = "mend or remove the file"
) -> Image.Image:
    """Decode a file with Pillow: its first frame, upright, as RGB (see `to_rgb`).

    Args:
        file: the encoded image.
        name: what an error calls it; None for its path.
        remedy: what an error says to do.

    Raises:
        UserError: the file cannot be read or decoded; names it.
    """
    try:
        with quiet(), Image.open(file) as image:
            return to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # damaged files make Pillow's decoders raise almost anything
        raise unreadable(file, error, name, remedy) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Within, decoders neither warn of damaged metadata, which do not matter, nor log errors."""
    with warnings.catch_warnings(), ExitStack() as restored:
        warnings.simplefilter("ignore")
        for log in map(logging.getLogger, ("PIL.TiffImagePlugin", "tifffile")):
            restored.callback(setattr, log, "disabled", log.disabled)
            log.disabled = True
        yield


def unreadable(
    file: File, error: Exception, name: str | None = None, remedy: str = "mend or remove the file"
) -> UserError:
    """The error that names a file which cannot be decoded; arguments as of `read_image`."""
    reason = str(error).replace(str(file), "the file") or type(error).__name__
    if "imagecodecs" in reason:
        remedy = "pip install imagecodecs, or save the file uncompressed"
    return UserError(f"image {name or repr(str(file))} cannot be read ({reason}); {remedy}")


def is_deep(image: Image.Image) -> bool:
    """Whether the values of an image of one channel are integers or floats of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB.

    Transparent pixels are composited on white. Integers deeper than 8 bits are scaled as 16-bit
    values (65535 becomes 255). Floats are scaled from the range 0 to 1 if none exceeds 1, and from
    0 to 255 otherwise. LAB is converted by its colour profile.
    """
    if image.mode.startswith("I"):
        image = _from_array(np.asarray(image).astype(np.float64) / 257.0)
    elif image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        image = _from_array(values * 255.0 if values.max() <= 1.0 else values)
    elif image.mode == "La":
        image = image.convert("LA")  # Pillow converts no further in one step
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _from_array(values: npt.NDArray[np.float64]) -> Image.Image:
    whole = np.clip(np.rint(np.nan_to_num(values)), 0, 255)
    return Image.fromarray(whole.astype(np.uint8))


def fit(image: Picture, resolution: int) -> Pixels:
    """Scale the short side to `resolution` px and keep the central square.

    This is one antialiased bicubic resampling of the native pixels, of each channel alone.

    Args:
        image: mode RGB or L, or an array of C channels.
        resolution: side of the square, px.

    Returns:
        uint8, shape `(resolution, resolution, C)`.
    """
    if not isinstance(image, Image.Image):
        bands = (Image.fromarray(image[..., band]) for band in range(image.shape[2]))
        return np.concatenate([fit(band, resolution) for band in bands], axis=2)
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    square = image.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box)
    return np.atleast_3d(np.asarray(square))
