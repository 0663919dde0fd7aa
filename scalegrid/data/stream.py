"""Images that are decoded while one trains, for sets too large to cache.

They come through timm's loader, in the order asked for and with the pixels that a cache would
hold, so that a trial's numbers do not depend on whether its data fitted on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from scalegrid.data.convert import fit_pixels
from scalegrid.data.sources import Source, Split

if TYPE_CHECKING:
    from timm.data.dataset import ImageDataset


class _Ordered(Dataset[tuple[Tensor, int]]):
    """The images `order` of a split, as timm's loader wants them."""

    # Set by timm to a transform of its own; ours is fixed by what a cache would hold.
    transform: Callable[[Image.Image], Tensor] | None = None

    def __init__(self, source: Source, split: Split, resolution: int, order: list[int]) -> None:
        self.source = source
        self.split = split
        self.resolution = resolution
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        index = self.order[place]
        pixels = fit_pixels(self.source.image(self.split, index), self.resolution)
        return torch.from_numpy(pixels.copy()), int(self.source.labels(self.split)[index])


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """Images of one split at one resolution, decoded anew in every epoch.

    Attributes:
        source: the data set.
        split: `train` or `val`.
        resolution: side of the squares, px.
        workers: processes of timm's loader; 0 decodes in this one.
    """

    source: Source
    split: Split
    resolution: int
    workers: int = 0

    @property
    def labels(self) -> Tensor:
        """Labels: int64, shape `(N,)`, on the CPU."""
        return torch.from_numpy(self.source.labels(self.split))

    def fetch(self, order: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Pixels of the images `order`, uint8 `(B, R, R, 3)`, `batch_size` at a time."""
        from timm.data.loader import create_loader, fast_collate

        ordered = _Ordered(self.source, self.split, self.resolution, order.tolist())
        loader = create_loader(
            cast("ImageDataset", ordered),  # it needs the methods only
            input_size=(3, self.resolution, self.resolution),
            batch_size=batch_size,
            is_training=False,  # keeps our order and the last batch
            use_prefetcher=False,
            collate_fn=fast_collate,
            num_workers=self.workers,
            persistent_workers=False,
        )
        # A loader draws a seed for its workers; the model's own draws must not notice.
        with torch.random.fork_rng(devices=[]):
            batches = iter(loader)
        for pixels, _ in batches:
            yield pixels

    def to(self, device: torch.device) -> StreamedImages:
        """Itself: a stream has nothing to keep on a device."""
        return self
