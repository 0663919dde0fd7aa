"""The costs of many networks of a baseline, put together from few built ones.

Layers of one stage repeat, and the size of a feature map depends on the pixels alone. So one short
network is built at each width, for the shapes of its layers; one is traced at each resolution, for
the sizes of its maps; and each depth is built once, for how often it has each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalegrid import cost
from scalegrid.baselines import Baseline
from scalegrid.cost.matching import Sample
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import nn

Build = Callable[[float, float], "nn.Module"]
"""Takes depth and width; a network to be looked at."""

IntArray = NDArray[np.int64]


class Assembly:
    """Remembers what it built, so that tables of one baseline share it.

    Args:
        baseline: the network at φ = 0.
        build: builds it at a depth and a width, for shapes alone.
    """

    def __init__(self, baseline: Baseline, build: Build) -> None:
        self._baseline = baseline
        self._build = build
        self._names: dict[Hashable, tuple[str, ...]] = {}
        self._groups: dict[tuple[str, ...], _Group] = {}

    def table(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> IntArray | None:
        """(D, W, P, 3) costs as in `cost.Cost`, or None where layers cannot be matched.

        Networks of some widths may have layers that others lack (a shortcut where channels
        change), so widths are taken together by the names and classes of their modules.
        """
        table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
        columns_of: dict[tuple[str, ...], list[int]] = {}
        for column, names in enumerate(self._module_names(widths)):
            columns_of.setdefault(names, []).append(column)
        for names, columns in columns_of.items():
            some = [widths[column] for column in columns]
            group = self._group(names, depths, some[0], resolutions[0])
            part = None if group is None else group.table(depths, some, resolutions)
            if part is None:
                return None
            table[:, columns] = part
        return table

    def _module_names(self, widths: Sequence[float]) -> list[tuple[str, ...]]:
        """The modules of the unscaled depth at each width, by name and class.

        Where the first and the last width have the same, all are taken to (`_Group` checks it).
        """
        first, last = (self._names_at(width) for width in (widths[0], widths[-1]))
        return [first if first == last else self._names_at(width) for width in widths]

    def _names_at(self, width: float) -> tuple[str, ...]:
        key = self._baseline.channels(width)
        if key not in self._names:
            self._names[key] = _modules(self._build(1.0, width))
        return self._names[key]

    def _group(
        self, names: tuple[str, ...], depths: Sequence[float], width: float, probe: int
    ) -> _Group | None:
        """Networks with modules of these names, with a sample that the deepest is like."""
        deepest = max(depths)
        known = self._groups.get(names)
        if known is not None and known.depth(deepest) is not None:
            return known
        # A short network that has every kind of block, first ones and repeats.
        for depth in sorted(depths)[min(1, len(depths) - 1) :]:
            group = _Group(self._baseline, self._build, depth, width, probe)
            if group.depth(deepest) is not None:
                self._groups[names] = group
                return group
        return None


class _Depth(NamedTuple):
    """A network of one depth: ``copies`` (S,) says how often it has each sampled module.

    ``other`` is the network and its twins in the sample, where they work on maps of other sizes.
    """

    copies: IntArray
    other: tuple[nn.Module, dict[str, str]] | None


class _Group:
    """Networks of all depths, and of those widths at which they have the same modules.

    Args:
        baseline: the network at φ = 0.
        build: as of `Assembly`.
        depth: of the sample, whose S modules stand for those of all others.
        width: of the sample.
        probe: a resolution in px, at which the maps of each depth are compared with the sample's.
    """

    def __init__(
        self, baseline: Baseline, build: Build, depth: float, width: float, probe: int
    ) -> None:
        self._baseline = baseline
        self._build = build
        self._depth, self._width, self._probe = depth, width, probe
        self._sample = Sample(build(depth, width))
        self._modules = _modules(self._sample.model)
        self._index = {name: i for i, name in enumerate(self._sample.names)}
        self._depths: dict[Hashable, _Depth | None] = {}
        self._shapes: dict[Hashable, IntArray | None] = {}
        self._sites: dict[int, IntArray] = {}

    def table(
        self, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
    ) -> IntArray | None:
        """As `Assembly.table`."""
        made = [one for one in map(self.depth, depths) if one is not None]
        shapes = [one for one in map(self.shapes, widths) if one is not None]
        if len(made) < len(depths) or len(shapes) < len(widths):
            return None
        copies = np.array([one.copies for one in made])  # (D, S)
        weights, params, outputs = np.array(shapes).transpose(1, 0, 2)  # (W, S) each
        sites = np.array([self._sites_of(one, resolutions) for one in made])  # (D, S, P)
        flops, activations = weights @ sites, outputs @ sites
        every_side = np.broadcast_to((copies @ params.T)[:, :, None], flops.shape)
        return np.stack([flops, every_side, activations], axis=-1)

    def depth(self, depth: float) -> _Depth | None:
        """What a network of this depth is made of; None if it has modules like none sampled."""
        key = self._baseline.depths(depth)
        if key not in self._depths:
            model = self._build(depth, self._width)
            twins = self._sample.twins(model)
            self._depths[key] = None if twins is None else self._compared(model, twins)
        return self._depths[key]

    def _compared(self, model: nn.Module, twins: dict[str, str]) -> _Depth:
        copies = self._sum(dict.fromkeys(twins, 1), twins)
        own = self._sum(self._positions(model, self._probe), twins)
        same = (own == copies * self.sites(self._probe)).all()
        return _Depth(copies, None if same else (model, twins))

    def _sites_of(self, depth: _Depth, resolutions: Sequence[int]) -> IntArray:
        """(S, P) the places of all that is like each sampled module, in a network of this depth."""
        if depth.other is None:
            places = [depth.copies * self.sites(px) for px in resolutions]
        else:
            model, twins = depth.other
            places = [self._sum(self._positions(model, px), twins) for px in resolutions]
        return np.stack(places, axis=-1)

    def shapes(self, width: float) -> IntArray | None:
        """(3, S) weights that FLOPs count, parameters, and output channels of each module."""
        key = self._baseline.channels(width)
        if key not in self._shapes:
            self._shapes[key] = self._measure(self._build(self._depth, width))
        return self._shapes[key]

    def sites(self, resolution: int) -> IntArray:
        """(S,) the places at which each counted layer is applied."""
        if resolution not in self._sites:
            places = self._positions(self._sample.model, resolution)
            self._sites[resolution] = np.array([places.get(name, 0) for name in self._index])
        return self._sites[resolution]

    def _positions(self, model: nn.Module, resolution: int) -> dict[str, int]:
        with told_as_user_error(self._baseline, resolution):
            return cost.positions(model, resolution)

    def _sum(self, amounts: dict[str, int], twins: dict[str, str]) -> IntArray:
        """(S,) amounts of a network's modules, added up for the sampled ones they are like."""
        total = np.zeros(len(self._index), dtype=np.int64)
        for name, amount in amounts.items():
            total[self._index[twins[name]]] += amount
        return total

    def _measure(self, model: nn.Module) -> IntArray | None:
        modules = dict(model.named_modules())
        if _modules(model) != self._modules:
            return None
        shapes = np.zeros((3, len(modules)), dtype=np.int64)
        for name, layer in cost.counted_layers(model):
            shapes[0, self._index[name]] = layer.weight.numel()
            shapes[2, self._index[name]] = layer.weight.shape[0]
        for name, module in modules.items():
            shapes[1, self._index[name]] = sum(p.numel() for p in module.parameters(recurse=False))
        return shapes


def _modules(model: nn.Module) -> tuple[str, ...]:
    """The names of the modules with their classes."""
    return tuple(f"{name}: {type(module).__name__}" for name, module in model.named_modules())


@contextmanager
def told_as_user_error(baseline: Baseline, resolution: int) -> Iterator[None]:
    """Whatever a network raises on images of ``resolution`` px, as one sentence."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{baseline.name} does not run on images of {resolution} px ({reason}); give another "
            "--resolution, or a --resolution-step that suits its strides."
        ) from error
