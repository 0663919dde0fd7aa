"""A disk that fails at one moment: it stands in for `scalegrid.util.disk`, call by call."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast
from unittest import mock

from scalegrid.util import disk

Kind = Literal["full", "denied", "torn", "kill", "lost", "garbled"]

CALLS = (
    *("opened", "sync", "truncate", "rename", "remove", "remove_folder", "make_folder"),
    "sync_folder",
)
"""Functions of the disk that can fail; each ``write`` to a file is a call too."""

_FREEING = ("truncate", "remove", "remove_folder")  # which a full disk allows

KINDS: dict[Kind, Callable[[str], bool]] = {
    "full": lambda call: call not in _FREEING,
    "denied": lambda call: True,
    "torn": lambda call: call == "write",
    "kill": lambda call: True,
    "lost": lambda call: True,
    "garbled": lambda call: True,
}
"""What happens, and at which calls it can.

full: from this call on there is no space; what a write has room for is written
denied: this one call is not permitted
torn: half of the bytes are written, and the process is gone
kill: the process is gone
lost: the power is cut, and contents and names that were not synced are as they were before
garbled: the power is cut, and names are those of the moment, contents not synced are zeros
"""


class Gone(BaseException):
    """The process has ended: nothing that it does from here on reaches the disk."""


@dataclass
class _Node:
    """A file or folder: what it holds now, and what it holds after a loss of power."""

    content: bytes | None = None  # of a file, as last synced; None of a folder
    names: dict[str, _Node] = field(default_factory=dict)  # of a folder
    kept: dict[str, _Node] = field(default_factory=dict)


class FaultyDisk:
    """What is done under ``root``, counted from 0; at the call ``at`` it fails by its kind.

    ``calls`` are the names of those made so far, ``gone`` says whether the process has ended.
    """

    def __init__(self, root: Path, kind: Kind | None = None, at: int = -1) -> None:
        self.root, self.kind, self.at = root, kind, at
        self.calls: list[str] = []
        self.gone = False
        self._tree = _seen(root)
        self._real: dict[str, Any] = {name: getattr(disk, name) for name in CALLS}

    def cut_power(self) -> None:
        """Leave under ``root`` what a loss of power leaves."""
        kept = self.kind == "lost"
        left = _left(self._tree, self.root, kept)
        shutil.rmtree(self.root)
        _write(left, self.root)

    def call(self, name: str, *arguments: Any) -> Any:
        """Do what the disk does, or fail."""
        path = _path(arguments[0])
        if not path.is_relative_to(self.root):
            return self._real[name](*arguments)
        self.count(name)
        if name == "opened":
            return self._opened(*arguments)
        result = self._real[name](*arguments)
        getattr(self, f"_{name}", lambda *_: None)(*arguments)
        return result

    def count(self, name: str) -> bool:
        """Note a call, and fail it if it is its turn; whether a write is to be torn."""
        number = len(self.calls)
        self.calls.append(name)
        if self.gone:
            raise Gone
        if self.kind == "full" and 0 <= self.at <= number and name not in _FREEING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if number != self.at:
            return False
        if self.kind == "denied":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.gone = True
        raise Gone

    def _node(self, path: Path) -> _Node:
        node = self._tree
        for name in path.relative_to(self.root).parts:
            node = node.names[name]
        return node

    def _opened(self, path: Path, mode: str) -> BinaryIO:
        file = cast(BinaryIO, io.BufferedWriter(_Raw(self, path, mode)))
        self._node(path.parent).names.setdefault(path.name, _Node(b""))
        return file

    def _sync(self, file: BinaryIO) -> None:
        path = Path(file.name)
        self._node(path).content = path.read_bytes()

    def _rename(self, old: Path, new: Path) -> None:
        node = self._node(old.parent).names.pop(old.name)
        self._node(new.parent).names[new.name] = node

    def _remove(self, path: Path) -> None:
        self._node(path.parent).names.pop(path.name, None)

    _remove_folder = _remove

    def _make_folder(self, folder: Path) -> None:
        self._node(folder.parent).names.setdefault(folder.name, _Node())

    def _sync_folder(self, folder: Path) -> None:
        node = self._node(folder)
        node.kept = dict(node.names)


class _Raw(io.FileIO):
    """A file whose writes count; those of a process that is gone have no effect."""

    def __init__(self, owner: FaultyDisk, path: Path, mode: str) -> None:
        super().__init__(str(path), mode)
        self._owner = owner

    def write(self, data: Any) -> int:
        """Write, or fail; a write that does not fit writes half."""
        owner = self._owner
        if owner.gone:
            return len(data)  # of a buffer that is closed late
        try:
            owner.count("write")
        except (OSError, Gone):
            if owner.kind in ("torn", "full") and len(owner.calls) - 1 == owner.at:
                super().write(bytes(data)[: len(data) // 2])
            raise
        return super().write(data)


@contextmanager
def faulty(root: Path, kind: Kind | None = None, at: int = -1) -> Iterator[FaultyDisk]:
    """Let the disk under ``root`` fail at a call; `Gone` ends here, and the power is cut."""
    faulty = FaultyDisk(root, kind, at)

    def stand_in(name: str) -> Callable[..., Any]:
        return lambda *arguments: faulty.call(name, *arguments)

    with ExitStack() as patches:
        for name in CALLS:
            patches.enter_context(mock.patch.object(disk, name, stand_in(name)))
        try:
            yield faulty
        except Gone:
            assert faulty.gone
    if kind in ("lost", "garbled"):
        faulty.cut_power()


def _path(target: Any) -> Path:
    return target if isinstance(target, Path) else Path(target.name)


def _seen(path: Path) -> _Node:
    """All that is there, as if it had been synced."""
    if path.is_dir():
        names = {one.name: _seen(one) for one in path.iterdir()}
        return _Node(names=names, kept=dict(names))
    return _Node(path.read_bytes())


def _left(node: _Node, path: Path, kept: bool) -> Any:
    """Contents by names; ``path`` is where those of now are."""
    if node.content is None:
        names = node.kept if kept else node.names
        return {name: _left(one, path / name, kept) for name, one in names.items()}
    if kept:
        return node.content
    now = path.read_bytes()
    known = len(node.content) if now.startswith(node.content) else 0
    return now[:known] + bytes(len(now) - known)


def _write(left: Any, path: Path) -> None:
    if isinstance(left, bytes):
        path.write_bytes(left)
        return
    path.mkdir()
    for name, one in left.items():
        _write(one, path / name)
