"""Images to train on: sources, the cache of resized images, batches.

In the order of use: `open_source` (all that a plan needs, no torch), `prepare` (once per sweep, no
torch unless torchvision reads the files), then in each worker `load_split` and `batches`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scalegrid.data.cache import CachedData, cache_bytes, prepare
from scalegrid.data.changes import remember_unreadable, since
from scalegrid.data.opening import EMBEDDED, open_source
from scalegrid.data.sources import SPLITS, Source, Split

if TYPE_CHECKING:
    from scalegrid.data.batching import Augment, batches, ordered_batches, steps_per_epoch
    from scalegrid.data.images import CachedImages, Images, StreamedImages, load_split

__all__ = [
    "EMBEDDED",
    "SPLITS",
    "Augment",
    "CachedData",
    "CachedImages",
    "Images",
    "Source",
    "Split",
    "StreamedImages",
    "batches",
    "cache_bytes",
    "load_split",
    "open_source",
    "ordered_batches",
    "prepare",
    "remember_unreadable",
    "since",
    "steps_per_epoch",
]

# These modules import torch, so they are imported when one of their names is first used.
_LAZY = {
    "batching": ("Augment", "batches", "ordered_batches", "steps_per_epoch"),
    "images": ("CachedImages", "Images", "StreamedImages", "load_split"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
