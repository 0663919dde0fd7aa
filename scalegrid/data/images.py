"""The images of one split at one resolution, as a training process reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from scalegrid.data.cache import CachedData
from scalegrid.data.sources import Split
from scalegrid.data.stream import StreamedImages

_SHARE = 0.5  # of a device's free memory that images may take


class Images(Protocol):
    """Labelled images of one resolution, from a cache or decoded on the way."""

    @property
    def labels(self) -> Tensor:
        """Labels: int64, shape `(N,)`, on the CPU."""

    @property
    def resolution(self) -> int:
        """Side of the squares, px."""

    def fetch(self, order: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Pixels of the images `order`, uint8 `(B, R, R, 3)`, `batch_size` at a time."""

    def to(self, device: torch.device) -> Images:
        """The same images, held on `device` if they fit there."""


@dataclass(frozen=True, eq=False)
class CachedImages:
    """Images in memory: mapped from a cache, or copied to a device.

    Attributes:
        pixels: uint8, shape `(N, R, R, 3)`: channels last, as convolutions prefer, and a whole
            pixel at a time, as crops do.
        labels: int64, shape `(N,)`.
    """

    pixels: Tensor
    labels: Tensor

    @property
    def resolution(self) -> int:
        """Side of the squares, px."""
        return self.pixels.shape[1]

    def fetch(self, order: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Pixels of the images `order`, uint8 `(B, R, R, 3)`, `batch_size` at a time."""
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
        return CachedImages(self.pixels.to(device), self.labels)


def load_split(
    data: CachedData, split: Split, resolution: int, *, loader_workers: int = 0
) -> Images:
    """Open prepared images; a cache is mapped, not read, and shared between processes.

    Args:
        data: what `prepare` returned.
        split: `train` or `val`.
        resolution: one of `data.resolutions`.
        loader_workers: processes that decode when the data streams.
    """
    if resolution not in data.resolutions:
        raise ValueError(f"{resolution} px was not prepared; {data.resolutions} were")
    if data.source is not None:
        return StreamedImages(data.source, split, resolution, loader_workers)
    folder = data.directory / str(resolution)
    # Copy-on-write: torch wants memory that it could write to, and nothing ever does.
    pixels = np.load(folder / f"{split}.npy", mmap_mode="c")
    labels = np.load(folder / f"{split}-labels.npy")
    return CachedImages(torch.from_numpy(pixels), torch.from_numpy(labels))
