"""Baselines defined by timm's block strings: the EfficientNet and MobileNet families, YAML files.

Building is timm's (`timm.models._efficientnet_builder`), and rounding follows it: repeats of a
stage are multiplied and rounded up, channels are multiplied and rounded to the nearest multiple of
``channel_divisor`` that is not more than 10 % below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache, partial
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from scalegrid.baselines.base import Layout, Row
from scalegrid.baselines.blocklayers import Layer, block_layers
from scalegrid.baselines.blockstring import read_block
from scalegrid.baselines.rounding import DepthRounding, scale_channels, scale_stage, tidy

if TYPE_CHECKING:
    from torch import nn

MOST_STRIDE = 32
"""timm's builder replaces strides beyond this by dilation."""

_WITHOUT_PARAMETERS = (
    *("relu", "relu6", "leaky_relu", "swish", "silu", "hard_swish", "mish", "gelu", "elu"),
    *("tanh", "sigmoid", "hard_sigmoid"),
)

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
    origin: ClassVar[str] = "built-in"
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
    head_after_pooling: ClassVar[bool] = False
    builds_as_known: ClassVar[bool] = True
    """Whether `build` makes the layers of `known_layers`; of a class with a `build` of its own, no
    unless it says so."""

    def __init_subclass__(cls) -> None:
        if "build" in vars(cls) and "builds_as_known" not in vars(cls):
            cls.builds_as_known = False

    @cached_property
    def total_stride(self) -> int:
        """The stem's stride of 2 times the strides of the stages."""
        return 2 * prod(read_block(strings[0]).stride for strings in self.stages)

    @cached_property
    def definition(self) -> Any:
        """Block strings and everything that rounding and the layer table do not say."""
        fields = asdict(self)
        for key in ("name", "resolution", "brief_resolution", "depth", "width"):
            del fields[key]
        return {"class": type(self).__name__, **fields}

    def depths(self, depth: float) -> tuple[tuple[int, ...], ...]:
        """Repeats of each block string, stage by stage."""
        multiplier = tidy(self.depth * depth)
        return tuple(
            tuple(
                scale_stage(
                    [read_block(string).repeats for string in strings],
                    1.0 if i in self.fixed_stages else multiplier,
                    self.depth_rounding,
                )
            )
            for i, strings in enumerate(self.stages)
        )

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of the stem, of each block string, and of the head."""
        scaled = self._round_channels(width)
        blocks = [scaled(read_block(s).channels) for strings in self.stages for s in strings]
        return (self._stem(scaled), *blocks, self._head(scaled))

    def layout(self, depth: float, width: float) -> Layout:
        """Stem, stages (split where operator, kernel or channels change), and head."""
        scaled = self._round_channels(width)
        rows = [Row("Conv", 3, 2, self._stem(scaled), 1)]
        for strings, repeats in zip(self.stages, self.depths(depth), strict=True):
            blocks = [read_block(string) for string in strings]
            kinds = [
                (block.operator, block.kernel, scaled(block.channels))
                for block, n in zip(blocks, repeats, strict=True)
                for _ in range(n)
            ]
            stride = blocks[0].stride
            for (operator, kernel, channels), run in groupby(kinds):
                rows.append(Row(operator, kernel, stride, channels, len(list(run))))
                stride = 1
        head = self._head(scaled)
        if head:
            rows.append(Row(self.head_operator, 1, 1, head, 1))
        else:
            rows.append(Row("Pooling & FC", 1, 1, rows[-1].channels, 1))
        return tuple(rows)

    def known_layers(self, depth: float, width: float, num_classes: int) -> list[Layer] | None:
        """The layers that `build` makes; None if they are not known without building."""
        if not self.builds_as_known or self.activation not in _WITHOUT_PARAMETERS:
            return None
        if self.total_stride > MOST_STRIDE:
            return None
        scaled = self._round_channels(width)
        channels = self._stem(scaled)
        found = [Layer(3, channels, kernel=3, stride=2)]
        for strings, repeats in zip(self.stages, self.depths(depth), strict=True):
            stride = read_block(strings[0]).stride
            for string, n in zip(strings, repeats, strict=True):
                outputs = scaled(read_block(string).channels)
                for _ in range(n):
                    block = block_layers(string, channels, outputs, stride, self._squeeze)
                    if block is None:
                        return None
                    found += block
                    channels, stride = outputs, 1
        if head := self._head(scaled):
            after = self.head_after_pooling
            found.append(Layer(channels, head, norm=not after, pooled=after))
        classifier = Layer(head or channels, num_classes, norm=False, pooled=True)
        return [*found, classifier]

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

    def _blocks(self, depth: float) -> list[list[dict[str, Any]]]:
        """Fresh block arguments; timm's builder writes into them."""
        return [
            [dict(block) for block, n in zip(stage, repeats, strict=True) for _ in range(n)]
            for stage, repeats in zip(_decode(self.stages), self.depths(depth), strict=True)
        ]

    def _round_channels(self, width: float) -> RoundChannels:
        return partial(scale_channels, width=self.width * width, divisor=self.channel_divisor)

    def _squeeze(self, channels: int, ratio: float, expansion: float) -> int:
        """Channels inside squeeze-and-excitation: ``ratio`` of the block's inputs."""
        return round(channels * (ratio / expansion))

    def _stem(self, scaled: RoundChannels) -> int:
        return self.stem if self.fixed_stem else scaled(self.stem)

    def _head(self, scaled: RoundChannels) -> int:
        return self.head if self.fixed_head or not self.head else scaled(self.head)


@lru_cache(maxsize=256)
def _decode(stages: Stages) -> list[list[dict[str, Any]]]:
    """For each block string of each stage the arguments that timm's builder makes a block of."""
    from timm.models._efficientnet_builder import decode_arch_def

    # Each string decodes to as many copies as it has repeats.
    return [
        [decode_arch_def([[string]])[0][0] for string in strings]  # type: ignore[no-untyped-call]
        for strings in stages
    ]
