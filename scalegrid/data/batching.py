"""From uint8 images to the batches of a network: order, augmentation, normalisation.

All random draws of an epoch come from the seed and the epoch alone, on the CPU. Batches are
therefore the same on every device, on resumption, and up to rounding for every resolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from scalegrid.data.images import Images
from scalegrid.data.sources import Statistics

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's channels, for intensities from 0 to 1.

Every data set of three channels uses these: the batch norm after a network's first convolution
undoes any other choice, and a trial's description needs no statistics of its data.
"""

GREY_MEAN, GREY_STD = 0.459, 0.226
"""The luminance of those (0.299, 0.587 and 0.114 of red, green and blue).

Images of one channel use these. Others bring statistics of their own, since channels such as
infrared may lie anywhere in their range.
"""


@dataclass(frozen=True)
class Augment:
    """Random changes to training images.

    Attributes:
        flip: mirror half of the images left to right.
        shift: largest shift in each direction as a share of the image's side, at most 0.5, and
            the same for all resolutions; uncovered pixels mirror those at the border.
    """

    flip: bool = False
    shift: float = 0.125

    def __post_init__(self) -> None:
        if not 0.0 <= self.shift <= 0.5:
            raise ValueError(f"shift is {self.shift}; it is a share of the side, from 0 to 0.5")


@dataclass(frozen=True, eq=False)
class _Draws:
    """The order of an epoch's images, and the change to each of them in this order."""

    order: Tensor  # int64 (N,)
    down: Tensor  # int64 (N,), px
    right: Tensor  # int64 (N,), px
    mirrored: Tensor  # bool (N,)


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Batches of a training epoch: an incomplete batch counts only if it is the only one."""
    return max(1, num_images // batch_size)


def batches(
    images: Images,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    device: torch.device,
    augment: Augment,
    first: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The training batches of one epoch, shuffled and augmented.

    Args:
        images: what to train on.
        batch_size: images per batch. An incomplete last batch is dropped unless it is the only one.
        seed: of the trial.
        epoch: counted from 0.
        device: of the batches.
        augment: the random changes.
        first: batches to leave out, which a training that goes on has seen.

    Yields:
        Images, float32 `(B, C, R, R)` in channels-last memory, normalised; labels, int64 `(B,)`.
    """
    draws = _draw(len(images.labels), images.resolution, seed, epoch, augment)
    used = steps_per_epoch(len(draws.order), batch_size) * batch_size
    rest = slice(first * batch_size, used)
    order = draws.order[rest]
    # Once per epoch: the device then waits for images alone.
    down, right, mirrored, labels = (
        _move(values, device)
        for values in (
            *(draws.down[rest], draws.right[rest], draws.mirrored[rest]),
            images.labels[order],
        )
    )
    for step, pixels in enumerate(images.fetch(order, batch_size)):
        now = slice(step * batch_size, step * batch_size + len(pixels))
        moved = shift_and_flip(_move(pixels, device), down[now], right[now], mirrored[now])
        yield normalise(moved, images.statistics), labels[now]


def ordered_batches(
    images: Images, batch_size: int, *, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images, unchanged and in order, for evaluation; in the format of `batches`."""
    labels = _move(images.labels, device)
    for step, pixels in enumerate(images.fetch(torch.arange(len(labels)), batch_size)):
        now = slice(step * batch_size, step * batch_size + len(pixels))
        yield normalise(_move(pixels, device), images.statistics), labels[now]


def _draw(count: int, resolution: int, seed: int, epoch: int, augment: Augment) -> _Draws:
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]) >> 1)  # torch's seeds are signed
    order = torch.randperm(count, generator=generator)
    down, right = (2.0 * torch.rand(2, count, generator=generator) - 1.0) * augment.shift
    mirrored = torch.rand(count, generator=generator) < 0.5
    return _Draws(
        order=order,
        down=(down * resolution).round().long(),
        right=(right * resolution).round().long(),
        mirrored=mirrored & augment.flip,
    )


def _move(values: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def shift_and_flip(pixels: Tensor, down: Tensor, right: Tensor, mirrored: Tensor) -> Tensor:
    """Shift each image, then mirror it left to right where `mirrored`; in one gather of pixels.

    Args:
        pixels: `(B, R, R, C)`, on the same device as the others.
        down: int64 `(B,)`, px, of size less than R; negative is up.
        right: int64 `(B,)`, px, of size less than R; negative is left.
        mirrored: bool `(B,)`.

    Returns:
        The same shape and type; uncovered pixels mirror those inside the border.
    """
    count, side, _, channels = pixels.shape
    across = torch.arange(side, device=pixels.device)
    columns = torch.where(mirrored[:, None], across.flip(0), across) - right[:, None]
    rows = _reflect(across - down[:, None], side)
    starts = torch.arange(0, count * side, side, device=pixels.device)[:, None]
    lines = ((starts + rows) * side)[:, :, None]
    indices = (lines + _reflect(columns, side)[:, None, :]).flatten()
    return pixels.reshape(-1, channels).index_select(0, indices).view_as(pixels)


def _reflect(indices: Tensor, side: int) -> Tensor:
    """Indices outside `0 … side - 1` reflected at the first and last pixel."""
    inside = indices.abs()
    return torch.where(inside < side, inside, 2 * (side - 1) - inside)


def normalise(pixels: Tensor, statistics: Statistics | None = None) -> Tensor:
    """From uint8 `(B, R, R, C)` to float32 `(B, C, R, R)`, channels last.

    Without `statistics`, by `MEAN` and `STD`, or those of grey where C is not 3.
    """
    channels = pixels.shape[3]
    if statistics is None and channels == 3:
        statistics = Statistics(MEAN, STD)
    if statistics is None:
        statistics = Statistics((GREY_MEAN,) * channels, (GREY_STD,) * channels)
    mean, scale = _constants(pixels.shape[1], statistics, pixels.device)
    values = pixels.flatten(2).float().sub_(mean).mul_(scale)
    return values.view(pixels.shape).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _constants(side: int, statistics: Statistics, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and scale of a whole line of pixels, which vectorises better than few channels.

    Kept, since a copy to a GPU waits for all earlier work.
    """
    with torch.inference_mode(False):
        mean = torch.tensor(statistics.mean).mul_(255).repeat(side)
        scale = torch.tensor(statistics.std).mul_(255).reciprocal_().repeat(side)
        return mean.to(device), scale.to(device)
