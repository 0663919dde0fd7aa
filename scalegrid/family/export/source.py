"""Values as Python source, laid out as Black and Ruff do, with the imports that it needs."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from scalegrid.baselines.construction import Call

WIDTH = 88
"""Columns of a line, as formatters have by default."""

PUBLIC = ("torch.nn", "timm.layers", "timm.models")
"""Modules that are asked for a name before the one that defines it; the first is ``nn``."""


class UnwritableError(Exception):
    """A value that has no source; the message says what it is."""


class Brackets(NamedTuple):
    """What is between brackets: items, each with what stands before it, such as ``key=``."""

    opening: str
    items: list[tuple[str, Source]]
    closing: str


Source = str | Brackets


class Writer:
    """Writes values, and remembers what they need.

    ``imports`` are pairs of a module and a name; ``repeats`` says whether the source calls
    ``_times(number, settings)``, which is to return so many copies in a list.
    """

    def __init__(self, own: Callable[[str], str | None] = lambda module: None) -> None:
        """With what modules are replaced by, such as a copy of the module beside the source."""
        self.imports: set[tuple[str, str]] = set()
        self.repeats = False
        self._own = own

    def source(self, value: Any) -> Source:
        """The source of a value.

        Raises:
            UnwritableError: it has none, as a module of torch has not.
        """
        if value is None or isinstance(value, bool | int):
            return repr(value)
        if isinstance(value, float):
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        if isinstance(value, Enum):
            return f"{self.name(type(value))}.{value.name}"
        if isinstance(value, str):
            return quoted(value)
        if isinstance(value, list):
            return Brackets("[", list(self._items(value)), "]")
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return self._call(type(value), (), value._asdict())
        if isinstance(value, tuple):
            return Brackets("(", [("", self.source(item)) for item in value], ")")
        if isinstance(value, dict):
            pairs = ((f"{self.flat(key)}: ", self.source(item)) for key, item in value.items())
            return Brackets("{", list(pairs), "}")
        if isinstance(value, Call):
            return self._call(value.function, value.arguments, value.settings)
        if isinstance(value, partial):
            self.imports.add(("functools", "partial"))
            inner = self._call(value.func, value.args, value.keywords)
            name = inner.opening.removesuffix("(")
            return Brackets("partial(", [("", name), *inner.items], ")")
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._call(type(value), (), dict(_given(value)))
        return self.name(value)

    def flat(self, value: Any) -> str:
        """The source of a value in one line."""
        return flat(self.source(value))

    def name(self, value: Any) -> str:
        """The name of a class or function, which is imported from where it is found."""
        home, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if home is None or name is None or not _is_at(value, home, name):
            kind = type(value).__name__ if name is None else name
            raise UnwritableError(f"{kind} of {home}" if name else f"an object of type {kind}")
        if home == "builtins":
            return str(name)
        top = name.partition(".")[0]
        public = next((module for module in PUBLIC if _is_at(value, module, name)), home)
        if public == "torch.nn":
            self.imports.add(("torch", "nn"))
            return f"nn.{name}"
        self.imports.add((self._own(home) or public, top))
        return str(name)

    def _call(self, function: Any, arguments: Iterable[Any], settings: dict[str, Any]) -> Brackets:
        items = [("", self.source(value)) for value in arguments]
        items += [(f"{key}=", self.source(value)) for key, value in settings.items()]
        return Brackets(f"{self.name(function)}(", items, ")")

    def _items(self, values: list[Any]) -> Iterator[tuple[str, Source]]:
        """Of a list, where equal dicts in a row are written once."""
        for value, run in groupby(values):
            number = len(list(run))
            if number > 1 and isinstance(value, dict):
                self.repeats = True
                items: list[tuple[str, Source]] = [("", str(number)), ("", self.source(value))]
                yield "*", Brackets("_times(", items, ")")
            else:
                yield from [("", self.source(value))] * number


def _given(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a data class that do not have their default."""
    for field in dataclasses.fields(value):
        own = getattr(value, field.name)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING or own != default:
            yield field.name, own


def _is_at(value: Any, module: str, name: str) -> bool:
    """Whether ``value`` is what a module calls ``name``, which may have dots."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def quoted(text: str) -> str:
    """A string as formatters write it: between double quotes unless that needs more escapes."""
    written = repr(text)
    plain = written.startswith("'") and '"' not in text and "\\" not in written
    return f'"{text}"' if plain else written


def flat(source: Source) -> str:
    """Source in one line."""
    if isinstance(source, str):
        return source
    inner = ", ".join(before + flat(item) for before, item in source.items)
    comma = "," if source.opening == "(" and len(source.items) == 1 else ""
    return source.opening + inner + comma + source.closing


def laid_out(source: Source, indent: int, used: int, width: int = WIDTH) -> str:
    """Source in as many lines as it needs.

    Args:
        source: what is written.
        indent: columns before the first line and the last.
        used: columns of the first line that are taken, with the indent.
        width: of a line.
    """
    line = flat(source)
    if isinstance(source, str) or used + len(line) < width:  # a comma may follow
        return line
    inside = indent + 4
    lines = [
        f"{inside * ' '}{before}{laid_out(item, inside, inside + len(before), width)},"
        for before, item in source.items
    ]
    return "\n".join([source.opening, *lines, indent * " " + source.closing])
