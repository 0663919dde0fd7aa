"""Baselines defined by timm's block strings: the EfficientNet and MobileNet families, YAML files.

A block string such as ``ir_r2_k3_s2_e6_c24_se0.25`` reads: inverted residual, 2 repeats, kernel 3,
stride 2, expansion 6, 24 channels, squeeze-and-excitation at a quarter of the block's input
channels. Building and rounding are timm's (`timm.models._efficientnet_builder`): repeats of a stage
are multiplied and rounded up, channels are multiplied and rounded to the nearest multiple of
``channel_divisor`` that is not more than 10 % below.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache, partial
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from scalegrid.baselines.base import Layout, Row
from scalegrid.baselines.rounding import DepthRounding, scale_channels, tidy

if TYPE_CHECKING:
    from torch import nn

Stages = tuple[tuple[str, ...], ...]
RoundChannels = Callable[[int], int]


@dataclass(frozen=True)
class BlockBaseline:
    """A network of timm's EfficientNet class.

    ``depth`` and ``width`` are multipliers that the baseline itself carries (EfficientNet-B4 is the
    B0 blocks at 1.8 and 1.4); scaling multiplies them further, and rounding happens once.
    A ``head`` of 0 has no convolution before the pooling. ``fixed_stem`` and ``fixed_head`` keep
    their channels whatever the width, ``fixed_stages`` (indices) their layers whatever the depth.
    """

    name: str
    stages: Stages
    resolution: int
    brief_resolution: int = 48
    stem: int = 32
    head: int = 1280
    activation: str = "swish"
    channel_divisor: int = 8
    depth_rounding: DepthRounding = "ceil"
    depth: float = 1.0
    width: float = 1.0
    fixed_stem: bool = False
    fixed_head: bool = False
    fixed_stages: tuple[int, ...] = ()

    head_operator: ClassVar[str] = "Conv & Pooling & FC"

    @cached_property
    def total_stride(self) -> int:
        """The stem's stride of 2 times the strides of the stages; needs no timm, so it is quick."""
        first = (re.search(r"_s(\d)", strings[0]) for strings in self.stages)
        return 2 * prod(int(found[1]) for found in first if found)

    @cached_property
    def definition(self) -> Any:
        """Block strings and everything that rounding and the layer table do not say."""
        fields = asdict(self)
        for key in ("name", "resolution", "brief_resolution", "depth", "width"):
            del fields[key]
        return {"class": type(self).__name__, **fields}

    def depths(self, depth: float) -> tuple[tuple[int, ...], ...]:
        """Repeats of each block string, stage by stage."""
        return tuple(
            tuple(picks.count(i) for i in range(len(stage.blocks)))
            for picks, stage in zip(self._picks(depth), _decode(self.stages), strict=True)
        )

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of the stem, of each block string, and of the head."""
        scaled = self._round_channels(width)
        blocks = [scaled(c) for stage in _decode(self.stages) for c in stage.channels]
        return (self._stem(scaled), *blocks, self._head(scaled))

    def layout(self, depth: float, width: float) -> Layout:
        """Stem, stages (split where operator, kernel or channels change), and head."""
        scaled = self._round_channels(width)
        rows = [Row("Conv", 3, 2, self._stem(scaled), 1)]
        for blocks in self._blocks(depth):
            kinds = [(_operator(b), _kernel(b), scaled(b["out_chs"])) for b in blocks]
            stride = blocks[0]["stride"]
            for (operator, kernel, channels), run in groupby(kinds):
                rows.append(Row(operator, kernel, stride, channels, len(list(run))))
                stride = 1
        head = self._head(scaled)
        if head:
            rows.append(Row(self.head_operator, 1, 1, head, 1))
        else:
            rows.append(Row("Pooling & FC", 1, 1, rows[-1].channels, 1))
        return tuple(rows)

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """A `timm.models.efficientnet.EfficientNet`."""
        from timm.models.efficientnet import EfficientNet

        model: nn.Module = EfficientNet(**self._arguments(depth, width, num_classes))
        return model

    def _arguments(self, depth: float, width: float, num_classes: int) -> dict[str, Any]:
        from timm.layers.create_act import get_act_layer
        from torch import nn

        scaled = self._round_channels(width)
        return {
            "block_args": self._blocks(depth),
            "num_classes": num_classes,
            "stem_size": self.stem,
            "fix_stem": self.fixed_stem,
            "num_features": self._head(scaled),
            "round_chs_fn": scaled,
            "act_layer": get_act_layer(self.activation),
            "norm_layer": nn.BatchNorm2d,
        }

    def _picks(self, depth: float) -> list[list[int]]:
        """For each stage the indices of its block strings, repeated: timm's own depth scaling."""
        scale_stage_depth = builder()._scale_stage_depth
        multiplier = tidy(self.depth * depth)
        picks: list[list[int]] = []
        for i, stage in enumerate(_decode(self.stages)):
            factor = 1.0 if i in self.fixed_stages else multiplier
            indices = list(range(len(stage.blocks)))
            picks.append(
                scale_stage_depth(indices, list(stage.repeats), factor, self.depth_rounding)
            )
        return picks

    def _blocks(self, depth: float) -> list[list[dict[str, Any]]]:
        """Fresh block arguments; timm's builder writes into them."""
        return [
            [dict(stage.blocks[i]) for i in picks]
            for picks, stage in zip(self._picks(depth), _decode(self.stages), strict=True)
        ]

    def _round_channels(self, width: float) -> RoundChannels:
        return partial(scale_channels, width=self.width * width, divisor=self.channel_divisor)

    def _stem(self, scaled: RoundChannels) -> int:
        return self.stem if self.fixed_stem else scaled(self.stem)

    def _head(self, scaled: RoundChannels) -> int:
        return self.head if self.fixed_head or not self.head else scaled(self.head)


def builder() -> Any:
    """timm's decoder and builder of block strings; its functions carry no types."""
    from timm.models import _efficientnet_builder

    return _efficientnet_builder


@dataclass(frozen=True)
class _Stage:
    """Decoded block strings of one stage; ``channels`` are before scaling."""

    blocks: tuple[dict[str, Any], ...]
    repeats: tuple[int, ...]
    channels: tuple[int, ...]


@lru_cache(maxsize=256)
def _decode(stages: Stages) -> tuple[_Stage, ...]:
    decode_arch_def = builder().decode_arch_def
    decoded = []
    for strings in stages:
        repeated = [decode_arch_def([[string]])[0] for string in strings]
        blocks = tuple(copies[0] for copies in repeated)
        repeats = tuple(len(copies) for copies in repeated)
        decoded.append(_Stage(blocks, repeats, tuple(block["out_chs"] for block in blocks)))
    return tuple(decoded)


def _operator(block: dict[str, Any]) -> str:
    kind = block["block_type"]
    names = {"ir": "MBConv", "er": "FusedMBConv", "uir": "UIB"}
    if kind in names:
        return f"{names[kind]}{block['exp_ratio']:g}"
    return {"ds": "MBConv1", "dsa": "SepConv", "cn": "Conv"}.get(kind, str(kind).upper())


def _kernel(block: dict[str, Any]) -> int:
    """The largest kernel of the block's spatial convolutions."""
    keys = {
        "er": ("exp_kernel_size",),
        "cn": ("kernel_size",),
        "uir": ("dw_kernel_size_start", "dw_kernel_size_mid", "dw_kernel_size_end"),
    }
    sizes = [block[key] for key in keys.get(block["block_type"], ("dw_kernel_size",))]
    return max(max(size) if isinstance(size, list) else int(size) for size in sizes)
