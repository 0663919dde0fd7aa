"""What `scalegrid baselines` shows: all baselines, or the layer table of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from scalegrid.baselines.base import Baseline, Layout
from scalegrid.baselines.families import FAMILIES
from scalegrid.baselines.registry import INSTALLED, families


class Listing(NamedTuple):
    """A baseline in the list; cost at ``resolution`` px and 1,000 classes where it is known."""

    family: str
    name: str
    resolution: int | None
    flops: int | None
    params: int | None


class TableRow(NamedTuple):
    """A row of the layer table, as the paper's Table 1; ``resolution`` is that of its input."""

    stage: int
    operator: str
    resolution: int
    channels: int
    layers: int


def listing() -> list[Listing]:
    """All baselines that need no prefix, family by family; needs neither torch nor timm."""
    rows = [
        Listing(family, baseline.name, baseline.resolution, flops, params)
        for family, members in FAMILIES.items()
        for baseline, flops, params in members
    ]
    installed = families().get(INSTALLED, [])
    return rows + [Listing(INSTALLED, name, None, None, None) for name in installed]


def layer_table(
    baseline: Baseline, depth: float = 1.0, width: float = 1.0, resolution: int | None = None
) -> list[TableRow]:
    """The layer table of ``baseline`` at these multipliers and px (default: its authors').

    Raises:
        UserError: the network cannot be built (timm models and factories).
    """
    layout = baseline.layout(depth, width)
    inputs = input_sides(layout, resolution or baseline.resolution)
    return [
        TableRow(stage, _operator(row.operator, row.kernel), side, row.channels, row.layers)
        for stage, (row, side) in enumerate(zip(layout, inputs, strict=True), start=1)
    ]


def input_sides(layout: Layout, resolution: int) -> Iterator[int]:
    """The side in px of the map that enters each row.

    Odd kernels are padded, so that their strides round up; even ones (patches) are not.
    """
    side = resolution
    for row in layout:
        yield side
        side = -(-side // row.stride) if row.kernel % 2 else side // row.stride


def _operator(operator: str, kernel: int) -> str:
    """``Conv3x3`` for convolutions, ``MBConv6, k3x3`` for blocks, as the paper writes them."""
    if operator.startswith("Conv") and not operator.startswith("ConvNeXt"):
        return operator.replace("Conv", f"Conv{kernel}x{kernel}", 1)
    return f"{operator}, k{kernel}x{kernel}" if kernel > 1 else operator
