"""What black and white are in images of more than 8 bits, alike for a whole data set.

A file of 12-bit numbers in 16 bits rarely says so, and no image says by itself whether it is dark
or its numbers are few. So the range is what the files say, or else what the first training images
hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from scalegrid.data.convert import SIXTEEN_BITS, Depth, File, high_bytes_only, is_deep, quiet

SAMPLED_IMAGES = 128

_WHOLE = (8, 10, 12, 14, 16, 20, 24, 32)  # bits
_BITS, _LARGEST = 258, 281  # of a TIFF file's tags: bits of a sample, and its largest value


@dataclass
class _Seen:
    """The numbers of some images: how many those are, and the least and the greatest number."""

    images: int = 0
    low: float = np.inf
    high: float = -np.inf
    said: float = 0.0  # the greatest by what files say; 0 if they say nothing
    old: frozenset[float] = frozenset()  # greatest numbers that each image alone would suggest

    def add(self, low: float, high: float, said: float = 0.0) -> None:
        self.images += 1
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.said = max(self.said, said)
        self.old |= {1.0 if high <= 1 else 255.0}

    def range(self, least: tuple[float, ...]) -> tuple[float, float]:
        """From 0 to the first sensible number that is not below them; or as they are, below 0."""
        if self.low < 0:
            return self.low, self.high
        steps = (*least, *(2.0**bits - 1 for bits in _WHOLE))
        return 0.0, next((step for step in steps if step >= max(self.high, self.said)), self.high)


def depth_of(files: Iterable[File]) -> tuple[Depth, tuple[str, ...], bool]:
    """The depth of a data set, by its first training images.

    Returns:
        The depth; sentences on what was assumed; whether pixels are those of scalegrid 0.1.0, which
        took all whole numbers for 16 bits, and floats up to 1 or 255 by each image.
    """
    whole, real = _Seen(), _Seen()
    for number, file in enumerate(files):
        if number >= SAMPLED_IMAGES:
            break
        try:
            with quiet(), Image.open(file) as image:
                _add(image, whole, real)
        except Exception:
            continue
    depth, notes, as_before = SIXTEEN_BITS, [], True
    if whole.images:
        depth = replace(depth, whole=whole.range(()))
        as_before = depth == SIXTEEN_BITS
        notes.append(_note("whole numbers", whole, depth.whole))
    if real.images:
        span = real.range((1.0,))
        depth = replace(depth, real=span)
        as_before &= span[0] == 0 and {span[1]} == real.old
        notes.append(_note("floats", real, span))
    return depth, tuple(notes), as_before


def _add(image: Image.Image, whole: _Seen, real: _Seen) -> None:
    """Look at the numbers of an image, if it has more than 8 bits."""
    if high_bytes_only(image):
        if whole.high <= 2**15:
            colours = np.ravel(image.getextrema()[:3])  # without alpha
            whole.add(0, 256 * float(max(colours)) + 255)
    elif image.mode == "F":
        values = np.asarray(image)
        finite = values[np.isfinite(values)]
        if finite.size:
            real.add(float(finite.min()), float(finite.max()))
    elif is_deep(image):
        said = _said(image)
        if image.mode == "I" or whole.high <= 2**15:  # else nothing is left to find out
            values = np.asarray(image)
            whole.add(float(values.min()), float(values.max()), said)


def _said(image: Image.Image) -> float:
    """The greatest number that a file says its samples may have; 0 if it says nothing."""
    if not isinstance(image, TiffImageFile):
        return 0.0
    bits = max(np.ravel(image.tag_v2.get(_BITS, 0)))
    largest = max(np.ravel(image.tag_v2.get(_LARGEST, 0)))
    return float(max(largest, 0 if bits % 8 == 0 else 2**bits - 1))


def _note(kind: str, seen: _Seen, span: tuple[float, float]) -> str:
    first = f"the first {seen.images} such training images hold"
    if seen.images == 1:
        first = "the first such training image holds"
    why = f"{first} {seen.low:g} to {seen.high:g}"
    if seen.said == span[1]:
        why = "by what the files say"
    return f"{kind} of more than 8 bits: {span[0]:g} to {span[1]:g} become 0 to 255 ({why})"
