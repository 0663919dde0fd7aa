"""The images of one split at one resolution, from a cache or decoded while a trial trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from scalegrid.data.cache import CachedData
from scalegrid.data.convert import fit
from scalegrid.data.sources import Source, Split, Statistics
from scalegrid.util.errors import ImageError

_SHARE = 0.5  # of a device's free memory that images may take


class Images(Protocol):
    """Labelled images of one resolution."""

    @property
    def labels(self) -> Tensor:
        """Labels: int64, shape `(N,)`, on the CPU."""

    @property
    def resolution(self) -> int:
        """Side of the squares, px."""

    @property
    def statistics(self) -> Statistics | None:
        """What they are normalised by; None for the constants of `batching`."""

    def fetch(self, order: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Pixels of the images `order`, uint8 `(B, R, R, C)`, `batch_size` at a time."""

    def to(self, device: torch.device) -> Images:
        """The same images, held on `device` if they fit there."""


@dataclass(frozen=True, eq=False)
class CachedImages:
    """Images in memory: mapped from a cache, or copied to a device.

    Attributes:
        pixels: uint8, shape `(N, R, R, C)`: channels last, as convolutions prefer, and a whole
            pixel at a time, as crops do.
        labels: int64, shape `(N,)`.
        statistics: as in `Images`.
    """

    pixels: Tensor
    labels: Tensor
    statistics: Statistics | None = None

    @property
    def resolution(self) -> int:
        """Side of the squares, px."""
        return self.pixels.shape[1]

    def fetch(self, order: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Pixels of the images `order`, uint8 `(B, R, R, C)`, `batch_size` at a time."""
        order = order.to(self.pixels.device)
        for start in range(0, len(order), batch_size):
            yield self.pixels.index_select(0, order[start : start + batch_size])

    def to(self, device: torch.device) -> CachedImages:
        """The same images, on `device` if it is CUDA and half its free memory holds them."""
        if device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        if self.pixels.numel() > _SHARE * free:
            return self
        return replace(self, pixels=self.pixels.to(device))


@dataclass(frozen=True, eq=False)
class StreamedImages(Dataset["Tensor | ImageError"]):
    """Images that are decoded again in every epoch, for sets too large to cache.

    Their order and pixels are those of a cache, so a trial's numbers are the same.

    Attributes:
        source: the data set.
        split: `train` or `val`.
        resolution: side of the squares, px.
        workers: processes that decode; 0 decodes in this one.
    """

    source: Source
    split: Split
    resolution: int
    workers: int = 0

    @property
    def labels(self) -> Tensor:
        """Labels: int64, shape `(N,)`, on the CPU."""
        return torch.from_numpy(self.source.labels(self.split))

    @property
    def statistics(self) -> Statistics | None:
        """Those of the source."""
        return self.source.statistics

    def __getitem__(self, indices: Sequence[int]) -> Tensor | ImageError:
        """Pixels of some images, uint8, shape `(B, R, R, C)`; or why one cannot be used.

        A loader would put the traceback of its process into an exception.
        """
        source, side = self.source, self.resolution
        try:
            images = (source.image(self.split, index) for index in indices)
            return torch.from_numpy(np.stack([fit(image, side, source.fit) for image in images]))
        except ImageError as error:
            return error

    def fetch(self, order: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Pixels of the images `order`, uint8 `(B, R, R, C)`, `batch_size` at a time.

        Raises:
            ImageError: one cannot be used.
        """
        loader = DataLoader(
            self,
            batch_size=None,  # the sampler's items are batches already
            sampler=[part.tolist() for part in torch.split(order, batch_size)],
            num_workers=self.workers,
            # A loader draws a seed for its workers, and not from the model's generator.
            generator=torch.Generator(),
        )
        for pixels in loader:
            if isinstance(pixels, ImageError):
                raise pixels
            yield pixels

    def to(self, device: torch.device) -> StreamedImages:
        """Itself: a stream holds nothing on a device."""
        return self


def load_split(
    data: CachedData, split: Split, resolution: int, *, loader_workers: int = 0
) -> Images:
    """Open prepared images; a cache is mapped, not read, and shared between processes.

    Args:
        data: what `prepare` returned.
        split: `train` or `val`.
        resolution: one of `data.resolutions`.
        loader_workers: processes that decode when the data are streamed.
    """
    if resolution not in data.resolutions:
        raise ValueError(f"{resolution} px was not prepared; {data.resolutions} were")
    if data.source is not None:
        return StreamedImages(data.source, split, resolution, loader_workers)
    folder = data.directory / str(resolution)
    # Copy-on-write: torch needs writable memory, but nothing writes to it.
    pixels = np.load(folder / f"{split}.npy", mmap_mode="c")
    labels = np.load(folder / f"{split}-labels.npy")
    return CachedImages(torch.from_numpy(pixels), torch.from_numpy(labels), data.statistics)
