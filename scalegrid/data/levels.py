"""From numbers of any type to 8 bits, by a map that a whole data set shares.

Numbers that are not 8 bits (reflectance, counts, metres) have no black and white of their own.
Those of a channel are mapped linearly, so that its `QUANTILES` among the training images become 0
and 255; what is beyond is clipped. The map is fixed once, by the first training images, so that
equal numbers stay equal in all images of both splits.

The cache stays 8 bits: a step is then 0.4 % of a channel's usual range, below the noise of sensors,
and an image takes half or a quarter of the memory. Data that are not spread evenly over their range
(radar intensities) are better converted before, to decibels say. 8-bit numbers are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from scalegrid.data.bands import Bands
from scalegrid.data.sources import Pixels, Statistics

QUANTILES = (0.005, 0.995)
"""What becomes 0 and 255."""

SAMPLED_IMAGES = 128
_PIXELS = 2048  # about so many of an image, evenly spread
_STRIP = 2**20  # numbers mapped at a time


@dataclass(frozen=True)
class Levels:
    """For each channel the numbers that become 0 and 255."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def apply(self, bands: Bands) -> Pixels:
        """Bands of shape `(..., C)` as 8 bits; a channel that is constant becomes 0."""
        low, high = np.array(self.low), np.array(self.high)
        span = np.where(high > low, high - low, 1.0)
        pixels: Pixels = np.empty(bands.shape, np.uint8)
        rows = max(1, _STRIP // max(1, bands[:1].size))
        for top in range(0, len(bands), rows):  # floats of a whole image would take much memory
            strip = slice(top, top + rows)
            shares = np.clip((bands[strip] - low) / span, 0.0, 1.0)
            pixels[strip] = np.rint(255.0 * shares)
        return pixels

    def __str__(self) -> str:
        ranges = [f"{low:g} to {high:g}" for low, high in zip(self.low, self.high, strict=True)]
        if len(ranges) == 1:
            return ranges[0]
        shown = [f"channel {number}: {text}" for number, text in enumerate(ranges, start=1)]
        return ", ".join(shown if len(shown) <= 4 else [*shown[:2], "…", shown[-1]])


def sample(files: Sequence[str], read: Callable[[str], Bands]) -> Bands:
    """Pixels of the first images, evenly spread over each: shape `(pixels, C)`."""
    grids = []
    for file in files[:SAMPLED_IMAGES]:
        bands = read(file)
        step = ceil(sqrt(bands.shape[0] * bands.shape[1] / _PIXELS))
        grids.append(bands[::step, ::step].reshape(-1, bands.shape[2]))
    return np.concatenate(grids)


def levels_of(pixels: Bands) -> Levels:
    """The levels of a `sample`. They are numbers of the sample, so no rounding decides them."""
    low, high = np.quantile(pixels.astype(np.float64), QUANTILES, axis=0, method="nearest")
    return Levels(tuple(low.tolist()), tuple(high.tolist()))


def statistics_of(pixels: Pixels) -> Statistics:
    """Mean and standard deviation of each channel of an 8-bit `sample`; at least one step of 255.

    Sums of whole numbers are exact, so the result is the same on every machine.
    """
    values = pixels.astype(np.float64)
    mean, square = values.sum(axis=0) / len(values), (values**2).sum(axis=0) / len(values)
    std = np.sqrt(np.maximum(square - mean**2, 1.0))
    return Statistics(tuple((mean / 255).tolist()), tuple((std / 255).tolist()))
