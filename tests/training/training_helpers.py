"""Small networks, images and trials for the tests of `scalegrid.training`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from scalegrid.data import CachedData, CachedImages, Source, Split, prepare
from scalegrid.spec import Recipe
from scalegrid.training import Trial

CPU = torch.device("cpu")


@dataclass(frozen=True)
class ShadeReader:
    """Noisy images whose brightness shows the class: image i is of class i modulo ``classes``."""

    classes: int
    side: int = 32

    def __call__(self, split: Split, index: int) -> Image.Image:
        rng = np.random.default_rng([index, split == "val"])
        level = 255 * (index % self.classes + 0.5) / self.classes
        noise = rng.normal(level, 20, (self.side, self.side, 3))
        return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))


def shades(folder: Path, train: int = 48, val: int = 20, classes: int = 4) -> CachedData:
    """A prepared data set that is easily learnt."""
    source = Source(
        name="shades",
        fingerprint=f"shades-{train}-{val}-{classes}",
        class_names=tuple(str(i) for i in range(classes)),
        train_labels=np.arange(train) % classes,
        val_labels=np.arange(val) % classes,
        native_resolution=32,
        mirror=True,
        read=ShadeReader(classes),
    )
    return prepare(source, [32], cache_dir=folder)


def noise_images(count: int, side: int = 8, classes: int = 3) -> CachedImages:
    """Random pixels, labels in turn."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, side, side, 3), generator=generator)
    return CachedImages(pixels.to(torch.uint8), torch.arange(count) % classes)


def make_trial(data: CachedData, seed: int = 0, **recipe: Any) -> Trial:
    """A trial of b0 at 32 px, of two epochs of three updates by default."""
    settings = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3, **recipe}
    return Trial(
        trial=f"trial-{seed}",
        variant="variant",
        seed=seed,
        baseline="b0",
        depth=1.0,
        width=1.0,
        resolution=32,
        data=data,
        recipe=Recipe.model_validate(settings),
    )


class Small(nn.Module):
    """A network that trains in milliseconds; with dropout, so that it draws random numbers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(8, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (N, classes) of images (N, 3, R, R)."""
        outputs: torch.Tensor = self.layers(x)
        return outputs
