"""Which parquet files of a folder are the training and the validation set: by their names.

The names are those of Hugging Face data sets:

- `<split>-00000-of-00002.parquet` (also with a digest at the end), `<split>-0.parquet` or
  `<split>.parquet`, or
- any parquet files in a folder called `<split>/`,

in the folder given, in its `data/`, or in the folder of its only configuration. As in a folder of
images, the test set serves for validation where there is no other, and is not read otherwise.
Other splits are ignored.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scalegrid.util.errors import UserError
from scalegrid.util.files import is_folder

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""What a split may be called."""

_KINDS = {name: kind for kind, names in SPLIT_NAMES.items() for name in names}
_SHARD = re.compile(rf"({'|'.join(_KINDS)})([-_.]?\d+(-of-\d+)?(-[0-9a-f]+)?)?\.parquet")
_OF = re.compile(r"(?:^|[-_.])(\d+)-of-(\d+)(?:-[0-9a-f]+)?\.parquet$")
_TABLE = "metadata.parquet"  # describes a folder of images


@dataclass(frozen=True)
class Shards:
    """The files of a split, and what it is called there."""

    split: str
    files: tuple[str, ...]


def find_shards(root: Path) -> tuple[Shards, Shards | None] | None:
    """The training and validation shards in a folder, in order; None if it has none.

    The validation shards are None where they are to be held out of the training images.

    Raises:
        UserError: there are several sets of shards or images as well, a shard is missing, there
            are no training shards, or no file is named after a split.
    """
    folders = [path for path in _folders(root) if path.name.lower() not in _KINDS]
    places = {place: splits for place in (root, *folders) if (splits := _splits(place))}
    if not places:
        _check_names(root)
        return None
    if len(places) > 1:
        raise UserError(
            f"{str(root)!r} has shards in {' and in '.join(repr(str(p)) for p in places)}; "
            "give the folder of one set as --data, or remove the others"
        )
    [(place, splits)] = places.items()
    if _folders(root / "train"):
        raise UserError(
            f"{str(root)!r} has parquet shards in {str(place)!r} and folders of images in "
            "train/; move one of the two elsewhere"
        )
    if "train" not in splits:
        found = next(iter(splits.values())).split
        raise UserError(f"{str(place)!r} has shards of {found!r} but none of 'train'; add those")
    val = splits.get("validation", splits.get("test"))
    return _in_order(splits["train"]), _in_order(val) if val else None


def _splits(place: Path) -> dict[str, Shards]:
    """The shards in a folder and in the folders of splits below it; by kind."""
    found: dict[str, list[str]] = {}
    entries = _visible(place)
    for entry in entries:
        if shard := _SHARD.fullmatch(entry.name.lower()):
            found.setdefault(shard[1], []).append(entry.path)
    for entry in entries:
        name = entry.name.lower()
        if name in _KINDS and entry.is_dir() and (files := _tables(Path(entry.path))):
            if name in found:
                raise UserError(
                    f"{str(place)!r} has {name!r} shards and a folder of them, {entry.name}/; "
                    "remove one of the two"
                )
            found[name] = files
    splits: dict[str, Shards] = {}
    for name, files in sorted(found.items()):
        if other := splits.get(_KINDS[name]):
            raise UserError(
                f"{str(place)!r} has shards of {other.split!r} and of {name!r}, names of one "
                "split; remove or rename those of one"
            )
        splits[_KINDS[name]] = Shards(name, tuple(files))
    return splits


def _in_order(shards: Shards) -> Shards:
    """The same shards by the numbers in their names, none of which is missing."""
    ordered = sorted(shards.files, key=_natural)
    place, split = os.path.dirname(ordered[0]), shards.split
    numbers = [_OF.search(os.path.basename(file).lower()) for file in ordered]
    totals = {int(number[2]) if number else None for number in numbers}
    seen = [int(number[1]) for number in numbers if number]
    if len(totals) > 1 or len(set(seen)) < len(seen):
        raise UserError(
            f"{place!r} has two sets of {split!r} shards, such as "
            f"{os.path.basename(ordered[0])!r} and {os.path.basename(ordered[-1])!r}; remove one"
        )
    total = totals.pop()
    missing = sorted(set(range(total or 0)) - set(seen))
    if missing:
        raise UserError(
            f"shard {missing[0]:05d} of the {total} {split!r} shards in {place!r} is missing; "
            "download it"
        )
    return Shards(split, tuple(ordered))


def _natural(file: str) -> list[str | int]:
    """A key by which shard 2 comes before shard 10."""
    parts = re.split(r"(\d+)", os.path.basename(file))
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


def _tables(folder: Path) -> list[str]:
    return [
        entry.path
        for entry in _visible(folder)
        if entry.name.lower().endswith(".parquet") and entry.name != _TABLE
    ]


def _folders(root: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _visible(root) if is_folder(entry))


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing if it cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]
    return []


def _check_names(root: Path) -> None:
    """Refuse a folder whose only content is tables that are named after no split."""
    others = [path for path in _folders(root) if path.name != "data"]
    tables = [] if others else _tables(root) + _tables(root / "data")
    if tables:
        raise UserError(
            f"{min(tables)!r} is named after no split; call it train-00000-of-00001.parquet if it "
            "is the only one"
        )
