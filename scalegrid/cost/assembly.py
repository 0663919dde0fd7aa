"""The costs of many networks of a baseline, assembled from few that are built.

Layers of one stage repeat, and the size of a feature map depends on the pixels alone. So a short
network is built at each width, for the shapes of its layers; one is traced at each resolution, for
its output positions; and each depth is built once, for how often it has each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalegrid.baselines import Baseline
from scalegrid.cost.counting import counted_layers
from scalegrid.cost.matching import Sample

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import nn

Build = Callable[[float, float], "nn.Module"]
"""Takes depth and width; a network for its shapes alone."""

Trace = Callable[["nn.Module", int], dict[str, int]]
"""Takes a network and px; the output positions of each layer (see `counting`)."""

IntArray = NDArray[np.int64]


class Assembly:
    """Remembers what it built, so that tables of one baseline share it.

    Args:
        baseline: the network at φ = 0.
        build: builds it at a depth and a width.
        trace: counts output positions.
    """

    def __init__(self, baseline: Baseline, build: Build, trace: Trace) -> None:
        self._baseline, self._build, self._trace = baseline, build, trace
        self._modules: dict[Hashable, tuple[str, ...]] = {}
        self._groups: dict[tuple[str, ...], _Group] = {}

    def table(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> IntArray | None:
        """(D, W, P, 3) costs as in `counting.Cost`, or None where modules cannot be matched.

        Networks of some widths may have layers that others lack (a shortcut where channels
        change), so widths are taken together by the names and classes of their modules.
        """
        table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
        columns_of: dict[tuple[str, ...], list[int]] = {}
        for column, modules in enumerate(self._modules_of(widths)):
            columns_of.setdefault(modules, []).append(column)
        for modules, columns in columns_of.items():
            some = [widths[column] for column in columns]
            group = self._group(modules, depths, some[0], resolutions[0])
            part = None if group is None else group.table(depths, some, resolutions)
            if part is None:
                return None
            table[:, columns] = part
        return table

    def _modules_of(self, widths: Sequence[float]) -> list[tuple[str, ...]]:
        """The modules of the unscaled depth at each width, by name and class.

        Where the first and the last width have the same, all are taken to (`_Group` checks it).
        """
        first, last = (self._modules_at(width) for width in (widths[0], widths[-1]))
        return [first if first == last else self._modules_at(width) for width in widths]

    def _modules_at(self, width: float) -> tuple[str, ...]:
        key = self._baseline.channels(width)
        if key not in self._modules:
            self._modules[key] = _modules(self._build(1.0, width))
        return self._modules[key]

    def _group(
        self, modules: tuple[str, ...], depths: Sequence[float], width: float, probe: int
    ) -> _Group | None:
        """Networks with these modules, with a sample that the deepest matches."""
        deepest = max(depths)
        known = self._groups.get(modules)
        if known is not None and known.depth(deepest) is not None:
            return known
        # A short network that has every kind of block: first blocks of a stage and repeats.
        for depth in sorted(depths)[min(1, len(depths) - 1) :]:
            group = _Group(self._baseline, self._build, self._trace, depth, width, probe)
            if group.depth(deepest) is not None:
                self._groups[modules] = group
                return group
        return None


class _Depth(NamedTuple):
    """A network of one depth: ``copies`` (S,) says how often it has each sampled module.

    ``other`` is the network and its matches, if its maps are not those of the sample.
    """

    copies: IntArray
    other: tuple[nn.Module, dict[str, str]] | None


class _Group:
    """Networks of all depths, and of those widths at which they have the same modules.

    Args:
        baseline: the network at φ = 0.
        build: as of `Assembly`.
        trace: likewise.
        depth: of the sample, whose S modules stand for those of all others.
        width: of the sample.
        probe: a resolution in px, at which the maps of each depth are compared with the sample's.
    """

    def __init__(
        self, baseline: Baseline, build: Build, trace: Trace, depth: float, width: float, probe: int
    ) -> None:
        self._baseline, self._build, self._trace = baseline, build, trace
        self._depth, self._width, self._probe = depth, width, probe
        self._sample = Sample(build(depth, width))
        self._modules = _modules(self._sample.model)
        self._index = {name: i for i, name in enumerate(self._sample.names)}
        self._depths: dict[Hashable, _Depth | None] = {}
        self._shapes: dict[Hashable, IntArray | None] = {}
        self._positions: dict[int, IntArray] = {}

    def table(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> IntArray | None:
        """As `Assembly.table`."""
        built = [one for one in map(self.depth, depths) if one is not None]
        shapes = [one for one in map(self._shapes_at, widths) if one is not None]
        if len(built) < len(depths) or len(shapes) < len(widths):
            return None
        copies = np.array([one.copies for one in built])  # (D, S)
        weights, params, outputs = np.array(shapes).transpose(1, 0, 2)  # (W, S) each
        positions = np.array([self._positions_of(one, resolutions) for one in built])  # (D, S, P)
        flops, activations = weights @ positions, outputs @ positions
        every_side = np.broadcast_to((copies @ params.T)[:, :, None], flops.shape)
        return np.stack([flops, every_side, activations], axis=-1)

    def depth(self, depth: float) -> _Depth | None:
        """What a network of this depth consists of; None if a module matches none sampled."""
        key = self._baseline.depths(depth)
        if key not in self._depths:
            model = self._build(depth, self._width)
            matches = self._sample.match(model)
            self._depths[key] = None if matches is None else self._compared(model, matches)
        return self._depths[key]

    def _compared(self, model: nn.Module, matches: dict[str, str]) -> _Depth:
        copies = self._sum(dict.fromkeys(matches, 1), matches)
        own = self._sum(self._trace(model, self._probe), matches)
        same = (own == copies * self._positions_at(self._probe)).all()
        return _Depth(copies, None if same else (model, matches))

    def _positions_of(self, depth: _Depth, resolutions: Sequence[int]) -> IntArray:
        """(S, P) output positions of all that matches each sampled module, at this depth."""
        if depth.other is None:
            positions = [depth.copies * self._positions_at(px) for px in resolutions]
        else:
            model, matches = depth.other
            positions = [self._sum(self._trace(model, px), matches) for px in resolutions]
        return np.stack(positions, axis=-1)

    def _positions_at(self, resolution: int) -> IntArray:
        """(S,) output positions of the sample's counted layers."""
        if resolution not in self._positions:
            traced = self._trace(self._sample.model, resolution)
            self._positions[resolution] = np.array([traced.get(name, 0) for name in self._index])
        return self._positions[resolution]

    def _shapes_at(self, width: float) -> IntArray | None:
        """(3, S) weights that FLOPs count, parameters, and output channels of each module."""
        key = self._baseline.channels(width)
        if key not in self._shapes:
            self._shapes[key] = self._measure(self._build(self._depth, width))
        return self._shapes[key]

    def _measure(self, model: nn.Module) -> IntArray | None:
        if _modules(model) != self._modules:
            return None
        shapes = np.zeros((3, len(self._index)), dtype=np.int64)
        for name, layer in counted_layers(model):
            shapes[0, self._index[name]] = layer.weight.numel()
            shapes[2, self._index[name]] = layer.weight.shape[0]
        for name, module in model.named_modules():
            shapes[1, self._index[name]] = sum(p.numel() for p in module.parameters(recurse=False))
        return shapes

    def _sum(self, amounts: dict[str, int], matches: dict[str, str]) -> IntArray:
        """(S,) amounts of a network's modules, summed over those that match each sampled one."""
        total = np.zeros(len(self._index), dtype=np.int64)
        for name, amount in amounts.items():
            total[self._index[matches[name]]] += amount
        return total


def _modules(model: nn.Module) -> tuple[str, ...]:
    """The names of the modules with their classes."""
    return tuple(f"{name}: {type(module).__name__}" for name, module in model.named_modules())
