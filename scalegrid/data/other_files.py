"""Files beside the images of a folder: what is passed over, what is lost, what would open it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

from PIL import Image
from PIL.ImageFile import StubImageFile

from scalegrid.util.text import few

SYSTEM = frozenset(
    {
        *("lost+found", "system volume information", "$recycle.bin", "#recycle", "@eadir"),
        *("__macosx", "__pycache__", "thumbs.db", "desktop.ini", "icon\r"),
    }
)
"""Folders and files that systems make, in small letters; hidden ones are ignored too."""

BESIDE = frozenset(
    {
        *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".md"),
        *(".html", ".log", ".ini", ".db", ".sqlite", ".parquet", ".npy", ".npz", ".pkl", ".mat"),
        *(".h5", ".hdf5", ".py", ".ipynb", ".sh", ".pdf", ".lnk", ".url", ".md5", ".sha256"),
        *(".xmp", ".aae", ".cache", ".lock", ".bak", ".tmp", ".zip"),
    }
)
"""Endings of files that are expected to lie beside images; others may be images themselves."""

_PLUGINS = {
    "pillow_heif": ("pillow-heif", (".heic", ".heif", ".hif")),
    "pillow_avif": ("pillow-avif-plugin", (".avif",)),
    "pillow_jxl": ("pillow-jxl-plugin", (".jxl",)),
}
"""Modules that let Pillow open further formats: what to install, and endings."""


@cache
def register_plugins() -> None:
    """Let Pillow open all formats that installed plugins know."""
    for name in _PLUGINS:
        if importlib.util.find_spec(name):
            module = importlib.import_module(name)  # most register on import
            getattr(module, "register_heif_opener", lambda: None)()


@cache
def pillow_suffixes() -> frozenset[str]:
    """The file name endings of the formats that Pillow can open, in small letters."""
    register_plugins()
    return frozenset(
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and not _only_identified(kind)
    )


def _only_identified(kind: str) -> bool:
    """Whether Pillow knows a format, and needs a handler that is not there to decode it."""
    opener = Image.OPEN[kind][0]
    stub = isinstance(opener, type) and issubclass(opener, StubImageFile)
    handler = getattr(sys.modules[opener.__module__], "_handler", None)
    return kind == "MPEG" or (stub and handler is None)


def lost(passed_over: Mapping[str, int]) -> int:
    """How many files that may be images were passed over, of their number by ending."""
    return sum(number for suffix, number in passed_over.items() if suffix not in BESIDE)


def closed(suffixes: Iterable[str]) -> Counter[str]:
    """How often endings occur for which a plugin is missing."""
    opened = pillow_suffixes()
    return Counter(suffix for suffix in suffixes if _opener(suffix) and suffix not in opened)


def described(passed_over: Mapping[str, int]) -> str:
    """``11 .heic (pip install pillow-heif), 2 .txt``."""
    ordered = Counter(passed_over).most_common()
    return few(
        [f"{number} {suffix or 'without ending'}{_opener(suffix)}" for suffix, number in ordered]
    )


def note(passed_over: Mapping[str, int]) -> list[str]:
    """The sentence on files that were passed over, if any."""
    if not passed_over:
        return []
    return [f"files beside the images are passed over: {described(passed_over)}"]


def _opener(suffix: str) -> str:
    for package, suffixes in _PLUGINS.values():
        if suffix in suffixes:
            return f" (pip install {package})"
    return ""
