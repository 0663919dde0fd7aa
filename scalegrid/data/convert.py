"""From an image file of any format to a square of pixels."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ImageFile import ImageFile

from scalegrid.data.other_files import register_plugins
from scalegrid.data.sources import Fit, Picture, Pixels
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

_LITTLE = sys.byteorder == "little"
_SIXTEEN = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("L", "B"), ("B", "L"), ("N", "B" if _LITTLE else "L"))
}
"""How colours of 16 bits are stored: in which order of bytes; and in the other one."""


@dataclass(frozen=True)
class Depth:
    """The numbers that become 0 and 255 in images of more than 8 bits, in the whole data set.

    Attributes:
        whole: of whole numbers.
        real: of floats; None if it is not known.
    """

    whole: tuple[float, float] = (0.0, 65535.0)
    real: tuple[float, float] | None = None


SIXTEEN_BITS = Depth()
"""The depth of whole numbers that fill 16 bits."""


def read_image(
    file: File, name: str | None = None, remedy: str = REMEDY, depth: Depth = SIXTEEN_BITS
) -> Image.Image:
    """Decode a file with Pillow: its first frame, upright, as RGB (see `to_rgb`).

    Args:
        file: the encoded image.
        name: what an error calls it; None for its path.
        remedy: what an error says to do.
        depth: of the data set.

    Raises:
        ImageError: the file cannot be read or decoded, or holds floats, and `depth` does not say
            which; names it.
    """
    try:
        with quiet():
            return to_rgb(_decoded(file, depth), depth)
    except Exception as error:  # damaged files make Pillow's decoders raise almost anything
        raise unreadable(file, error, name, remedy) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Within, decoders neither warn of damaged metadata, which do not matter, nor log errors."""
    with warnings.catch_warnings(), ExitStack() as restored:
        warnings.simplefilter("ignore")
        register_plugins()
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
    said = getattr(error, "strerror", None) or str(error)
    reason = said.replace(str(file), "the file") or type(error).__name__
    if "imagecodecs" in reason:
        remedy = "pip install imagecodecs, or save the file uncompressed"
    if isinstance(error, Image.DecompressionBombError):
        reason = "it has more pixels than Pillow takes for safe"
        remedy = "if it is meant to be, set SCALEGRID_LARGEST_IMAGE to its megapixels, such as 400"
    return ImageError(name or repr(str(file)), f"cannot be read ({reason})", remedy)


def _decoded(file: File, depth: Depth) -> Image.Image:
    with Image.open(file) as image:
        if depth.whole != SIXTEEN_BITS.whole and high_bytes_only(image):
            high = upright(image)
        else:
            return upright(image)
    with Image.open(file) as image:
        assert isinstance(image, ImageFile)
        image.tile = [tile._replace(args=_other_byte(tile.args)) for tile in image.tile]
        low = upright(image)
    for top, bottom in _strips(high):
        box = (0, top, high.width, bottom)
        values = np.asarray(high.crop(box)).astype(np.float64) * 256 + np.asarray(low.crop(box))
        high.paste(Image.fromarray(_to_8_bits(values, depth.whole), high.mode), box)
    return high


def high_bytes_only(image: Image.Image) -> bool:
    """Whether Pillow reads colours of 16 bits, of which it keeps the high bytes; before loading."""
    if not isinstance(image, ImageFile):
        return False
    arguments = (tile.args or "" for tile in image.tile)
    raw = {args if isinstance(args, str) else args[0] for args in arguments}
    return bool(raw) and raw <= _SIXTEEN.keys()


def _other_byte(args: Any) -> Any:
    """The arguments of a decoder that then keeps the other byte of each 16 bits."""
    return _SIXTEEN[args] if isinstance(args, str) else (_SIXTEEN[args[0]], *args[1:])


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


def to_rgb(image: Image.Image, depth: Depth = SIXTEEN_BITS) -> Image.Image:
    """Convert any Pillow mode to RGB; an image that is RGB is returned itself.

    Transparent pixels are composited on white. Numbers of more than 8 bits are scaled by the
    `depth` of the data set, and clipped. LAB is converted by its colour profile. Beside the image
    and the result, a strip of rows is in memory.

    Raises:
        ValueError: it holds floats, and `depth` does not say which.
    """
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    span = depth.real if image.mode == "F" else depth.whole
    if span is None:
        raise ValueError("it holds floats of unknown range, unlike the first images")
    rgb = Image.new("RGB", image.size)
    for top, bottom in _strips(image):
        box = (0, top, image.width, bottom)
        rgb.paste(_strip_to_rgb(image.crop(box), span), box)
    return rgb


def _strips(image: Image.Image) -> Iterator[tuple[int, int]]:
    """The first and the last row (exclusive) of strips of an image."""
    rows = max(1, _STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        yield top, min(top + rows, image.height)


def _strip_to_rgb(image: Image.Image, span: tuple[float, float]) -> Image.Image:
    if is_deep(image):
        image = Image.fromarray(_to_8_bits(np.asarray(image).astype(np.float64), span))
    elif image.mode == "La":
        image = image.convert("LA")  # Pillow converts no further in one step
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(values: npt.NDArray[np.float64], span: tuple[float, float]) -> Pixels:
    low, high = span
    scaled = (np.nan_to_num(values) - low) * (255.0 / ((high - low) or 1.0))
    pixels: Pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return pixels


def fit(image: Picture, resolution: int, how: Fit = "crop") -> Pixels:
    """A square of an image, by one antialiased bicubic resampling, of each channel alone.

    Args:
        image: mode RGB or L, or an array of C channels.
        resolution: side of the square, px.
        how: crop scales the short side and keeps the middle; pad scales the long side and adds
            black (0) on both sides; stretch scales each side alone.

    Returns:
        uint8, shape `(resolution, resolution, C)`.
    """
    if not isinstance(image, Image.Image):
        bands = (Image.fromarray(image[..., band]) for band in range(image.shape[2]))
        return np.concatenate([fit(band, resolution, how) for band in bands], axis=2)
    width, height = image.size
    if how == "pad":
        return _padded(image, resolution)
    if how == "stretch":
        stretched = image.resize((resolution, resolution), Image.Resampling.BICUBIC)
        return np.atleast_3d(np.asarray(stretched))
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    square = image.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box)
    return np.atleast_3d(np.asarray(square))


def _padded(image: Image.Image, resolution: int) -> Pixels:
    scale = resolution / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new(image.mode, (resolution, resolution))
    left, top = (resolution - width) // 2, (resolution - height) // 2
    square.paste(image.resize((width, height), Image.Resampling.BICUBIC), (left, top))
    return np.atleast_3d(np.asarray(square))
