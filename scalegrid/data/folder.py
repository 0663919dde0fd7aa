"""A folder of images, with a subfolder for each class.

Layouts, the first that fits:

- `train/` beside `val/`, `valid/` or `validation/` (the first of these that exists), which holds
  the validation images, in classes or, as TinyImageNet's, in `images/` beside a list of their
  classes; a `test/` beside them is never read.
- `train/` beside `test/` alone: `test/` holds the validation images.
- `train/` alone, or classes directly in the folder: a tenth of each class, or `val_images`, is
  held out for validation.

Names of splits may have capitals. Classes are sorted by name. Images are also found in nested
folders, by the suffixes of the formats that Pillow can open. Where there are none, NumPy files
(`.npy`) are the images. Hidden files and folders, and those of systems, are ignored; other files
are counted (see `other_files`).
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from scalegrid.data.bands import ARRAYS, needs_bands, read_bands
from scalegrid.data.convert import (
    REMEDY,
    SIXTEEN_BITS,
    Depth,
    File,
    check_header,
    largest_image,
    quiet,
    read_image,
)
from scalegrid.data.depth import depth_of
from scalegrid.data.multiband import in_bands
from scalegrid.data.other_files import SYSTEM, closed, described, lost, note, pillow_suffixes
from scalegrid.data.selection import check_same_classes, hold_out, subset
from scalegrid.data.sources import Content, Labels, Source, Split
from scalegrid.util.errors import ImageError, UserError, unusable
from scalegrid.util.files import digest, is_folder, recalled
from scalegrid.util.text import few, plural

VAL_NAMES = ("val", "valid", "validation", "test")

HASHED_BYTES = 2 * 2**30
"""Up to this total size the fingerprint covers every byte of every image."""

_COPIES = 0.1
"""Share of the validation images that may be training images too without a word."""

SAMPLED = 64
"""Images whose headers are read for the native resolution."""

ANNOTATIONS = "val_annotations.txt"
"""Of each image of TinyImageNet's `val/images/` the name, the class, and a box."""

_LISTED = "put such files there, or take them from the list, whose paths start at its own folder"
_BLOCK = 2**22  # bytes hashed at a time
_SAMPLES = 277  # of a TIFF file's tags: channels


@dataclass(frozen=True)
class Entry:
    """An image: its path below the split's folder, with forward slashes, and its label."""

    path: str
    label: int


@dataclass(frozen=True)
class FolderReader:
    """Decodes the images of both splits; picklable."""

    train_files: tuple[str, ...]
    val_files: tuple[str, ...]
    depth: Depth = SIXTEEN_BITS

    def __call__(self, split: Split, index: int) -> Image.Image:
        """Image `index` of `split`.

        Raises:
            UserError: the file cannot be read or decoded; names it.
        """
        return read_image(self.file(split, index), depth=self.depth)

    def file(self, split: Split, index: int) -> Path:
        """The file of image `index` of `split`."""
        return Path((self.train_files if split == "train" else self.val_files)[index])

    def check_header(self, split: Split, index: int) -> None:
        """Raise ImageError unless Pillow knows how to read image `index` of `split`."""
        check_header(self.file(split, index))

    def contents(self) -> list[Content]:
        """The files of both splits, with their sizes and, up to `HASHED_BYTES`, their bytes."""
        files = self.train_files + self.val_files
        names = [
            f"{split}/{Path(file).relative_to(root).as_posix()}"
            for split, some in (("train", self.train_files), ("val", self.val_files))
            for root in [os.path.commonpath(some)]
            for file in some
        ]
        return [
            Content(name, file, f"{size} {content}")
            for name, file, size, content in zip(
                names, files, *_sizes_and_contents(files), strict=True
            )
        ]


