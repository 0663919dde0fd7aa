"""Images in parquet shards, as Hugging Face data sets store them.

A row group is read when one of its images is wanted, and each process keeps the last one. The
images of a split are in the order of the shards: read in turn, they need each row group once.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from scalegrid.data.columns import Schema, find_columns, read_labels, readable, without_images
from scalegrid.data.convert import SIXTEEN_BITS, Depth, check_header, read_image
from scalegrid.data.depth import depth_of
from scalegrid.data.folder import HASHED_BYTES, SAMPLED, left_out, shape
from scalegrid.data.selection import check_same_classes, hold_out, subset
from scalegrid.data.shards import Shards
from scalegrid.data.sources import SPLITS, Labels, Source, Split
from scalegrid.util.errors import ImageError, UserError
from scalegrid.util.files import digest

Values: TypeAlias = Any  # pyarrow ships no types

_REMEDY = "mend the image or remove the row"
_BLOCK = 2**22  # bytes hashed at a time
_FOOTER = 8  # bytes at the end of a shard: the length of its metadata, and a mark


@dataclass(frozen=True)
class RowGroup:
    """A part of a shard, read at once: its number and its first row there, and its rows."""

    file: str
    number: int
    first: int
    rows: int


class _Kept:
    """The shard and the row group that a process has read last; pickled without them."""

    def __init__(self) -> None:
        self.shard: tuple[str, Any] | None = None
        self.group: tuple[RowGroup, Values] | None = None

    def __reduce__(self) -> tuple[type[_Kept], tuple[()]]:
        return _Kept, ()

    def images(self, group: RowGroup, column: str) -> Values:
        """The structs of a row group, of which `bytes` alone are read."""
        if self.group is None or self.group[0] != group:
            if self.shard is None or self.shard[0] != group.file:
                self.shard = group.file, pq.ParquetFile(group.file)
            self.group = None  # freed before the next is read
            table = self.shard[1].read_row_group(
                group.number, columns=[f"{column}.bytes"], use_threads=False
            )
            self.group = group, table.column(0)
        return self.group[1]


@dataclass(frozen=True, eq=False)
class ParquetReader:
    """Decodes the images of both splits; picklable.

    Attributes:
        column: of the images.
        groups: row groups of all shards.
        starts: the row at which each begins, counted over all shards; int64.
        rows: of the images of each split, int64.
        depth: of the images.
    """

    column: str
    groups: tuple[RowGroup, ...]
    starts: Labels
    rows: dict[Split, Labels]
    depth: Depth = SIXTEEN_BITS
    _kept: _Kept = field(default_factory=_Kept, repr=False)

    def __call__(self, split: Split, index: int) -> Image.Image:
        """Image `index` of `split`.

        Raises:
            UserError: its shard cannot be read, or it is missing or cannot be decoded; names it.
        """
        name, encoded = self.encoded(split, index)
        return read_image(io.BytesIO(encoded), name, _REMEDY, self.depth)

    def check_header(self, split: Split, index: int) -> None:
        """Raise ImageError unless Pillow knows how to read image `index` of `split`."""
        name, encoded = self.encoded(split, index)
        check_header(io.BytesIO(encoded), name, _REMEDY)

    def encoded(self, split: Split, index: int) -> tuple[str, bytes]:
        """What a message calls image `index` of `split`, and the bytes of its file.

        Raises:
            UserError: its shard cannot be read, or it is missing.
        """
        row = int(self.rows[split][index])
        at = int(np.searchsorted(self.starts, row, side="right")) - 1
        group, offset = self.groups[at], row - int(self.starts[at])
        with readable(group.file):
            image = self._kept.images(group, self.column)[offset].as_py()
        name = f"in row {group.first + offset} of {group.file!r}"
        if not (image and image["bytes"]):
            remedy = "write its file into the shard, or remove the row"
            raise ImageError(name, "has no bytes", remedy)
        return name, image["bytes"]

    def first_encoded(self) -> list[tuple[str, bytes]]:
        """The first training images, as of `encoded`; as many as one row group holds of them."""
        rows = self.rows["train"][:SAMPLED]
        group = np.searchsorted(self.starts, rows, side="right")
        return [self.encoded("train", index) for index in range(np.sum(group == group[0]))]


def open_parquet(
    train: Shards,
    val: Shards | None,
    *,
    train_images: int | None,
    val_images: int | None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Source:
    """The source `parquet`: the images of shards, of whose rows messages count the first as 0.

    The fingerprint covers the classes, the column of images, the rows and labels used, and the
    content of the shards: every byte in sets of up to `HASHED_BYTES`, else sizes and metadata. It
    does not depend on paths.

    Args:
        train: the training shards.
        val: the validation shards; None to hold validation images out of `train`.
        train_images: number of training images; None for all.
        val_images: number of validation images; None for all of `val`, or a tenth of `train`.
        image_column: of the images; None for the only one.
        label_column: of the labels; None for the only one.

    Raises:
        UserError: a shard cannot be read, a column is missing or not the only one of its kind, a
            row has no label, classes differ between the splits, or numbers of images do not fit.
    """
    files = train.files + (val.files if val else ())
    groups, schemas = _contents(files)
    columns = find_columns(files, schemas, image_column, label_column)
    classes, labels = read_labels(files, columns)
    sizes = [group.rows for group in groups]
    in_train = sum(group.rows for group in groups if group.file in train.files)
    rows = _rows(train, val, classes, labels, in_train, train_images, val_images)
    starts = np.cumsum([0, *sizes[:-1]])
    reader = ParquetReader(columns.image, groups, starts, dict(zip(SPLITS, rows, strict=True)))
    first = reader.first_encoded()
    fingerprint = _fingerprint(classes, columns.image, files, rows, labels)
    depth, deep, as_before = depth_of(io.BytesIO(encoded) for _, encoded in first)
    if not as_before:
        fingerprint = digest([fingerprint, "depth", asdict(depth)])
    reader = replace(reader, depth=depth)
    side, aspect = shape(io.BytesIO(encoded) for _, encoded in first)
    return Source(
        name="parquet",
        fingerprint=fingerprint,
        class_names=classes,
        train_labels=labels[rows[0]],
        val_labels=labels[rows[1]],
        native_resolution=side,
        aspect=aspect,
        mirror=True,
        read=reader,
        check_header=reader.check_header,
        notes=(
            _validation(train, val, len(rows[1])),
            *without_images(classes, columns),
            *deep,
            *left_out(io.BytesIO(first[0][1]), first[0][0], "save the images as files and "),
        ),
    )


def _contents(files: Sequence[str]) -> tuple[tuple[RowGroup, ...], list[Schema]]:
    """The row groups that hold rows, and the schema of each shard."""
    groups, schemas = [], []
    for file in files:
        with readable(file), pq.ParquetFile(file) as shard:
            sizes = [shard.metadata.row_group(i).num_rows for i in range(shard.num_row_groups)]
            schemas.append(shard.schema_arrow)
        firsts = np.cumsum([0, *sizes]).tolist()
        groups += [RowGroup(file, i, firsts[i], size) for i, size in enumerate(sizes) if size]
    return tuple(groups), schemas


def _rows(
    train: Shards,
    val: Shards | None,
    classes: Sequence[str],
    labels: Labels,
    in_train: int,
    train_images: int | None,
    val_images: int | None,
) -> tuple[Labels, Labels]:
    """The rows of the training and the validation images, in the order of the shards."""
    for split, count in ((train, in_train), (val, len(labels) - in_train)):
        if split and not count:
            raise UserError(
                f"the shards of {split.split!r}, such as {split.files[0]!r}, have no rows"
            )
    if len(classes) == 1:
        raise UserError(f"{train.files[0]!r} has one class, {classes[0]!r}; two or more are needed")
    if val is None:
        ours, theirs = hold_out(labels, train_images, val_images, classes)
        return np.sort(ours), np.sort(theirs)
    parts = labels[:in_train], labels[in_train:]
    of_train, of_val = ([classes[label] for label in np.unique(part)] for part in parts)
    check_same_classes((train.split, of_train), (val.split, of_val))
    pool = f", or remove the shards of {val.split!r} to hold more out of {train.split!r}"
    ours = subset(parts[0], train_images, "train_images")
    theirs = subset(parts[1], val_images, "val_images", pool)
    return np.sort(ours), in_train + np.sort(theirs)


def _validation(train: Shards, val: Shards | None, count: int) -> str:
    """The note on what the candidates are compared on."""
    where = f"of split {val.split!r}" if val else f"held out of split {train.split!r}"
    return f"candidates are compared on {count:,} images {where}"


def _fingerprint(
    classes: Sequence[str],
    column: str,
    files: Sequence[str],
    rows: tuple[Labels, Labels],
    labels: Labels,
) -> str:
    sha = hashlib.sha256(json.dumps(["parquet", 1, list(classes), column]).encode())
    for content in _content_digests(files):
        sha.update(content)
    for used in rows:
        sha.update(str(len(used)).encode())
        sha.update(used.astype("<i8").tobytes())
        sha.update(labels[used].astype("<i8").tobytes())
    return sha.hexdigest()


def _content_digests(files: Sequence[str]) -> list[bytes]:
    # Hashing and reading both release the interpreter lock.
    whole = sum(map(os.path.getsize, files)) <= HASHED_BYTES
    with ThreadPoolExecutor() as threads:
        return list(threads.map(_content_digest, files, [whole] * len(files)))


def _content_digest(path: str, whole: bool) -> bytes:
    """Of all bytes of a shard, or of its size and metadata."""
    size = os.path.getsize(path)
    sha = hashlib.sha256(str(size).encode())
    with readable(path), open(path, "rb") as file:
        if not whole:
            file.seek(size - _FOOTER)
            file.seek(size - _FOOTER - int.from_bytes(file.read(4), "little"))
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.digest()
