"""A network of one's own: any callable ``factory(depth, width, num_classes)``.

The name ``package.module:factory`` is looked up in the working directory and on the import path;
``folder/package.module:factory`` in that folder, so that a name alone, with the working directory,
finds the same factory in another process.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Hashable
from functools import cached_property, partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalegrid.baselines.modules import CLASSES, ModuleBaseline
from scalegrid.baselines.skeleton import skeleton
from scalegrid.baselines.staircase import Staircase
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.files import digest

if TYPE_CHECKING:
    from torch import nn

Factory = Callable[..., Any]


class FactoryBaseline(ModuleBaseline):
    """What a Python callable builds; its attribute ``resolution`` is the base resolution in px."""

    def __init__(self, name: str, factory: Factory) -> None:
        super().__init__(name)
        self._factory = factory
        self._depths = Staircase(lambda depth: self._structure(depth, 1.0))
        self._channels = Staircase(lambda width: self._structure(1.0, width))

    @property
    def resolution(self) -> int:
        """The factory's attribute ``resolution``.

        Raises:
            UserError: it has none, or one that is no number of px.
        """
        resolution = getattr(self._factory, "resolution", None)
        if resolution is None:
            raise UserError(
                f"{self.name} has no base resolution: give --resolution, or set "
                f"{self._attribute}.resolution to a number of px."
            )
        if type(resolution) is not int or resolution < 1:
            raise UserError(
                f"{self._attribute}.resolution of {self.name} is {resolution!r}; it must be a "
                "whole number of px."
            )
        return resolution

    @property
    def brief_resolution(self) -> int:
        """The same: one's own network is made for one's own images."""
        return self.resolution

    @cached_property
    def definition(self) -> Any:
        """The factory's name, its file without comments and layout, and what it builds unscaled."""
        return {
            "factory": self.name.rpartition("/")[2],
            "source": _source(self._factory),
            "structure": self._structure(1.0, 1.0),
        }

    def depths(self, depth: float) -> Hashable:
        """A digest of what is built at this depth and width 1."""
        return self._depths(depth)

    def channels(self, width: float) -> Hashable:
        """A digest of what is built at this width and depth 1."""
        return self._channels(width)

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """What the factory returns.

        Raises:
            UserError: it cannot be called so, raises, or returns no module; told in one sentence.
        """
        from torch import nn
        from torch.nn.parameter import is_lazy

        arguments = {"depth": depth, "width": width, "num_classes": num_classes}
        self._check_signature(arguments)
        try:
            model = self._factory(**arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # not all that extensions written in Rust raise is less
            raise UserError(
                f"{self.name} failed at depth {depth:g}, width {width:g}, {num_classes} classes: "
                f"{one_line(error)}."
            ) from error
        if not isinstance(model, nn.Module):
            raise UserError(
                f"{self.name} returned an object of type {type(model).__name__}; it must return a "
                "torch.nn.Module."
            )
        if any(is_lazy(parameter) for parameter in model.parameters()):
            raise UserError(
                f"{self.name} has lazy layers (torch.nn.Lazy…), whose size is not known before "
                "they run; use layers that are told how many inputs they have."
            )
        return model

    def _structure(self, depth: float, width: float) -> str:
        from scalegrid.baselines.introspection import structure

        return structure(skeleton(self, depth, width, CLASSES))

    def _check_signature(self, arguments: dict[str, Any]) -> None:
        try:
            signature = inspect.signature(self._factory)
        except ValueError:  # written in C: it must be tried
            return
        try:
            signature.bind(**arguments)
        except TypeError as error:
            raise UserError(
                f"{self.name} must be callable as factory(depth=…, width=…, num_classes=…), but "
                f"its signature is {signature}: {error}."
            ) from None

    def _sides(self) -> list[int]:
        given = getattr(self._factory, "resolution", None)
        own = [given] if isinstance(given, int) and given > 0 else []
        return list(dict.fromkeys([256, *own, 224, 128, 96, 64, 32]))

    @property
    def _attribute(self) -> str:
        return self.name.rpartition(":")[2]


def factory_baseline(name: str) -> FactoryBaseline:
    """The baseline of a name ``[folder/]package.module:factory``.

    Raises:
        UserError: the module or the factory in it cannot be found or imported.
    """
    place, _, attribute = name.rpartition(":")
    folder, _, module_name = place.rpartition("/")
    if not module_name or not attribute:
        raise UserError(f"{name!r} is no factory: write package.module:factory.")
    module = _import(name, module_name, folder)
    factory: Any = module
    try:
        for part in attribute.split("."):
            factory = getattr(factory, part)
    except AttributeError:
        where = _file(module) or "no file"
        raise UserError(
            f"{name}: the module {module_name} ({where}) has no {attribute!r}."
        ) from None
    if not callable(factory):
        raise UserError(f"{name}: {attribute} is not callable, but a {type(factory).__name__}.")
    return FactoryBaseline(name, factory)


def beside(name: str, folder: Path) -> str:
    """``name`` with ``folder`` put before it if the module is there and not where it stands.

    A specification may name a factory that lies beside it; the result can be looked up from the
    working directory alone.
    """
    place, _, attribute = name.rpartition(":")
    if "/" in place or not place:
        return name
    top = place.partition(".")[0]
    if _found(top, [str(Path.cwd()), *sys.path]) or not _found(top, [str(folder)]):
        return name
    return f"{folder.as_posix()}/{place}:{attribute}"


def _found(top: str, path: list[str]) -> bool:
    """Whether ``path`` has a module or package ``top``; a mere folder of that name is none."""
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(top, path)
    return spec is not None and spec.origin is not None


def _import(name: str, module_name: str, folder: str) -> Any:
    """Import ``module_name`` with ``folder`` (or the working directory) first on the path."""
    search = Path(folder or ".").resolve()
    if folder and not search.is_dir():
        raise UserError(f"{name}: there is no folder {folder}.")
    if str(search) not in sys.path:
        sys.path.insert(0, str(search))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if not module_name.startswith(missing):
            raise UserError(f"{name}: {module_name} needs {missing}, which is missing.") from None
        raise UserError(
            f"{name}: there is no module {missing} in {search} or on the import path."
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's module may raise anything
        raise UserError(
            f"{name}: importing {module_name} failed with {one_line(error)}."
        ) from error
    origin = Path(_file(module) or "").resolve()
    if folder and not origin.is_relative_to(search):
        raise UserError(
            f"{name}: another module called {module_name} is loaded already ({origin}); rename one."
        )
    return module


def _file(module: Any) -> str | None:
    """Where a module comes from; one that is built into Python has no file, nor has a folder."""
    return getattr(module, "__file__", None)


def _source(factory: Factory) -> str:
    """A digest of the file that defines ``factory``, comments and layout left out."""
    target: Any = inspect.unwrap(factory)
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