def open_folder(
    root: Path,
    *,
    train_images: int | None,
    val_images: int | None,
    channels: int | None = None,
    skip_bad_images: bool = False,
    workers: int = 1,
) -> Source:
    """The source `folder`: images below `root`, in one of the layouts above.

    Images that Pillow opens have three `channels` by default, others those that they have (three
    for one); the first training image decides. With `skip_bad_images` the data set is that without
    the images that cannot be read, for which `workers` threads decode all of them.

    The fingerprint covers, in the order of use, each image's path within its split, its label, its
    size and, in sets of up to `HASHED_BYTES`, its bytes. It does not depend on the folder's own
    path or on modification times.

    Raises:
        UserError: no folder, no images, one class, an empty class, classes that differ between
            the splits, numbers of images or channels that do not fit, an unreadable file.
    """
    train_root, val_root = _split_roots(root.absolute())
    names = _class_names(train_root)
    search = Search(_suffixes(train_root), skip_bad_images, channels, workers)
    found = Found(names, train_root, search.entries(train_root, names))
    if val_root is not None:
        pool = (
            f", or pool them with those of {str(train_root)!r}, without {val_root.name}/, to hold "
            "more out of all"
        )
        found = replace(found, val_root=val_root, pool=pool, val=_val(val_root, found, search))
    return source_of(found, search, train_images, val_images)


@dataclass(frozen=True)
class Found:
    """The images of a data set to choose from, below a folder for each split.

    Attributes:
        names: of the classes.
        train_root: what the paths of training images are below.
        train: the training images, by class.
        val_root: what the paths of validation images are below.
        val: the validation images; None if they are to be held out of `train`.
        pool: how there can be more of them, for an error.
    """

    names: Sequence[str]
    train_root: Path
    train: list[Entry]
    val_root: Path | None = None
    val: list[Entry] | None = None
    pool: str = ""


def source_of(
    found: Found, search: Search, train_images: int | None, val_images: int | None
) -> Source:
    """The source `folder` of images that a search has found; errors as of `open_folder`."""
    names, channels = found.names, search.channels
    if found.val is None:
        chosen = hold_out(_labels(found.train), train_images, val_images, names)
        train, val = ([found.train[index] for index in indices] for indices in chosen)
    else:
        of_train = subset(_labels(found.train), train_images, "train_images")
        of_val = subset(_labels(found.val), val_images, "val_images", found.pool)
        train, val = [found.train[i] for i in of_train], [found.val[i] for i in of_val]
    files = _files(found.train_root, train), _files(found.val_root or found.train_root, val)
    reader = FolderReader(*files)
    sizes, contents = _sizes_and_contents(reader.train_files + reader.val_files)
    fingerprint = _fingerprint(names, train, val, sizes, contents)
    deep: tuple[str, ...] = ()
    if channels in (None, 3) and not needs_bands(Path(reader.train_files[0])):
        depth, deep, as_before = depth_of(map(Path, reader.train_files))
        reader = replace(reader, depth=depth)
        if not as_before:
            fingerprint = digest([fingerprint, "depth", asdict(depth)])
    side, aspect = shape(map(Path, reader.train_files[:SAMPLED]))
    source = Source(
        name="folder",
        fingerprint=fingerprint,
        class_names=tuple(names),
        train_labels=_labels(train),
        val_labels=_labels(val),
        native_resolution=side,
        aspect=aspect,
        mirror=True,
        read=reader,
        check_header=reader.check_header,
        contents=reader.contents,
        notes=(
            *search.notes,
            *_copies(contents[: len(train)], contents[len(train) :]),
            *deep,
            *(left_out(*_named(reader.train_files[0])) if channels in (None, 1, 3) else ()),
        ),
        skipped=len(search.bad),
    )
    if channels in (None, 3) and not needs_bands(Path(reader.train_files[0])):
        return source
    return in_bands(source, reader.train_files, reader.val_files, channels)


def _split_roots(root: Path) -> tuple[Path, Path | None]:
    """The folders of training and of validation classes; None: hold out of the former."""
    if not root.is_dir():
        raise UserError(f"data {str(root)!r} is not a folder; give a folder of images")
    splits = {one.name.lower(): Path(one.path) for one in _listed(str(root)) if is_folder(one)}
    val_root = next((splits[name] for name in VAL_NAMES if name in splits), None)
    if "train" in splits:
        return splits["train"], val_root
    if val_root is not None:
        raise UserError(
            f"{str(root)!r} has {val_root.name}/ but no train/; "
            "add train/, or give a folder whose subfolders are the classes"
        )
    return root, None


