"""Images to train on: sources, the cache of resized images, batches.

In the order of use: `open_source` (what a plan needs, no torch), `prepare` (once a sweep, no
torch unless torchvision reads the files), then in each worker `load_split` and `batches`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scalegrid.data.cache import CachedData, cache_bytes, prepare
from scalegrid.data.catalogue import EMBEDDED, open_source
from scalegrid.data.sources import SPLITS, Source, Split

if TYPE_CHECKING:
    from scalegrid.data.batching import Augment, batches, ordered_batches, steps_per_epoch
    from scalegrid.data.images import CachedImages, Images, load_split
    from scalegrid.data.stream import StreamedImages

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
    "steps_per_epoch",
]

# These import torch, which a plan or a help text does without until it must.
_LAZY = {
    "Augment": "batching",
    "batches": "batching",
    "ordered_batches": "batching",
    "steps_per_epoch": "batching",
    "CachedImages": "images",
    "Images": "images",
    "load_split": "images",
    "StreamedImages": "stream",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
