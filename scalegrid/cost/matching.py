"""Which modules of a network are like which of another one of the same baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn


class Sample:
    """A network whose modules stand for those of deeper ones of the same width.

    ``names`` are the dotted names of its modules, the root (empty) first.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._makes: dict[object, int] = {}
        self._kinds = self._kinds_of(model)
        self.names = list(self._kinds)
        self._by_kind: dict[tuple[str, _Kind], str] = {}
        self._by_make: dict[tuple[str, int], str] = {}
        for name, kind in self._kinds.items():
            place = name.rpartition(".")[0]
            self._by_kind.setdefault((place, kind), name)
            self._by_make[place, kind.make] = name

    def twins(self, model: nn.Module) -> dict[str, str] | None:
        """For each module of ``model`` the one of the sample that is like it; None if one has none.

        That is the module of the same name. Of a numbered block it is one that is made of the same
        layers, preferably in the same run of equal blocks; if there is none, and the block holds
        numbered blocks itself, the one of the same name. Twins have equal layers, but may work on
        maps of another size where the sample lacks a run: `assembly` sees to that.
        """
        kinds = self._kinds_of(model)
        numbered = {name for name in kinds if name[-1:].isdigit()}
        holders = {above for name in numbered for above in _ancestors(name)}
        twins = {"": ""}
        for name in list(kinds)[1:]:
            parent, _, last = name.rpartition(".")
            place = twins[parent]
            same = f"{place}.{last}" if place else last
            found: str | None = same if same in self._kinds else None
            if name in numbered and (found is None or self._kinds[same] != kinds[name]):
                kind = kinds[name]
                alike = self._by_kind.get((place, kind)) or self._by_make.get((place, kind.make))
                found = alike or (found if name in holders else None)
            if found is None:
                return None
            twins[name] = found
        return twins

    def _kinds_of(self, model: nn.Module) -> dict[str, _Kind]:
        """The kind of each module, by dotted name, the root first."""
        makes: dict[str, int] = {}
        inside: dict[str, list[tuple[str, int]]] = {}
        for name, module in reversed(list(model.named_modules())):
            shapes = tuple(tuple(p.shape) for p in module.parameters(recurse=False))
            parts = tuple(inside.pop(name, ()))
            made = (type(module).__name__, module.extra_repr(), shapes, parts)
            makes[name] = self._makes.setdefault(made, len(self._makes))
            parent, _, last = name.rpartition(".")
            inside.setdefault(parent, []).append((last, makes[name]))
        kinds: dict[str, _Kind] = {}
        runs: Counter[tuple[str, int]] = Counter()
        before: dict[str, int] = {}
        for name, make in reversed(makes.items()):
            parent = name.rpartition(".")[0]
            runs[parent, make] += before.get(parent) != make
            before[parent] = make
            kinds[name] = _Kind(make, runs[parent, make])
        return kinds


class _Kind(NamedTuple):
    """What a module is made of (names, classes, settings, shapes), and in which run of equals."""

    make: int
    run: int


def _ancestors(name: str) -> Iterator[str]:
    """From the parent to the root, whose name is empty."""
    while name:
        name = name.rpartition(".")[0]
        yield name
