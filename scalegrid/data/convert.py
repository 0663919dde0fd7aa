"""From an image file of any format to a square of RGB pixels."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from scalegrid.util.errors import UserError

Pixels = npt.NDArray[np.uint8]


def read_image(path: Path) -> Image.Image:
    """Decode a file with Pillow: its first frame, upright, as RGB (see `to_rgb`).

    Raises:
        UserError: the file cannot be read or decoded; names it.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of damaged metadata, which do not matter here.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # damaged files make Pillow's decoders raise almost anything
        reason = str(error).replace(str(path), "the file") or type(error).__name__
        raise UserError(
            f"image {str(path)!r} cannot be read ({reason}); mend or remove the file"
        ) from error


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


def fit(image: Image.Image, resolution: int) -> Pixels:
    """Scale the short side to `resolution` px and keep the central square.

    This is one antialiased bicubic resampling of the native pixels.

    Args:
        image: mode RGB.
        resolution: side of the square, px.

    Returns:
        uint8, shape `(resolution, resolution, 3)`.
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box))
