"""What embedded images have in common: uneven backgrounds and noise.

Intensities run from 0 (black) to 1 (white).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Colour = npt.NDArray[np.float64]

_CELLS = 6  # along a side, of slow variation


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
