from __future__ import annotations

import torch
from torch import nn
from training_helpers import CPU, Small, noise_images

from scalegrid.data import ordered_batches
from scalegrid.training.precise_batchnorm import BATCH, set_precise_statistics


def test_statistics_are_those_of_the_images() -> None:
    images = noise_images(2 * BATCH, side=6)
    model = nn.Sequential(nn.BatchNorm2d(3, momentum=0.3))
    norm = model[0]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.running_mean, norm.running_var = torch.full((3,), 99.0), torch.full((3,), 99.0)
    set_precise_statistics(model, images, seed=0, device=CPU)
    pixels, _ = next(iter(ordered_batches(images, 2 * BATCH, device=CPU)))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, pixels.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(norm.running_var, pixels.var((0, 2, 3)), rtol=1e-2, atol=1e-3)
    assert norm.momentum == 0.3


def test_weights_and_mode_are_kept_and_the_seed_chooses_the_images() -> None:
    images = noise_images(600)
    model = Small(3).eval()
    weights = [p.clone() for p in model.parameters()]
    found = []
    for seed in (0, 0, 1):
        set_precise_statistics(model, images, seed=seed, device=CPU)
        found.append([b.clone() for b in model.buffers()])
    assert not model.training
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert not torch.equal(found[0][0], found[2][0])


def test_a_network_without_batch_norm_is_accepted() -> None:
    model = nn.Conv2d(3, 1, 3)
    before = model.weight.clone()
    set_precise_statistics(model, noise_images(10), seed=0, device=CPU)
    assert torch.equal(model.weight, before)
