"""Folders of image files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 20, height: int = 16) -> Image.Image:
    """Random RGB pixels."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def make_classes(root: Path, counts: dict[str, int], seed: int = 0) -> None:
    """Fill `root` with a folder of PNG files for each class."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            seed += 1
            picture(seed).save(root / name / f"{index}.png")
