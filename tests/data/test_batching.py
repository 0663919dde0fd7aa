from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scalegrid.data import Augment, CachedImages, batches, ordered_batches, steps_per_epoch
from scalegrid.data.batching import MEAN, STD, normalise, shift_and_flip

CPU = torch.device("cpu")
STILL = Augment(flip=False, shift=0.0)


def images_of(count: int, side: int = 6) -> CachedImages:
    """Image `i` has the label `i`, and `i` in its first pixel."""
    pixels = torch.randint(
        0, 256, (count, side, side, 3), generator=torch.Generator().manual_seed(0)
    ).to(torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(count)
    return CachedImages(pixels, torch.arange(count))


def epoch_of(
    images: CachedImages, size: int = 4, seed: int = 0, epoch: int = 0, augment: Augment = STILL
) -> list[tuple[Tensor, Tensor]]:
    return list(batches(images, size, seed=seed, epoch=epoch, device=CPU, augment=augment))


def labels_of(found: list[tuple[Tensor, Tensor]]) -> list[int]:
    return torch.cat([labels for _, labels in found]).tolist()


def denormalised(batch: Tensor) -> Tensor:
    """Pixels before normalisation."""
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return ((batch.permute(0, 2, 3, 1) * std + mean) * 255).round().to(torch.uint8)


def one_image(pixels: Tensor, down: int, right: int, mirrored: bool) -> Tensor:
    """The same in a slow way: reflect-pad widely, cut a window out, mirror it."""
    side = len(pixels)
    wide = np.pad(pixels.numpy(), [(side - 1,) * 2, (side - 1,) * 2, (0, 0)], mode="reflect")
    top, left = side - 1 - down, side - 1 - right
    window = wide[top : top + side, left : left + side]
    return torch.from_numpy((window[:, ::-1] if mirrored else window).copy())


@given(st.data())
def test_shift_and_flip_equal_a_loop_over_images(data: st.DataObject) -> None:
    side = data.draw(st.integers(2, 7))
    count = data.draw(st.integers(1, 5))
    pixels = images_of(count, side).pixels
    shifts = st.lists(st.integers(1 - side, side - 1), min_size=count, max_size=count)
    down, right = data.draw(shifts), data.draw(shifts)
    mirrored = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    found = shift_and_flip(pixels, torch.tensor(down), torch.tensor(right), torch.tensor(mirrored))
    for index in range(count):
        expected = one_image(pixels[index], down[index], right[index], mirrored[index])
        assert torch.equal(found[index], expected)


class OnDevice:
    """A stand-in for images on a device: only how they are fetched differs."""

    def __init__(self, images: CachedImages) -> None:
        self._images = images
        self.labels, self.resolution = images.labels, images.resolution
        self.statistics = images.statistics

    def fetch(self, order: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Pixels of the images `order`, stacked image by image."""
        for part in torch.split(order, batch_size):
            yield torch.stack([self._images.pixels[i] for i in part.tolist()])

    def to(self, device: torch.device) -> OnDevice:
        """Themselves."""
        return self


def test_batches_do_not_depend_on_where_images_are_held() -> None:
    images, change = images_of(20), Augment(flip=True, shift=0.3)
    here = epoch_of(images, augment=change)
    there = list(batches(OnDevice(images), 4, seed=0, epoch=0, device=CPU, augment=change))
    assert len(here) == len(there) == 5
    for (x, x_labels), (u, u_labels) in zip(here, there, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(x_labels, u_labels)


def test_a_batch_is_computed_on_its_device_alone() -> None:
    """The meta device refuses to mix with the CPU, as any other does."""
    meta = torch.device("meta")
    images = CachedImages(torch.zeros(8, 6, 6, 3, dtype=torch.uint8, device=meta), torch.arange(8))
    change = Augment(flip=True, shift=0.3)
    for pixels, labels in batches(images, 4, seed=0, epoch=0, device=meta, augment=change):
        assert pixels.device == labels.device == meta
        assert pixels.shape == (4, 3, 6, 6)


def test_normalisation_uses_mean_and_standard_deviation() -> None:
    pixels = images_of(3).pixels
    found = normalise(pixels)
    for channel in range(3):
        expected = (pixels[..., channel].double() / 255 - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(found[:, channel].double(), expected, rtol=1e-5, atol=1e-5)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_shows_every_image_once_with_its_label() -> None:
    images = images_of(12)
    found = epoch_of(images)
    assert sorted(labels_of(found)) == list(range(12))
    for batch, labels in found:
        assert torch.equal(denormalised(batch), images.pixels[labels])


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    images = images_of(40)
    change = Augment(flip=True, shift=0.3)
    torch.manual_seed(1)
    first = epoch_of(images, seed=5, epoch=3, augment=change)
    torch.manual_seed(2)
    again = epoch_of(images, seed=5, epoch=3, augment=change)
    assert all(torch.equal(x, u) for (x, _), (u, _) in zip(first, again, strict=True))
    orders = [
        labels_of(epoch_of(images, seed=s, epoch=e)) for s, e in [(5, 3), (5, 4), (6, 3), (3, 5)]
    ]
    assert len({tuple(order) for order in orders}) == 4
    assert labels_of(first) == orders[0]


def test_drawing_batches_keeps_the_random_state() -> None:
    state = torch.get_rng_state()
    epoch_of(images_of(8), augment=Augment(flip=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_all_resolutions_get_the_same_order_and_flips_and_shifts_to_scale() -> None:
    """A left half black and a right half white, shifted: the edge moves by the same share."""
    edges = []
    for side in (16, 32):
        pixels = torch.zeros(64, side, side, 3, dtype=torch.uint8)
        pixels[:, :, side // 2 :] = 255
        found = epoch_of(
            CachedImages(pixels, torch.arange(64)), 64, augment=Augment(flip=True, shift=0.25)
        )
        white = denormalised(found[0][0])[..., 0].float().mean(dim=(1, 2)) / 255
        edges.append(white[found[0][1].argsort()])
    assert (edges[0] - edges[1]).abs().max() <= 1.5 / 16
    assert edges[0].std() > 0.1


@pytest.mark.parametrize("flip", [True, False])
def test_mirroring_is_a_setting(flip: bool) -> None:
    pixels = torch.zeros(400, 4, 4, 3, dtype=torch.uint8)
    pixels[:, :, 0] = 255
    found = epoch_of(
        CachedImages(pixels, torch.arange(400)), 400, augment=Augment(flip=flip, shift=0.0)
    )
    mirrored = (denormalised(found[0][0])[:, 0, 3, 0] == 255).float().mean().item()
    assert mirrored == (pytest.approx(0.5, abs=0.1) if flip else 0.0)


def test_shifts_stay_within_their_share_and_use_all_of_it() -> None:
    side = 16
    pixels = torch.zeros(300, side, side, 3, dtype=torch.uint8)
    pixels[:, 8, 8] = 255
    found = epoch_of(CachedImages(pixels, torch.arange(300)), 300, augment=Augment(shift=0.125))
    shifts = denormalised(found[0][0])[..., 0].nonzero()[:, 1:] - 8
    assert set(shifts.flatten().tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize(
    ("count", "size", "steps", "shown"), [(12, 4, 3, 12), (11, 4, 2, 8), (5, 4, 1, 4), (3, 4, 1, 3)]
)
def test_an_incomplete_batch_is_dropped_unless_it_is_the_only_one(
    count: int, size: int, steps: int, shown: int
) -> None:
    found = epoch_of(images_of(count), size)
    assert len(found) == steps == steps_per_epoch(count, size)
    assert len(labels_of(found)) == shown


def test_evaluation_sees_all_images_in_order() -> None:
    images = images_of(11)
    found = list(ordered_batches(images, 4, device=CPU))
    assert labels_of(found) == list(range(11))
    assert torch.equal(torch.cat([denormalised(batch) for batch, _ in found]), images.pixels)


@pytest.mark.parametrize("shift", [-0.1, 0.6])
def test_a_shift_beyond_half_the_image_is_refused(shift: float) -> None:
    with pytest.raises(ValueError, match="shift is"):
        Augment(shift=shift)