def _val(root: Path, found: Found, search: Search) -> list[Entry]:
    """The validation images: of folders of classes, or as TinyImageNet's annotations say."""
    names, listed = found.names, root / ANNOTATIONS
    folders = _folders(root)
    flat = listed.is_file() and not set(names) & set(folders)
    if folders == ["images"] and not flat:
        raise UserError(
            f"{str(root)!r} has images without classes; put them in a folder for each class, or "
            f"add {ANNOTATIONS}, each line of which is a file in images/, a tab, and its class"
        )
    classes = _annotated(listed) if flat else {}
    there = sorted(set(classes.values())) if flat else folders
    check_same_classes((str(found.train_root), names), (str(listed if flat else root), there))
    if not flat:
        return search.entries(root, names)
    search.leave_out_others(root / "images", classes, listed)
    return search.listed(root, classes, names)


def _annotated(file: Path) -> dict[str, str]:
    """Of each image beside the file, which lie in `images/`, its class.

    Raises:
        UserError: it cannot be read, a line does not name both, or an image has two classes.
    """
    classes: dict[str, str] = {}
    try:
        lines = file.read_text("utf-8-sig", "replace").splitlines()
    except OSError as error:
        raise UserError(f"{str(file)!r} cannot be read ({error.strerror}); allow it") from error
    for number, line in enumerate(lines, start=1):
        image, _, rest = line.partition("\t")
        name = rest.partition("\t")[0].strip()
        if not (image and name):
            raise UserError(
                f"line {number} of {str(file)!r} does not begin with a file and a class with a tab "
                "between; mend it"
            )
        if (before := classes.setdefault(f"images/{image}", name)) != name:
            raise UserError(
                f"line {number} of {str(file)!r} gives image {image!r} the class {name!r}, and a "
                f"line before it {before!r}; remove one of them"
            )
    return classes


def _class_names(root: Path) -> list[str]:
    names = _folders(root)
    if len(names) == 1:
        raise UserError(
            f"{str(root)!r} has one class, {names[0]!r}; two or more are needed, one folder each"
            f"{_tables_near(root)}"
        )
    return names


def _folders(root: Path) -> list[str]:
    names = [entry.name for entry in _listed(str(root)) if is_folder(entry)]
    if not names:
        raise UserError(
            f"{str(root)!r} has no folders of images; put the images of each class in a folder "
            f"named after it{_tables_near(root)}"
        )
    return names


def _tables_near(root: Path) -> str:
    """That a table may be meant, where there is one in a folder without classes or beside it."""
    places = (root, root.parent) if root.name == "train" else (root,)
    tables = [one for place in places for one in sorted(place.glob("*.csv"))]
    return f", or give --data {str(tables[0])!r} if it lists paths and labels" if tables else ""


def _listed(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, by name, without what is hidden or a system's.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(
            f"folder {folder!r} cannot be read ({error.strerror}); allow it, or move it elsewhere"
        ) from error
    return [e for e in entries if not e.name.startswith(".") and e.name.lower() not in SYSTEM]


def _suffixes(root: Path) -> frozenset[str]:
    """The file name endings of images below `root`: those of arrays if it holds nothing else."""
    images = pillow_suffixes()
    only_arrays = not any(_walk(str(root), images)) and any(_walk(str(root), ARRAYS))
    return ARRAYS if only_arrays else images


def _walk(
    folder: str,
    suffixes: frozenset[str],
    passed_over: Counter[str] | None = None,
    seen: frozenset[tuple[int, int]] = frozenset(),
) -> Iterator[str]:
    """Paths of the image files below `folder`, sorted; links are followed, but not in circles.

    The endings of other files are counted in `passed_over`.
    """
    status = os.stat(folder)
    seen |= {(status.st_dev, status.st_ino)}
    for entry in _listed(folder):
        suffix = os.path.splitext(entry.name)[1].lower()
        if is_folder(entry):
            inner = entry.stat()
            if (inner.st_dev, inner.st_ino) not in seen:
                yield from _walk(entry.path, suffixes, passed_over, seen)
        elif suffix in suffixes and _readable(entry):
            yield entry.path
        elif passed_over is not None:
            passed_over[suffix] += 1


