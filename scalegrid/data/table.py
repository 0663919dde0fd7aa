"""A table of images: a CSV file with the columns `path`, `label` and, if it has one, `split`.

Paths are relative to the table's folder and lie below it. Splits are called as in `shards`: where
no row is for validation, those of the test split serve, and without these, or without the column,
validation images are held out. Fields are divided by commas, semicolons or tabs, as in the header.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from scalegrid.data.folder import Entry, Found, Search, source_of
from scalegrid.data.other_files import pillow_suffixes
from scalegrid.data.selection import check_same_classes
from scalegrid.data.shards import SPLIT_NAMES
from scalegrid.data.sources import Source
from scalegrid.util.errors import UserError
from scalegrid.util.text import few, plural

SUFFIXES = (".csv", ".tsv")
"""Endings of tables, in small letters."""

PATH, LABEL, SPLIT = "path", "label", "split"
"""The columns, unless others are chosen for the first two."""

_KINDS = {name: kind for kind, names in SPLIT_NAMES.items() for name in names}
_DELIMITERS = ",;\t"


class Row(NamedTuple):
    """An image: the line of the table (from 1), its path, its class and its split, as given."""

    line: int
    path: str
    label: str
    split: str | None

    @property
    def kind(self) -> str:
        """``train``, ``validation`` or ``test``; empty for an unknown split."""
        return "train" if self.split is None else _KINDS.get(self.split.lower(), "")


def open_table(
    table: Path,
    *,
    train_images: int | None,
    val_images: int | None,
    image_column: str | None = None,
    label_column: str | None = None,
    channels: int | None = None,
    skip_bad_images: bool = False,
    workers: int = 1,
) -> Source:
    """The source `folder` of the images that a table lists.

    It is that of a folder with the same images, paths below each split and classes, so that it has
    its fingerprint too; the order of the rows does not matter. Arguments are those of `open_folder`
    and the names of the columns.

    Raises:
        UserError: the table cannot be read, lacks a column or a field, names an image with two
            labels, in two splits or outside of its folder, or files that are missing, or has no
            training rows; or as of `open_folder`.
    """
    table = table.absolute()
    rows = _read(table, image_column or PATH, label_column or LABEL)
    parts = {kind: [row for row in rows if row.kind == kind] for kind in SPLIT_NAMES}
    train, val = parts["train"], parts["validation"] or parts["test"]
    if not train:
        raise UserError(f"{str(table)!r} has no rows of the split 'train'; add some")
    notes = []
    if parts["validation"] and parts["test"]:
        notes.append(f"{plural(len(parts['test']), 'row')} of the test split are left out")
    if repeated := len(train) + len(val) - _unique(table, [*train, *val]):
        notes.append(f"{plural(repeated, 'row')} of {table.name} repeat others, and do not count")
    names = sorted({row.label for row in train})
    if len(names) == 1:
        raise UserError(f"{str(table)!r} has one class, {names[0]!r}; two or more are needed")
    if val:
        there = sorted({row.label for row in val})
        check_same_classes((f"{table} (train)", names), (f"{table} (val)", there))
    search = Search(pillow_suffixes(), skip_bad_images, channels, workers)
    found = Found(names, *_entries(table, train, search, names))
    where = f"held out of {table.name}"
    if val:
        pool = f", or remove the column {SPLIT!r} to hold more out of all"
        val_root, entries = _entries(table, val, search, names)
        found = replace(found, val_root=val_root, val=entries, pool=pool)
        where = f"of the split {val[0].split!r}"
    source = source_of(found, search, train_images, val_images)
    compared = f"candidates are compared on {source.num_val:,} images {where}"
    return replace(source, notes=(compared, *notes, *source.notes))


def _entries(
    table: Path, rows: Sequence[Row], search: Search, names: Sequence[str]
) -> tuple[Path, list[Entry]]:
    """The folder that all of a split lies in, and its images."""
    classes = {row.path: row.label for row in rows}
    below = os.path.commonpath(list(classes))
    root = table.parent / below
    relative = {path[len(below) :].lstrip("/"): name for path, name in classes.items()}
    return root, search.listed(root, relative, names)


def _unique(table: Path, rows: Sequence[Row]) -> int:
    """How many images there are.

    Raises:
        UserError: one has two labels, or is in two splits.
    """
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.line):
        other = first.setdefault(row.path, row)
        pairs = ("labels", other.label, row.label), ("splits", other.kind, row.kind)
        for what, old, new in pairs:
            if old != new:
                raise UserError(
                    f"image {row.path!r} of {str(table)!r} has two {what}, {old!r} in line "
                    f"{other.line} and {new!r} in line {row.line}; keep one of the lines"
                )
    return len(first)


def _read(table: Path, path: str, label: str) -> list[Row]:
    """The rows of a table; paths are below its folder, with forward slashes.

    Raises:
        UserError: it cannot be read, has no such columns, or a row lacks a field, has an unknown
            split or leads out of the folder.
    """
    names, lines = _fields(table)
    if not names:
        raise UserError(f"{str(table)!r} is empty; give it the columns {path!r} and {label!r}")
    keys, path, label = [name.lower() for name in names], path.lower(), label.lower()
    for column, flag in ((path, "image"), (label, "label")):
        if (number := keys.count(column)) != 1:
            has = "no column" if not number else f"{number} columns"
            raise UserError(
                f"{str(table)!r} has {has} {column!r}, but {few(list(map(repr, names)), 8)}; give "
                f"it a header with {path!r} and {label!r}, or name the column by --{flag}-column"
            )
    rows, folder = [], os.path.join(table.parent, "")
    for number, fields in lines:
        values = dict(zip(keys, fields, strict=True))
        row = Row(number, values[path], values[label], values.get(SPLIT))
        if not (row.path and row.label):
            problem = f"has no {label if row.path else path}"
            raise _bad(table, number, problem, "fill it in, or remove the line")
        if not row.kind:
            remedy = "use train, val or test, or remove the column"
            raise _bad(table, number, f"has the split {row.split!r}", remedy)
        below = _below(folder, row.path)
        if below is None:
            remedy = "move the table to a folder that holds all images, or link them there"
            raise _bad(table, number, f"names {row.path!r}, which is not below {folder!r}", remedy)
        rows.append(row._replace(path=below))
    if not rows:
        raise UserError(f"{str(table)!r} lists no images; add a row for each")
    return rows


def _below(folder: str, path: str) -> str | None:
    """A path from a folder on, also of one written from the root or for Windows; None outside."""
    if "\\" in path and not os.path.exists(folder + path):
        path = path.replace("\\", "/")
    full = os.path.normpath(os.path.join(folder, path))
    return full[len(folder) :].replace(os.sep, "/") if full.startswith(folder) else None


def _fields(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and the fields of each row with its line, without empty rows.

    Raises:
        UserError: it cannot be read, is not UTF-8 or no CSV, or a row has too many or few fields.
    """
    try:
        content = table.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(
            f"{str(table)!r} cannot be read ({error.strerror}); allow it, or give another table"
        ) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _bad(table, line, "is not UTF-8", "save the table as CSV in UTF-8") from error
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    names: list[str] = []
    rows = []
    try:
        for record in reader:
            fields = [field.strip() for field in record]
            if any(fields) and not names:
                names = fields
            elif any(fields) and len(fields) != len(names):
                problem = f"has {plural(len(fields), 'field')} and the header {len(names)}"
                remedy = f"quote fields that hold {delimiter!r}, and fill in those that are missing"
                raise _bad(table, reader.line_num, problem, remedy)
            elif any(fields):
                rows.append((reader.line_num, fields))
    except csv.Error as error:
        raise _bad(table, reader.line_num, f"is no CSV ({error})", "mend it") from error
    return names, rows


def _bad(table: Path, line: int, problem: str, remedy: str) -> UserError:
    return UserError(f"line {line} of {str(table)!r} {problem}; {remedy}")
