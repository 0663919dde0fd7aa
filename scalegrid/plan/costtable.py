"""The cost of every depth × width × resolution of a baseline, from few built networks.

Layers of one stage repeat, and the size of a feature map depends on the pixels alone. So one short
network is built at each width, for the shapes of its layers; the deepest is traced once at each
resolution, for the sizes of its maps; and each depth is built once, for which layers it has. Layers
are matched by their dotted names. A few whole networks are counted directly as a check; a baseline
that does not pass is counted network by network.

Tables are kept on disk under a digest of what they were computed from: the networks' layer tables,
not their names, and the versions of the libraries that build them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scalegrid import cost
from scalegrid.baselines import Baseline, skeleton
from scalegrid.cost import Cost
from scalegrid.data.locations import cache_root
from scalegrid.digests import digest
from scalegrid.errors import UserError
from scalegrid.plan.arrays import load_arrays, save_arrays

if TYPE_CHECKING:
    from torch import nn

Table = NDArray[np.int64]

_FORMAT = 1


def cost_table(
    baseline: Baseline,
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
    num_classes: int,
) -> Table:
    """Costs of all combinations.

    Args:
        baseline: the network at φ = 0.
        depths: D multipliers.
        widths: W multipliers.
        resolutions: P input sides in px.
        num_classes: outputs of the classifier.

    Returns:
        (D, W, P, 3) integers: FLOPs, parameters, activations, in the order of `cost.Cost`.
    """
    path = _path(baseline, depths, widths, resolutions, num_classes)
    shape = (len(depths), len(widths), len(resolutions), len(Cost._fields))
    stored = load_arrays(path, ["costs"])
    table = stored[0] if stored and stored[0].shape == shape else None
    if table is None:
        with _without_garbage_collection():
            table = _assemble(baseline, depths, widths, resolutions, num_classes)
        if table is None:
            table = _count_each(baseline, depths, widths, resolutions, num_classes)
        save_arrays(path, costs=table)
    return table


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Building a hundred networks makes so many objects that looking for cycles takes seconds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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


def _assemble(
    baseline: Baseline,
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
    num_classes: int,
) -> Table | None:
    """The table from few passes, or None where layers cannot be matched by name.

    Networks of some widths may have layers that others lack (a shortcut where channels change), so
    widths are taken together by the names of their modules.
    """

    def build(depth: float, width: float) -> nn.Module:
        return skeleton(baseline, depth, width, num_classes)

    table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
    ends = [_names(build(min(depths), width)) for width in (widths[0], widths[-1])]
    groups: dict[tuple[str, ...], list[int]] = {}
    for column, width in enumerate(widths):
        names = ends[0] if ends[0] == ends[1] else _names(build(min(depths), width))
        groups.setdefault(tuple(names), []).append(column)
    for columns in groups.values():
        part = _assemble_group(baseline, build, depths, [widths[c] for c in columns], resolutions)
        if part is None:
            return None
        table[:, columns] = part
    with told_as_user_error(baseline, max(resolutions)):
        return table if _agrees(table, build, depths, widths, resolutions) else None


def _assemble_group(
    baseline: Baseline,
    build: Callable[[float, float], nn.Module],
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
) -> Table | None:
    """The table of widths whose networks have the same modules, from D + W + P passes."""
    deepest = build(max(depths), widths[0])
    # A short network that has every kind of block, first ones and repeats, and is quick to build.
    for sample_depth in sorted(depths)[min(1, len(depths) - 1) :]:
        sample = build(sample_depth, widths[0])
        alike = _alike(deepest, sample)
        if alike is not None:
            break
    else:
        return None
    samples = {name: i for i, name in enumerate(_names(sample))}

    # How often each sampled layer stands in a network of each depth, and at how many places.
    copies = np.zeros((len(depths), len(samples)), dtype=np.int64)
    sites = np.zeros((len(depths), len(samples), len(resolutions)), dtype=np.int64)
    at = []
    for resolution in resolutions:
        with told_as_user_error(baseline, resolution):
            at.append(cost.positions(deepest, resolution))
    for row, depth in enumerate(depths):
        model = build(depth, widths[0])
        matches = _alike(model, sample)
        if matches is None or not alike.keys() >= matches.keys():
            return None
        for name, same in matches.items():
            copies[row, samples[same]] += 1
            sites[row, samples[same]] += [places.get(name, 0) for places in at]
    shapes = np.zeros((3, len(widths), len(samples)), dtype=np.int64)
    for row, width in enumerate(widths):
        model = build(sample_depth, width)
        if _names(model) != list(samples):
            return None
        for name, layer in cost.counted_layers(model):
            shapes[0, row, samples[name]] = layer.weight.numel()
            shapes[2, row, samples[name]] = layer.weight.shape[0]
        for name, module in model.named_modules():
            shapes[1, row, samples[name]] = sum(p.numel() for p in module.parameters(recurse=False))
    weights, params, outputs = shapes
    return np.stack(
        [
            weights @ sites,
            np.broadcast_to((copies @ params.T)[:, :, None], (len(depths), len(widths), len(at))),
            outputs @ sites,
        ],
        axis=-1,
    )


def _names(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_modules()]


def _alike(model: nn.Module, sample: nn.Module) -> dict[str, str] | None:
    """For each module of ``model`` the one of ``sample`` that is like it; None if one has none.

    That is the module of the same name; a numbered block must be made of the same layers, and may
    be another one of the same stage.
    """
    makes, sampled = _makes(model), _makes(sample)
    numbered = {name for name in makes if name[-1:].isdigit()}
    holders = {above for name in numbered for above in _ancestors(name)}
    by_make: dict[tuple[str, str], str] = {}
    for name, make in sampled.items():
        by_make.setdefault((name.rpartition(".")[0], make), name)
    alike: dict[str, str] = {"": ""}
    for name, make in makes.items():
        parent, _, last = name.rpartition(".")
        if not name:
            continue
        if parent not in alike:
            return None
        place = alike[parent]
        twin = f"{place}.{last}" if place else last
        if twin in sampled and (name not in numbered or sampled[twin] == make):
            alike[name] = twin
        elif name in numbered and (place, make) in by_make:
            alike[name] = by_make[place, make]
        elif twin in sampled and name in holders:
            alike[name] = twin
        else:
            return None
    return alike


def _makes(model: nn.Module) -> dict[str, str]:
    """For each module what it is made of: names, classes, settings and shapes of all inside."""
    own = {
        name: [type(m).__name__, m.extra_repr(), [tuple(p.shape) for p in m.parameters(False)]]
        for name, m in model.named_modules()
    }
    inside: dict[str, list[object]] = {name: [["", made]] for name, made in own.items()}
    for name, made in own.items():
        for above in _ancestors(name):
            inside[above].append([name[len(above) :], made])
    return {name: digest(parts) for name, parts in inside.items()}


def _ancestors(name: str) -> Iterator[str]:
    """From the parent to the root, whose name is empty."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _agrees(
    table: Table,
    build: Any,
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
) -> bool:
    """Whether whole networks at the far ends and in the middle cost what the table says."""
    ends = [(0, -1, -1), (-1, 0, -1), (-1, -1, 0)]
    middle = (len(depths) // 2, len(widths) // 2, len(resolutions) // 2)
    return all(
        tuple(table[d, w, p]) == cost.measure(build(depths[d], widths[w]), resolutions[p])
        for d, w, p in [*ends, middle]
    )


def _count_each(
    baseline: Baseline,
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
    num_classes: int,
) -> Table:
    table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
    for d, depth in enumerate(depths):
        for w, width in enumerate(widths):
            model = skeleton(baseline, depth, width, num_classes)
            for p, resolution in enumerate(resolutions):
                with told_as_user_error(baseline, resolution):
                    table[d, w, p] = cost.measure(model, resolution)
    return table


def _path(
    baseline: Baseline,
    depths: Sequence[float],
    widths: Sequence[float],
    resolutions: Sequence[int],
    num_classes: int,
) -> Path:
    content = [
        _FORMAT,
        [version(library) for library in ("torch", "timm")],
        baseline.definition,
        [[asdict(row) for row in baseline.layout(depth, 1.0)] for depth in depths],
        [[asdict(row) for row in baseline.layout(1.0, width)] for width in widths],
        list(resolutions),
        num_classes,
    ]
    return cache_root() / "costs" / f"{digest(content)}.npz"