def _readable(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file and no device or pipe; a broken link stays, and decoding names it."""
    return os.path.isfile(entry.path) or (entry.is_symlink() and not os.path.exists(entry.path))


class Search:
    """Finds the images of a data set, and keeps which of them cannot be read."""

    def __init__(
        self, suffixes: frozenset[str], skip_bad: bool, channels: int | None, workers: int
    ) -> None:
        self._suffixes, self._skip_bad = suffixes, skip_bad
        self.channels, self._workers = channels, workers
        self.bad: list[ImageError] = []
        self._passed_over: Counter[str] = Counter()
        self._unlisted: list[str] = []

    @property
    def notes(self) -> list[str]:
        """Sentences on what was left out."""
        notes = note(self._passed_over) + self._unlisted
        if self.bad:
            files = few([f"{one.name} {one.problem}" for one in self.bad], 10)
            notes.append(f"{plural(len(self.bad), 'image')} left out: {files}")
        return notes

    def entries(self, root: Path, names: Sequence[str]) -> list[Entry]:
        """All images below `root`, by class, then by path; with `skip_bad` the sound ones."""
        entries: list[Entry] = []
        for label, name in enumerate(names):
            paths = self._found(root / name)
            if self._skip_bad:
                paths = self._sound(paths)
                if not paths:
                    raise UserError(
                        f"no image in class folder {str(root / name)!r} can be read; mend some or "
                        "remove the folder"
                    )
            entries += [Entry(Path(path).relative_to(root).as_posix(), label) for path in paths]
        return entries

    def leave_out_others(self, folder: Path, listed: Mapping[str, str], by: Path) -> None:
        """Note how many images lie in a folder beside those that are ``listed`` in a file."""
        paths = _walk(str(folder), self._suffixes) if folder.is_dir() else ()
        here = {Path(path).relative_to(folder.parent).as_posix() for path in paths}
        if others := sorted(here - listed.keys()):
            images = plural(len(others), "image")
            self._unlisted.append(f"{images} left out that {by.name} does not list: {few(others)}")

    def listed(self, root: Path, classes: Mapping[str, str], names: Sequence[str]) -> list[Entry]:
        """The same of images that a list names, by their paths below `root` with their classes.

        Raises:
            UserError: some are missing or need a plugin; or of a class none can be read.
        """
        labels = {name: label for label, name in enumerate(names)}
        order = sorted(classes, key=lambda path: (labels[classes[path]], path.split("/")))
        files = [str(root / path) for path in order]
        if self._skip_bad:
            sound = set(self._sound(files))
            order = [path for path, file in zip(order, files, strict=True) if file in sound]
            if lost_all := sorted(set(names) - {classes[path] for path in order}):
                raise UserError(
                    f"no image of class {lost_all[0]!r} below {str(root)!r} can be read; mend some "
                    "or remove the class"
                )
        elif missing := [file for file in files if not os.path.isfile(file)]:
            raise unusable([ImageError(repr(file), "is missing", _LISTED) for file in missing])
        elif others := closed(os.path.splitext(file)[1].lower() for file in files):
            raise UserError(
                f"below {str(root)!r} are listed files that Pillow does not open: "
                f"{described(others)}; install what opens them, convert them to PNG, or leave them "
                "out with --skip-bad-images"
            )
        return [Entry(path, labels[classes[path]]) for path in order]

    def _found(self, folder: Path) -> list[str]:
        """The images of a class.

        Raises:
            UserError: there are none, or more files that may be images and are not opened.
        """
        passed_over: Counter[str] = Counter()
        paths = list(_walk(str(folder), self._suffixes, passed_over))
        self._passed_over += passed_over
        others = {key: number for key, number in passed_over.items() if lost({key: number})}
        if lost(others) > len(paths):
            have = "no images" if not paths else f"only {plural(len(paths), 'image')}"
            raise UserError(
                f"class folder {str(folder)!r} has {have}, beside files that Pillow does not open: "
                f"{described(others)}; install what opens them, convert them to PNG, or move them "
                "elsewhere"
            )
        if not paths:
            raise UserError(
                f"class folder {str(folder)!r} has no images; add some or remove the folder"
            )
        return paths

    def _sound(self, paths: Sequence[str]) -> list[str]:
        """The files that can be read: decoded once, which the cache remembers."""

        def find() -> list[list[str]]:
            with ThreadPoolExecutor(self._workers) as threads:
                problems = threads.map(self._problem, paths)
                return [[*one.args] for one in problems if one is not None]

        try:
            content = [*_sizes_and_contents(paths), self.channels, largest_image()]
            found = recalled("bad-images", [list(paths), *content], find)
        except UserError:  # there are broken links
            found = find()
        bad = [ImageError(*args) for args in found]
        self.bad += bad
        named = {one.name for one in bad}
        return [path for path in paths if repr(path) not in named]

    def _problem(self, path: str) -> ImageError | None:
        """Why a file cannot be read; None if it can."""
        try:
            if self.channels in (None, 3) and not needs_bands(Path(path)):
                read_image(Path(path), depth=Depth(real=(0.0, 1.0)))
            else:
                read_bands(Path(path), self.channels)
        except ImageError as error:
            return error
        return None


def _named(file: str) -> tuple[Path, str]:
    """A file, and what messages call it."""
    return Path(file), repr(file)


def _labels(entries: Sequence[Entry]) -> Labels:
    return np.array([entry.label for entry in entries], dtype=np.int64)


def _files(root: Path, entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(str(root / entry.path) for entry in entries)


def _copies(train: Sequence[str], val: Sequence[str]) -> list[str]:
    """A note if many of the validation images are training images too, by digests of content."""
    trained = set(train) - {""}
    copies = sum(one in trained for one in val)
    if copies <= _COPIES * len(val):
        return []
    return [
        f"{copies:,} of the {len(val):,} validation images are training images too, so accuracies "
        "are too high; remove the copies"
    ]


def _fingerprint(
    names: Sequence[str],
    train: Sequence[Entry],
    val: Sequence[Entry],
    sizes: Sequence[int],
    contents: Sequence[str],
) -> str:
    sha = hashlib.sha256(json.dumps(["folder", 1, list(names), len(train)]).encode())
    for entry, size, content in zip((*train, *val), sizes, contents, strict=True):
        sha.update(json.dumps([entry.path, entry.label, size, content]).encode())
    return sha.hexdigest()


def _sizes_and_contents(files: Sequence[str]) -> tuple[list[int], list[str]]:
    """Bytes and digests of files; digests are empty where there is too much to read.

    Raises:
        UserError: some cannot be read; names them.
    """
    sizes, bad = [], []
    for file in files:
        try:
            sizes.append(os.path.getsize(file))
        except OSError as error:  # noqa: PERF203  a broken link
            bad.append(_missing(file, error))
    if bad:
        raise unusable(bad)
    if sum(sizes) > HASHED_BYTES:
        return sizes, [""] * len(files)
    try:
        return sizes, _content_digests(files)
    except OSError as error:
        raise _missing(str(error.filename), error) from error


def _missing(file: str, error: OSError) -> ImageError:
    return ImageError(repr(file), f"cannot be read ({error.strerror})", REMEDY)


def _content_digests(files: Sequence[str]) -> list[str]:
    # Hashing and reading both release the interpreter lock.
    with ThreadPoolExecutor() as threads:
        return list(threads.map(_content_digest, files))


def _content_digest(file: str) -> str:
    sha = hashlib.sha256()
    with open(file, "rb") as content:
        while block := content.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()


def shape(files: Iterable[File]) -> tuple[int | None, float | None]:
    """Median short side of images, in px, and median of the short over the long side.

    They are from headers; None if none can be read.
    """
    sizes = []
    for file in files:
        try:
            with quiet(), Image.open(file) as image:
                sizes.append(image.size)
        except Exception:  # noqa: PERF203  decoding reports an unreadable image
            continue
    if not sizes:
        return None, None
    aspect = statistics.median(min(size) / max(size) for size in sizes)
    return int(statistics.median(map(min, sizes))), aspect


def left_out(file: File, name: str, first: str = "") -> tuple[str, ...]:
    """A note if Pillow reads fewer channels of a TIFF file than are stored.

    Args:
        file: the encoded image.
        name: what the note calls it.
        first: what must be done before `--channels` can be given.
    """
    try:
        with quiet(), Image.open(file) as image:
            if not isinstance(image, TiffImageFile):
                return ()
            used, stored = len(image.getbands()), image.tag_v2.get(_SAMPLES, 1)
            if stored == 1 and image.n_frames > 1 and _size(image, 0) == _size(image, 1):
                stored = image.n_frames
    except Exception:  # decoding reports an unreadable image
        return ()
    if stored <= used:
        return ()
    remedy = "save all in one page" if stored == 3 else f"{first}give --channels {stored}"
    return (f"{used} of the {stored} channels of image {name} are used; {remedy} to train on them",)


def _size(image: TiffImageFile, page: int) -> tuple[int, int]:
    image.seek(page)
    return image.size
