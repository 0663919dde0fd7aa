"""Image files of any number of channels and any type of number, as arrays.

What the axes of a file mean follows from rules, since a file rarely says it:

- A NumPy file (`.npy`) holds `(H, W)` or `(H, W, C)`. An array whose last axis is not its smallest
  may be `(C, H, W)`; it is refused unless that axis has the number of channels asked for.
- A TIFF file's channels are the samples of its pixels, or else its pages.
- For 1 or 3 channels, other formats and TIFF files that Pillow opens are read as in `convert`: the
  first frame, upright, on white, as RGB or its luminance; values of more than 8 bits are kept.
- For any other number, the channels of every format are those that are stored.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from scalegrid.data.convert import is_deep, quiet, to_rgb, unreadable, upright
from scalegrid.util.errors import UserError

ARRAYS = frozenset({".npy"})
"""File name endings of arrays."""

Bands: TypeAlias = npt.NDArray[Any]
"""Shape `(H, W, C)`."""

_TIFF = frozenset({".tif", ".tiff"})
_ORIENTATION = 274  # of a TIFF file's tags
_LARGEST = np.float64(1e30)  # the largest floats mark pixels without data


def read_bands(path: Path, wanted: int | None) -> Bands:
    """The numbers in an image file, `(H, W, C)`: finite, and as they are stored.

    Args:
        path: the file.
        wanted: channels that the user asks for; C may differ from it.

    Raises:
        UserError: the file cannot be read, holds no numbers, none at all, or such as are not
            finite, or its order of axes is not clear; names it.
    """
    try:
        with quiet():
            bands = _read(path, wanted)
        _check(bands)
    except UserError:
        raise
    except Exception as error:  # damaged files make decoders raise almost anything
        raise unreadable(path, error) from error
    return bands


def pillow_opens(path: Path) -> bool:
    """Whether Pillow knows how to read a file, by its header."""
    try:
        with quiet(), Image.open(path):
            return True
    except Exception:
        return False


def needs_bands(path: Path) -> bool:
    """Whether a file is an array, or a TIFF file that Pillow does not open."""
    suffix = path.suffix.lower()
    return suffix in ARRAYS or (suffix in _TIFF and not pillow_opens(path))


def _read(path: Path, wanted: int | None) -> Bands:
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return _from_npy(path, wanted)
    as_stored = wanted not in (None, 1, 3)
    if suffix in _TIFF and (as_stored or not pillow_opens(path)):
        return _from_tiff(path)
    with Image.open(path) as image:
        turned = upright(image)
        if not as_stored and not is_deep(turned):
            turned = to_rgb(turned)
            turned = turned.convert("L") if wanted == 1 else turned
        return np.atleast_3d(np.array(turned))


def _from_npy(path: Path, wanted: int | None) -> Bands:
    # Mapped: a header that promises more than the file holds takes no memory; nothing is unpickled.
    array: Bands = np.lib.format.open_memmap(path, mode="r")
    if array.ndim not in (2, 3):
        raise ValueError(f"its shape is {array.shape}, not (height, width, channels)")
    bands = np.atleast_3d(array)
    channels = bands.shape[2]
    if channels not in (wanted, min(bands.shape)) and bands.size:
        raise UserError(
            f"array {str(path)!r} of shape {array.shape} would have {channels} channels as "
            f"(height, width, channels); save it in that order, or give --channels {channels} if "
            "it is"
        )
    return bands


def _from_tiff(path: Path) -> Bands:
    from tifffile import TiffFile

    with TiffFile(path) as file:
        image = file.series[0]
        others = [index for index, axis in enumerate(image.axes) if axis not in "YX"]
        if len(image.axes) != 2 + len(others) or len(others) > 1:
            raise ValueError(
                f"its axes are {image.axes} of sizes {image.shape}, not YX and one more"
            )
        if prod(image.shape) > 2 * (Image.MAX_IMAGE_PIXELS or prod(image.shape)):
            raise ValueError(f"its sizes {image.shape} are those of a decompression bomb")
        turned = file.pages.first.tags.valueof(_ORIENTATION, 1)
        if turned != 1:
            raise ValueError(f"it is stored turned or mirrored, with orientation {turned}")
        values: Bands = image.asarray(maxworkers=1)  # processes decode, not threads
    return np.moveaxis(values, others[0], -1) if others else values[..., None]


def _check(bands: Bands) -> None:
    if bands.dtype.kind not in "buif":
        raise ValueError(f"its values are of type {bands.dtype}, which are no real numbers")
    if bands.size == 0:
        raise ValueError(f"it has no pixels, its shape is {bands.shape}")
    if bands.dtype.kind == "f" and not (bands.min() > -_LARGEST and bands.max() < _LARGEST):
        raise ValueError(f"it has values that are NaN, infinite or beyond {_LARGEST:g}")
