"""From an image file of any format to a square of pixels."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from scalegrid.data.sources import Picture, Pixels
from scalegrid.util.errors import ImageError, UserError

File: TypeAlias = Path | BinaryIO
"""What Pillow opens: a file by its path, or bytes in memory."""

REMEDY = "mend or remove the file, or leave such images out with --skip-bad-images"
_ORIENTATION = 274  # of EXIF data
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRIP = 2**20  # pixels converted at a time


def read_image(file: File, name: str | None = None, remedy: str = REMEDY) -> Image.Image:
    """Decode a file with Pillow: its first frame, upright, as RGB (see `to_rgb`).

    Args:
        file: the encoded image.
        name: what an error calls it; None for its path.
        remedy: what an error says to do.

    Raises:
        ImageError: the file cannot be read or decoded; names it.
    """
    try:
        with quiet():
            return to_rgb(_decoded(file))
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
        if (pixels := largest_image()) is not None:
            Image.MAX_IMAGE_PIXELS = pixels // 2  # Pillow warns above, and raises above twice that
        yield


def check_header(file: File, name: str | None = None, remedy: str = REMEDY) -> None:
    """Check that Pillow knows how to read a file, by its header.

    Args:
        file: the encoded image.
        name: what an error calls it; None for its path.
        remedy: what an error says to do.

    Raises:
        ImageError: it does not.
    """
    try:
        with quiet(), Image.open(file):
            pass
    except Exception as error:
        raise unreadable(file, error, name, remedy) from error


def largest_image() -> int | None:
    """Largest number of pixels of an image: of `SCALEGRID_LARGEST_IMAGE`, in megapixels.

    None without it: Pillow then refuses images beyond 179 megapixels, which may be bombs.

    Raises:
        UserError: the variable is not a number above 0.
    """
    text = os.environ.get("SCALEGRID_LARGEST_IMAGE")
    if not text:
        return None
    try:
        pixels = int(float(text) * 1e6)
    except (ValueError, OverflowError):
        pixels = 0
    if pixels <= 0:
        raise UserError(
            f"SCALEGRID_LARGEST_IMAGE is {text!r}; give a number of megapixels, such as 400"
        )
    return pixels


def unreadable(
    file: File, error: Exception, name: str | None = None, remedy: str = REMEDY
) -> ImageError:
    """The error that names a file which cannot be decoded; arguments as of `read_image`."""
    reason = str(error).replace(str(file), "the file") or type(error).__name__
    if "imagecodecs" in reason:
        remedy = "pip install imagecodecs, or save the file uncompressed"
    if isinstance(error, Image.DecompressionBombError):
        reason = "it has more pixels than Pillow takes for safe"
        remedy = "if it is meant to be, set SCALEGRID_LARGEST_IMAGE to its megapixels, such as 400"
    return ImageError(name or repr(str(file)), f"cannot be read ({reason})", remedy)


def _decoded(file: File) -> Image.Image:
    with Image.open(file) as image:
        return upright(image)


def upright(image: Image.Image) -> Image.Image:
    """An image as its EXIF data turn it, decoded; the same object where it is not turned.

    Pillow's own function copies what need not be turned, and fails where other EXIF data are
    broken, which do not matter.
    """
    image.load()
    orientation = None
    with suppress(Exception):
        orientation = image.getexif().get(_ORIENTATION)
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def is_deep(image: Image.Image) -> bool:
    """Whether the values of an image of one channel are integers or floats of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB; an image that is RGB is returned itself.

    Transparent pixels are composited on white. Integers deeper than 8 bits are scaled as 16-bit
    values (65535 becomes 255). Floats are scaled from the range 0 to 1 if none exceeds 1, and from
    0 to 255 otherwise. LAB is converted by its colour profile. Beside the image and the result, a
    strip of rows is in memory.
    """
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    largest = 65535.0 if image.mode.startswith("I") else 255.0
    if image.mode == "F":
        largest = 1.0 if float(np.asarray(image).max()) <= 1.0 else 255.0
    rgb = Image.new("RGB", image.size)
    rows = max(1, _STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        rgb.paste(_strip_to_rgb(image.crop(box), largest), box)
    return rgb


def _strip_to_rgb(image: Image.Image, largest: float) -> Image.Image:
    if is_deep(image):
        image = _from_array(np.asarray(image).astype(np.float64) * (255.0 / largest))
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
