"""Matching modules: which modules of a network equal which of another one of the same baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn


class _Kind(NamedTuple):
    """A number for what a module consists of (names, classes, settings, shapes), and its run."""

    content: int
    run: int


class Sample:
    """A network whose modules stand for those of deeper networks of the same width.

    ``names`` are the dotted names of its modules, the root (empty) first.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._contents: dict[object, int] = {}
        self._kinds = self._kinds_of(model)
        self.names = list(self._kinds)
        self._by_kind: dict[tuple[str, _Kind], str] = {}
        self._by_content: dict[tuple[str, int], str] = {}
        for name, kind in self._kinds.items():
            parent = name.rpartition(".")[0]
            self._by_kind.setdefault((parent, kind), name)
            self._by_content[parent, kind.content] = name

    def match(self, model: nn.Module) -> dict[str, str] | None:
        """The sampled module that each module of ``model`` matches; None if one matches none.

        That is the module of the same name. A numbered block matches one of equal content,
        preferably in the same run of equal blocks; if there is none, and the block holds numbered
        blocks itself, the one of the same name. Matching modules have equal layers, but their maps
        may differ in size where the sample lacks a run: `assembly` compares those.
        """
        kinds = self._kinds_of(model)
        numbered = {name for name in kinds if name[-1:].isdigit()}
        holders = {above for name in numbered for above in _ancestors(name)}
        matches = {"": ""}
        for name in list(kinds)[1:]:
            parent, _, last = name.rpartition(".")
            within = matches[parent]
            same = f"{within}.{last}" if within else last
            found: str | None = same if same in self._kinds else None
            if name in numbered and (found is None or self._kinds[same] != kinds[name]):
                kind = kinds[name]
                equal = self._by_kind.get((within, kind))
                equal = equal or self._by_content.get((within, kind.content))
                found = equal or (found if name in holders else None)
            if found is None:
                return None
            matches[name] = found
        return matches

    def _kinds_of(self, model: nn.Module) -> dict[str, _Kind]:
        """The kind of each module, by dotted name, the root first."""
        contents: dict[str, int] = {}
        inside: dict[str, list[tuple[str, int]]] = {}
        for name, module in reversed(list(model.named_modules())):
            shapes = tuple(tuple(p.shape) for p in module.parameters(recurse=False))
            parts = tuple(inside.pop(name, ()))
            content = (type(module).__name__, module.extra_repr(), shapes, parts)
            contents[name] = self._contents.setdefault(content, len(self._contents))
            parent, _, last = name.rpartition(".")
            inside.setdefault(parent, []).append((last, contents[name]))
        kinds: dict[str, _Kind] = {}
        runs: Counter[tuple[str, int]] = Counter()
        before: dict[str, int] = {}
        for name, number in reversed(contents.items()):
            parent = name.rpartition(".")[0]
            runs[parent, number] += before.get(parent) != number
            before[parent] = number
            kinds[name] = _Kind(number, runs[parent, number])
        return kinds


def _ancestors(name: str) -> Iterator[str]:
    """From the parent to the root, whose name is empty."""
    while name:
        name = name.rpartition(".")[0]
        yield name
