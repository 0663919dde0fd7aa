"""Published data sets, downloaded by torchvision through timm's data set factory.

Only the training images are used: a stratified validation set is held out of them, and the
official test set is never read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scalegrid.data.convert import to_rgb
from scalegrid.data.selection import hold_out
from scalegrid.data.sources import Labels, Source, Split
from scalegrid.util.errors import ImageError, UserError, one_line
from scalegrid.util.locks import Lock

NAMES = (
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "imagenet",
    "inaturalist",
    "kmnist",
    "mnist",
    "places365",
    "qmnist",
)
"""The names that `timm.data.create_dataset` takes after `torch/`."""

_WRITTEN = frozenset({"mnist", "kmnist", "qmnist"})  # mirroring changes a character


@dataclass(frozen=True, eq=False)
class TorchvisionReader:
    """Reads the images of both splits from the downloaded files; picklable."""

    name: str
    root: str
    train_indices: Labels
    val_indices: Labels

    def __call__(self, split: Split, index: int) -> Image.Image:
        """Image `index` of `split`.

        Raises:
            UserError: its file cannot be read or decoded.
        """
        indices = self.train_indices if split == "train" else self.val_indices
        try:
            image, _ = _dataset(self.name, self.root)[int(indices[index])]
        except OSError as error:
            raise ImageError(
                f"{indices[index]} of data set {self.name!r} in {self.root!r}",
                f"cannot be read ({one_line(error)})",
                "remove the data set's files to download them again",
            ) from error
        return to_rgb(image)


def open_torchvision(
    name: str,
    root: Path,
    *,
    train_images: int | None,
    val_images: int | None,
    download: bool,
) -> Source:
    """The source `name`, one of `NAMES`, kept in `root` and downloaded to it when missing.

    The fingerprint covers the name and, in the order trials use them, the indices and labels of
    the images; torchvision checks the files against their published digests.

    Raises:
        UserError: the files are missing or damaged, or the numbers of images do not fit.
    """
    if download:
        _download(name, root)
    try:
        dataset = _dataset(name, str(root))
    except _FAILURES as error:
        raise UserError(
            f"data set {name!r} is not in {str(root)!r} ({one_line(error)}); allow the "
            "download, put its files there, or use --data leaves or a folder of images"
        ) from error
    labels = _all_labels(dataset)
    names = _class_names(dataset, int(labels.max()) + 1)
    train, val = hold_out(labels, train_images, val_images, names)
    return Source(
        name=name,
        fingerprint=_fingerprint(name, labels, train, val),
        class_names=names,
        train_labels=labels[train],
        val_labels=labels[val],
        native_resolution=min(dataset[0][0].size),
        mirror=name not in _WRITTEN,
        read=TorchvisionReader(name, str(root), train, val),
    )


# What torchvision raises for missing or damaged files and for failed downloads.
_FAILURES = (OSError, RuntimeError, ValueError, EOFError)


def _create(name: str, root: str, *, download: bool) -> Any:
    from timm.data.dataset_factory import create_dataset

    # torchvision prints to standard output, which belongs to the tables.
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return create_dataset(f"torch/{name}", root=root, split="train", download=download)


@lru_cache(maxsize=1)
def _dataset(name: str, root: str) -> Any:
    """The training set from existing files; kept, since a process reads one data set."""
    dataset = _create(name, root, download=False)
    if hasattr(dataset, "index"):  # iNaturalist lists its files in the file system's order
        dataset.index.sort()
    return dataset


def _download(name: str, root: Path) -> None:
    """Download `name` to `root` unless its files exist."""
    try:
        _dataset(name, str(root))
    except _FAILURES:
        pass
    else:
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with Lock(root / f"{name}.lock"):
            _create(name, str(root), download=True)
    except _FAILURES as error:
        raise UserError(
            f"data set {name!r} is not in {str(root)!r} and could not be downloaded "
            f"({one_line(error)}); connect to the network, put its files there, or use "
            "--data leaves or a folder of images"
        ) from error


def _all_labels(dataset: Any) -> Labels:
    if hasattr(dataset, "targets"):
        labels = np.asarray(dataset.targets, dtype=np.int64)
        return labels[:, 0] if labels.ndim == 2 else labels  # QMNIST has further columns
    return np.array([label for label, _ in dataset.index], dtype=np.int64)


def _class_names(dataset: Any, count: int) -> tuple[str, ...]:
    names = getattr(dataset, "classes", None) or getattr(dataset, "all_categories", None)
    if names is None:
        return tuple(map(str, range(count)))
    # ImageNet gives each class a tuple of synonyms.
    return tuple(name if isinstance(name, str) else ", ".join(name) for name in names)


def _fingerprint(name: str, labels: Labels, train: Labels, val: Labels) -> str:
    digest = hashlib.sha256(json.dumps(["torchvision", 1, name, len(train)]).encode())
    for indices in (train, val):
        digest.update(indices.astype("<i8").tobytes())
        digest.update(labels[indices].astype("<i8").tobytes())
    return digest.hexdigest()
