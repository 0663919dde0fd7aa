"""The columns of parquet shards that hold images and labels, found by type, and the classes.

A column of images is a struct with `bytes`, an encoded file. A column of labels holds whole numbers
or strings; where the schema's metadata (key `huggingface`) name the classes of some columns, these
are the columns of labels, and their numbers count the names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scalegrid.data.sources import Labels
from scalegrid.util.errors import UserError, one_line

Schema: TypeAlias = Any  # pyarrow ships no types

_INDEX = "__index_level_"  # columns in which pandas keeps the index of rows
_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Columns:
    """The names of the columns used, and those of the classes if the metadata have them."""

    image: str
    label: str
    names: tuple[str, ...] | None


@contextmanager
def readable(file: str) -> Iterator[None]:
    """Within, a shard that cannot be read is a UserError that names it."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"shard {file!r} cannot be read ({one_line(error)}); download it again"
        ) from error


def find_columns(
    files: Sequence[str], schemas: Sequence[Schema], image: str | None, label: str | None
) -> Columns:
    """The columns of images and labels, the same in all shards.

    Args:
        files: the shards.
        schemas: of each.
        image: the name that the user gives; None for the only column of images.
        label: the same for labels.

    Raises:
        UserError: there is no such column, or several and no name, or the shards differ.
    """
    images, possible, named = _candidates(schemas[0])
    columns = Columns(
        _chosen("image", image, images, images, files[0], schemas[0]),
        found := _chosen("label", label, possible, list(named) or possible, files[0], schemas[0]),
        named.get(found),
    )
    kind = schemas[0].field(found).type
    for file, schema in zip(files, schemas, strict=True):
        images, possible, named = _candidates(schema)
        if columns.image not in images:
            differs = f"no images in {columns.image!r}"
        elif found not in possible or schema.field(found).type != kind:
            differs = f"no labels of type {kind} in {found!r}"
        elif named.get(found) != columns.names:
            differs = f"other class names for {found!r}"
        else:
            continue
        raise UserError(f"{file!r} has {differs}, unlike {files[0]!r}; give shards of one data set")
    return columns


def read_labels(files: Sequence[str], columns: Columns) -> tuple[tuple[str, ...], Labels]:
    """The classes that have images, and the label of every row: int64, counted over the shards.

    Classes are in the order of the metadata's names, else sorted.

    Raises:
        UserError: a shard cannot be read, or a row has no label.
    """
    parts = [_values(file, columns) for file in files]
    encoded = pa.chunked_array(parts).combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = np.argsort(order)
    names = columns.names
    classes = (values[index] for index in order)
    return (
        tuple(names[value] if names else str(value) for value in classes),
        rank[encoded.indices.to_numpy()].astype(np.int64),
    )


def without_images(classes: Sequence[str], columns: Columns) -> tuple[str, ...]:
    """A note on classes that the metadata name and no row has."""
    missing = [name for name in columns.names or () if name not in set(classes)]
    if not missing:
        return ()
    return (
        f"{len(missing)} of the {len(columns.names or ())} classes that {columns.label!r} names "
        f"have no images and are left out: {_listed(missing)}",
    )


def _candidates(schema: Schema) -> tuple[list[str], list[str], dict[str, tuple[str, ...]]]:
    """Columns of images; of whole numbers or strings; and the class names of some of these."""
    features = _features(schema)
    images, labels = [], []
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_struct(kind):
            if _has_bytes(kind) and features.get(field.name, {}).get("_type", "Image") == "Image":
                images.append(field.name)
        elif not field.name.startswith(_INDEX) and (
            pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
        ):
            labels.append(field.name)
    named = {
        name: names
        for name in labels
        if pa.types.is_integer(schema.field(name).type)
        and (names := _class_names(features.get(name, {})))
    }
    return images, labels, named


def _has_bytes(struct: Any) -> bool:
    kinds = [field.type for field in struct if field.name == "bytes"]
    return any(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) for kind in kinds)


def _features(schema: Schema) -> dict[str, dict[str, Any]]:
    """What the metadata say of each column: `{"info": {"features": …}}`, a mapping or a list."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        if isinstance(features, list):
            features = {feature["name"]: feature for feature in features}
        return {name: value for name, value in features.items() if isinstance(value, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):  # written by something else
        return {}


def _class_names(feature: dict[str, Any]) -> tuple[str, ...] | None:
    """The names of a column of classes: a list, a mapping of numbers to names, or their number."""
    dtype = feature.get("dtype")
    if isinstance(dtype, dict) and isinstance(dtype.get("class_label"), dict):
        feature = dtype["class_label"]
    elif feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names") or range(feature.get("num_classes") or 0)
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names, key=int)]
    return tuple(map(str, names)) or None


def _chosen(
    kind: str,
    wanted: str | None,
    possible: Sequence[str],
    likely: Sequence[str],
    file: str,
    schema: Schema,
) -> str:
    """The column that the user wants, of the possible ones; else the only likely one."""
    if wanted is not None:
        if wanted in possible:
            return wanted
        options = f"choose one of {_listed(possible)}" if possible else "leave it out"
        raise UserError(
            f"--{kind}-column is {wanted!r}, which holds no {kind}s in {file!r}; {options}"
        )
    if not likely:
        needed = "a struct with bytes" if kind == "image" else "whole numbers or strings"
        raise UserError(
            f"{file!r} has no column of {kind}s, {needed}, but only {_listed(schema.names)}; "
            "give a data set of images with labels"
        )
    if len(likely) > 1:
        raise UserError(
            f"{file!r} has several columns of {kind}s, {_listed(likely)}; choose one with "
            f"--{kind}-column"
        )
    return likely[0]


def _values(file: str, columns: Columns) -> Any:
    """The labels of a shard as stored, none of which is missing."""
    with readable(file):
        values = pq.ParquetFile(file).read(columns=[columns.label]).column(0).combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not pa.types.is_integer(values.type):
        wrong = pc.equal(values, "")
    elif columns.names is None:
        wrong = pc.less(values, 0)
    else:
        wrong = pc.or_(pc.less(values, 0), pc.greater_equal(values, len(columns.names)))
    row = pc.index(pc.fill_null(wrong, True), True).as_py()
    if row >= 0:
        named = f" of the {len(columns.names)} named" if columns.names else ""
        raise UserError(
            f"{columns.label!r} is {values[row].as_py()!r} in row {row} of {file!r}, which is no "
            f"class{named}; mend or remove the row, or the shards of this split"
        )
    return values


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])
