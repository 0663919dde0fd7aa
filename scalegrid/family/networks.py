"""The networks of published families: those of their sizes, and those between two sizes.

A network between has the layers of one size and the channels of another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from scalegrid import baselines
from scalegrid.baselines import Baseline
from scalegrid.family.published import PublishedSize

_CLASSES = 1000


def network_between(family: str, depth: PublishedSize, width: PublishedSize) -> Baseline:
    """The network with the layers of ``depth`` and the channels of ``width``, at multipliers of 1.

    Args:
        family: a name of `scalegrid.family.published.PUBLISHED`.
        depth: one of its sizes.
        width: another, or the same.
    """
    return _BUILDERS[family](depth, width)


def flops_between(family: str, depth: PublishedSize, width: PublishedSize, resolution: int) -> int:
    """The FLOPs of `network_between` for one image of ``resolution`` px and 1,000 classes."""
    return _flops(family, depth, depth if _BUILDERS[family] is _own else width, resolution)


@lru_cache(maxsize=1024)
def _flops(family: str, depth: PublishedSize, width: PublishedSize, resolution: int) -> int:
    from scalegrid.cost import Costs, measure

    network = network_between(family, depth, width)
    costs = Costs(network, _CLASSES)
    if costs.known:
        return costs.of(1.0, 1.0, resolution).flops
    return measure(baselines.skeleton(network, 1.0, 1.0, _CLASSES), resolution).flops


def _multiplied(baseline: str, **fixed: Any) -> Callable[[PublishedSize, PublishedSize], Baseline]:
    """The blocks of a baseline, multiplied by what the authors say."""

    def build(depth: PublishedSize, width: PublishedSize) -> Baseline:
        own: Any = baselines.get(baseline)
        return replace(own, depth=depth.depth, width=width.width, **fixed)  # type: ignore[no-any-return]

    return build


def _mobilenetv2(depth: PublishedSize, width: PublishedSize) -> Baseline:
    """Its head is not narrowed (section 6.1)."""
    return _multiplied("mobilenetv2", fixed_head=width.width < 1)(depth, width)


def _staged(depth: PublishedSize, width: PublishedSize) -> Baseline:
    """The stages of two baselines of one class."""
    layers: Any = baselines.get(depth.model)
    channels: Any = baselines.get(width.model)
    return replace(channels, layers=layers.layers)  # type: ignore[no-any-return]


def _convnext(depth: PublishedSize, width: PublishedSize) -> Baseline:
    from scalegrid.baselines.stages import ConvNeXtBaseline

    assert depth.stages is not None
    assert width.stages is not None
    return ConvNeXtBaseline("ConvNeXt", depth.stages.layers, width.stages.channels)


_V2_BLOCKS = (
    *("cn_r{}_k3_s1_c{}_skip", "er_r{}_k3_s2_e4_c{}", "er_r{}_k3_s2_e4_c{}"),
    *("ir_r{}_k3_s2_e4_c{}_se0.25", "ir_r{}_k3_s1_e6_c{}_se0.25"),
    *("ir_r{}_k3_s2_e6_c{}_se0.25", "ir_r{}_k3_s1_e6_c{}_se0.25"),
)


def _efficientnetv2(depth: PublishedSize, width: PublishedSize) -> Baseline:
    """A stage of no layers is none; the stem has the channels of the first stage."""
    from scalegrid.baselines.blocks import BlockBaseline

    assert depth.stages is not None
    assert width.stages is not None
    layers, channels = depth.stages.layers, width.stages.channels
    filled = zip(_V2_BLOCKS, layers, channels, strict=True)
    stages = tuple((block.format(n, c),) for block, n, c in filled if n)
    return BlockBaseline("EfficientNetV2", stages, width.resolution, stem=channels[0])


def _own(depth: PublishedSize, width: PublishedSize) -> Baseline:
    """The network of a size, where all sizes have the same channels."""
    return baselines.get(depth.model)


_BUILDERS: dict[str, Callable[[PublishedSize, PublishedSize], Baseline]] = {
    "EfficientNet": _multiplied("b0"),
    "EfficientNet-Lite": _multiplied("lite0"),
    "EfficientNetV2": _efficientnetv2,
    "TinyNet": _multiplied("b0", fixed_stem=True, fixed_head=True, depth_rounding="round"),
    "MobileNetV2": _mobilenetv2,
    "MobileNetV3": _multiplied("mobilenetv3_large"),
    "ResNet": _staged,
    "ResNet-RS": _own,
    "NFNet": _own,
    "RegNetX": _staged,
    "RegNetY": _staged,
    "ConvNeXt": _convnext,
}
