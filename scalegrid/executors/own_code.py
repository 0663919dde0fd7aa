"""What machines without this one's disk need of a user's own code and definitions of networks.

A specification names YAML files, ``[folder/]package.module:factory`` and a trainer. They are copied
into one folder, in which a worker on another machine finds them by the same names, or by others.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from scalegrid.baselines.registry import is_definition, is_factory
from scalegrid.baselines.user_code import is_library, split
from scalegrid.spec import SweepSpec
from scalegrid.util import disk
from scalegrid.util.errors import UserError

MOST = 100 * 2**20
"""Bytes of code that travel; Ray itself refuses more than 500 MiB."""

_OUTSIDE = "outside"


@dataclass(frozen=True)
class Own:
    """What a name in a specification stands for.

    Attributes:
        name: as the specification has it.
        there: the name by which the copy is found from the folder of the copies.
        file: what it names here: a definition, or the file of a module or a package.
        copy: the same below the folder of the copies.
    """

    name: str
    there: str
    file: Path
    copy: Path


def own_code(spec: SweepSpec) -> list[Own]:
    """What of a specification is a user's own, and is not installed as a package is."""
    found = []
    if is_definition(spec.baseline):
        folder, name = _kept(Path(spec.baseline).parent), Path(spec.baseline).name
        copy = folder / name
        found.append(Own(spec.baseline, copy.as_posix(), Path(spec.baseline).absolute(), copy))
    elif is_factory(spec.baseline) and (one := _module(spec.baseline)):
        found.append(one)
    if spec.trainer is not None and (one := _module(spec.trainer)):
        found.append(one)
    return found


def copied(some: list[Own], into: Path) -> None:
    """Copy what is a user's own to another folder: definitions, and modules with those beside them.

    Of a module's folder its other modules and its packages go along, and no other file.

    Raises:
        UserError: it is too large to travel.
    """
    for one in some:
        target = (into / one.copy).parent
        if is_definition(one.name):
            disk.make_folders(target)
            shutil.copy(one.file, target)
            continue
        if one.file.name == "__init__.py":
            target = target.parent
        root = _root(one.file)
        size = 0
        for file in _code(root):
            size += file.stat().st_size
            if size > MOST:
                raise UserError(
                    f"the modules and packages in {root}, which would travel to the nodes with "
                    f"{one.name}, take more than {MOST >> 20} MiB; keep the module in a folder of "
                    "its own."
                )
            copy = target / file.relative_to(root)
            disk.make_folders(copy.parent)
            shutil.copy(file, copy)


def _module(name: str) -> Own | None:
    """The module of a name; None if it belongs to an installed package, or is not there."""
    folder, module, attribute = split(name)
    top = module.partition(".")[0]
    found = PathFinder.find_spec(top, [str(Path(folder or ".").absolute()), *sys.path])
    if found is None or found.origin is None:
        return None
    file = Path(found.origin).absolute()
    if is_library(file):
        return None
    kept = _kept(Path(folder)) if folder else Path()
    there = f"{kept.as_posix()}/" if folder and kept != Path() else ""
    copy = kept / file.relative_to(_root(file))
    return Own(name, f"{there}{module}:{attribute}", file, copy)


def _kept(folder: Path) -> Path:
    """A folder below that of the copies: the same if it is below the working directory."""
    inside = not folder.is_absolute() and ".." not in folder.parts
    return folder if inside else Path(_OUTSIDE)


def _root(file: Path) -> Path:
    """The folder that a module or a package is in."""
    return file.parent.parent if file.name == "__init__.py" else file.parent


def _code(root: Path) -> Iterator[Path]:
    """The modules of a folder, and all files of its packages."""
    for path in sorted(root.iterdir()):
        if path.suffix == ".py" and path.is_file():
            yield path
        elif (path / "__init__.py").is_file():
            for file in sorted(path.rglob("*")):
                if "__pycache__" not in file.parts and file.is_file():
                    yield file
