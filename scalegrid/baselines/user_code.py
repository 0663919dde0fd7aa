"""Where a user's own code is, and whether it has changed since it was loaded; needs no torch.

The name ``package.module:factory`` is searched in the working directory and on the import path;
``folder/package.module:factory`` in that folder. A name and the working directory are enough to
find the same factory in another process.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from hashlib import sha256
from importlib.machinery import PathFinder
from operator import attrgetter
from pathlib import Path
from typing import Any

from scalegrid.util.errors import UserError, one_line
from scalegrid.util.files import digest
from scalegrid.util.processes import staying
from scalegrid.util.text import did_you_mean, few

Loaded = dict[str, tuple[str, str]]
"""The file of each module, and what tells whether it is still the same."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})

_CLOCK = 0.1
"""Seconds by which the times of files may be behind the clock."""


def beside(name: str, folder: Path) -> str:
    """``name`` with ``folder`` before it, if the module is there and not on the import path.

    A specification may name a factory beside it; the result is found from the working directory.
    """
    own, module_name, _ = split(name)
    top = module_name.partition(".")[0]
    if own or not top:
        return name
    if _exists(top, [str(Path.cwd()), *sys.path]) or not _exists(top, [str(folder)]):
        return name
    return f"{folder.as_posix()}/{name}"


def split(name: str) -> tuple[str, str, str]:
    """Folder, module and attribute of a factory's name; what it does not have is empty."""
    path, _, attribute = name.rpartition(":")
    folder, _, module_name = path.rpartition("/")
    return folder, module_name, attribute


def search_folder(name: str) -> Path:
    """The folder in which a factory's name is searched first."""
    return Path(split(name)[0] or ".").resolve()


def _exists(top: str, path: list[str]) -> bool:
    """Whether ``path`` has a module or package ``top``; a mere folder of that name is none."""
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(top, path)
    return spec is not None and spec.origin is not None


def imported(name: str) -> Any:
    """The module of a factory's name.

    Raises:
        UserError: it cannot be found or imported.
    """
    (folder, module_name, _), search = split(name), search_folder(name)
    if folder and not search.is_dir():
        raise UserError(f"{name}: there is no folder {folder}.")
    _searched(search)
    try:
        with staying():
            module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's module may raise anything
        problem = f"importing {module_name} failed with {one_line(error)}"
        if isinstance(error, ModuleNotFoundError):
            missing = error.name or module_name
            problem = f"{module_name} needs {missing}, which is missing"
            if module_name.startswith(missing):
                problem = f"there is no module {missing} in {search} or on the import path"
                file, _, attribute = name.rpartition(":")
                if file.endswith(".py") and Path(file).is_file():
                    problem += f"; say {file.removesuffix('.py')}:{attribute}"
        raise UserError(f"{name}: {problem}.") from error
    origin = Path(file_of(module) or "").resolve()
    if folder and not origin.is_relative_to(search):
        raise UserError(
            f"{name}: another module called {module_name} is loaded already ({origin}); rename one."
        )
    return module


def attribute_of(name: str, kind: str) -> Callable[..., Any]:
    """The callable of a name; ``kind`` says what it should be, such as a ``factory``.

    Raises:
        UserError: the module or the callable in it cannot be found or imported.
    """
    _, module_name, attribute = split(name)
    if not module_name or not attribute:
        raise UserError(f"{name!r} is no {kind}: write package.module:{kind}.")
    module = imported(name)
    try:
        found = attrgetter(attribute)(module)
    except AttributeError:
        where = f"the module {module_name} ({file_of(module) or 'no file'})"
        there = {k: value for k, value in vars(module).items() if k[0] != "_" and callable(value)}
        own = [k for k in there if getattr(there[k], "__module__", None) == module.__name__]
        hint = did_you_mean(attribute, there, f"it defines {few(own) if own else 'no function'}.")
        raise UserError(f"{name}: {where} has no {attribute!r}; {hint}") from None
    if not callable(found):
        raise UserError(
            f"{name}: {attribute} is not callable, but an object of type {type(found).__name__}."
        )
    called: Callable[..., Any] = found
    return called


def source_digest(function: Callable[..., Any]) -> str:
    """A digest of the file that defines a callable, without comments and layout."""
    target: Any = inspect.unwrap(function)
    while isinstance(target, partial):
        target = target.func
    if not (inspect.isroutine(target) or inspect.isclass(target)):
        target = type(target)
    try:
        path = inspect.getsourcefile(target)
        text = Path(path or "").read_text(encoding="utf-8")
        return digest(ast.unparse(ast.parse(text)))
    except (OSError, TypeError, ValueError, SyntaxError):
        return ""


def _searched(folder: Path) -> None:
    """From now on modules are searched in ``folder``, before all others if it is new."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def file_of(module: Any) -> str | None:
    """Where a module comes from; modules built into Python, and folders, have no file."""
    return getattr(module, "__file__", None)


@cache
def start() -> tuple[float, frozenset[str]]:
    """When this was first called, and the modules that were loaded by then."""
    return time.time(), frozenset(sys.modules)


def loaded() -> Loaded | None:
    """The user's modules that are loaded now, and the libraries; None if they may have changed.

    The user's own must have been loaded since `start`, from files that had not changed since then.
    """
    began, before = start()
    found: Loaded = {}
    for name, file in _modules():
        own = not is_library(file)
        try:
            if own and (name in before or _changed(file) > began - _CLOCK):
                return None
            if own or "." not in name:
                found[name] = str(file), _mark(file)
        except OSError:
            return None
    return found


def unchanged(name: str, modules: Loaded | None) -> bool:
    """Whether a factory's name would load the same ``modules``, from files that are the same."""
    if modules is None:
        return False
    _searched(search_folder(name))
    try:
        return all(
            _place(module, Path(file)) == file and _mark(Path(file)) == mark
            for module, (file, mark) in modules.items()
        )
    except (OSError, ImportError, ValueError):
        return False


def _modules() -> Iterator[tuple[str, Path]]:
    """Modules of others than scalegrid that are loaded from files, by the names they are found."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None or spec.name != name or name.partition(".")[0] == "scalegrid":
            continue
        if spec.has_location and Path(spec.origin or "").is_file():
            yield name, Path(spec.origin)


def _place(module: str, file: Path) -> str | None:
    """Where ``module``, once loaded from ``file``, is found now; nothing is imported."""
    spec: Any
    if "." in module:
        folder = file.parent.parent if file.stem == "__init__" else file.parent
        spec = PathFinder.find_spec(module, [str(folder)])
    else:
        spec = importlib.util.find_spec(module)
    return None if spec is None else str(spec.origin)


def _changed(file: Path) -> float:
    stat = file.stat()
    return max(stat.st_ctime, stat.st_mtime)


def _mark(file: Path) -> str:
    """A digest of a user's own file; time and size of a library's."""
    if is_library(file):
        stat = file.stat()
        return f"{stat.st_mtime_ns} {stat.st_size}"
    return sha256(file.read_bytes()).hexdigest()


def is_library(file: Path) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    standard = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return not _INSTALLED.isdisjoint(file.parts) or any(map(file.is_relative_to, standard))
