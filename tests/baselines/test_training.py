"""Every family takes a few steps of training, unscaled and at each corner, with finite loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scalegrid import baselines
from scalegrid.coefficients import IDENTITY, corners

CLASSES = 10
SCALINGS = {"baseline": IDENTITY, **corners()}
SMALLEST = [members[0] for members in baselines.families().values()]


def losses(name: str, role: str, steps: int) -> list[float]:
    """Training losses on one batch of noise, at twice the total stride."""
    baseline, scaling = baselines.get(name), SCALINGS[role]
    px = 8 * math.ceil(2 * baseline.total_stride * scaling.gamma / 8)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, px, px, generator=generator)
    labels = torch.arange(8) % CLASSES
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = baseline.build(scaling.alpha, scaling.beta, CLASSES)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        found = []
        for _ in range(steps):
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            found.append(loss.item())
    return found


@pytest.mark.parametrize("role", ["baseline", "width"])
@pytest.mark.parametrize("name", ["nano", "mobilenetv3_small", "regnetx_002", "resnet18"])
def test_some_families_train(name: str, role: str) -> None:
    assert all(math.isfinite(loss) for loss in losses(name, role, steps=2))


@pytest.mark.slow
@pytest.mark.parametrize("role", SCALINGS)
@pytest.mark.parametrize("name", SMALLEST)
def test_every_family_trains(name: str, role: str) -> None:
    found = losses(name, role, steps=8)
    assert all(math.isfinite(loss) for loss in found)
    assert min(found[1:]) < found[0]
