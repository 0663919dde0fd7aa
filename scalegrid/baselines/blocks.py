"""Baselines of timm's block strings: the EfficientNet and MobileNet families, YAML files.

timm builds the networks (`timm.models._efficientnet_builder`), and rounding follows it: repeats of
a stage are multiplied and rounded up, channels are multiplied and rounded to the nearest multiple
of ``channel_divisor`` that is not more than 10 % below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from scalegrid.baselines.base import Layer, LayerRow, Layout, Origin, Run, usual_step
from scalegrid.baselines.blockstring import Block, block_layers, read_block, rewritten
from scalegrid.baselines.construction import Call
from scalegrid.baselines.rounding import scale_channels, scale_stage, with_rule
from scalegrid.coefficients import DepthRounding, DepthRule, stage_depths

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import Self

MOST_STRIDE = 32
"""timm's builder replaces strides beyond this by dilation."""

WITHOUT_PARAMETERS = (
    *("relu", "relu6", "leaky_relu", "swish", "silu", "hard_swish", "mish", "gelu", "elu"),
    *("tanh", "sigmoid", "hard_sigmoid"),
)
"""Activations of timm that have no parameters."""

Stages = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class BlockBaseline:
    """A network of timm's EfficientNet class, or of MobileNetV3 if ``head_after_pooling``.

    ``depth`` and ``width`` are multipliers that the baseline itself carries (EfficientNet-B4 is the
    B0 blocks at 1.8 and 1.4); scaling multiplies them further, and rounding happens once.
    A ``head`` of 0 has no convolution before the pooling. ``fixed_stem`` and ``fixed_head`` keep
    their channels whatever the width, ``fixed_stages`` (indices) their layers whatever the depth.

    ``authors_rounding`` is the family's rule where ``depth_rounding`` is another one.

    A subclass with its own `build` needs its own `definition` and `known_layers`.
    """

    name: str
    stages: Stages
    resolution: int
    brief_resolution: int = 36
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
    head_after_pooling: bool = False
    origin: Origin = "yaml"
    authors_rounding: DepthRounding | None = None
    kept_per_activation: float | None = None
    placement: float = 0.0

    counting_device: ClassVar[str] = "meta"

    @cached_property
    def total_stride(self) -> int:
        """The stem's stride of 2 times the strides of the stages."""
        return 2 * prod(read_block(strings[0]).stride for strings in self.stages)

    @property
    def resolution_step(self) -> int:
        """An eighth of the total stride."""
        return usual_step(self.total_stride)

    @cached_property
    def definition(self) -> Any:
        """Block strings and everything that rounding and the layer table do not say."""
        fields = asdict(self)
        for key in ("name", "origin", "resolution", "brief_resolution", "depth", "width"):
            del fields[key]
        del fields["kept_per_activation"], fields["placement"]
        fields["depth_rounding"] = fields.pop("authors_rounding") or self.depth_rounding
        other = fields.pop("head_after_pooling")
        return {"class": "MobileNetV3Baseline" if other else "BlockBaseline", **fields}

    def rounded(self, rule: DepthRule, /) -> Self:
        """The same blocks, their layers rounded by another rule."""
        return with_rule(self, rule)

    def placed(self, placement: float, /) -> Self:
        """The same blocks, layers added to the stages that scale by another rule."""
        return replace(self, placement=placement)

    def depths(self, depth: float) -> tuple[tuple[int, ...], ...]:
        """Repeats of each block string, stage by stage.

        Authors round once. By another rule the baseline keeps its own layers, and those are scaled.
        """
        own = [[read_block(string).repeats for string in strings] for strings in self.stages]
        if self.authors_rounding is None:
            return self._scaled(own, self.depth, depth, self.depth_rounding)
        baseline = self._scaled(own, self.depth, 1.0, self.authors_rounding)
        return self._scaled(baseline, 1.0, depth, self.depth_rounding)

    def _scaled(
        self, stages: Sequence[Sequence[int]], own: float, depth: float, rule: DepthRounding
    ) -> tuple[tuple[int, ...], ...]:
        """Layers multiplied by ``own`` in all stages that scale, and by ``depth`` as placed."""
        count = len(stages) - len(self.fixed_stages)
        each = iter(stage_depths(depth, self.placement, count))
        return tuple(
            tuple(repeats)
            if i in self.fixed_stages
            else scale_stage(repeats, own * next(each), rule)
            for i, repeats in enumerate(stages)
        )

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of the stem, of each block string, and of the head."""
        own = (read_block(string).channels for strings in self.stages for string in strings)
        blocks = (self._scale(channels, width) for channels in own)
        return (self._stem(width), *blocks, self._head(width))

    def layout(self, depth: float, width: float) -> Layout:
        """Stem, stages (split where operator, kernel or channels change), and head."""
        rows = [LayerRow("Conv", 3, 2, self._stem(width), 1)]
        for stage in self._blocks(depth):
            stride = stage[0].stride
            kinds = ((b.operator, b.kernel, self._scale(b.channels, width)) for b in stage)
            for (operator, kernel, channels), run in groupby(kinds):
                rows.append(LayerRow(operator, kernel, stride, channels, len(list(run))))
                stride = 1
        if head := self._head(width):
            operator = "Pooling & Conv & FC" if self.head_after_pooling else "Conv & Pooling & FC"
            return (*rows, LayerRow(operator, 1, 1, head, 1))
        return (*rows, LayerRow("Pooling & FC", 1, 1, rows[-1].channels, 1))

    def known_layers(self, width: float, num_classes: int, in_chans: int = 3) -> list[Run] | None:
        """The layers that `build` builds; None if a block or the activation is not described."""
        if self.activation not in WITHOUT_PARAMETERS or self.total_stride > MOST_STRIDE:
            return None
        channels = self._stem(width)
        runs = [Run([Layer(in_chans, channels, kernel=3, stride=2)], [])]
        for strings in self.stages:
            stride = read_block(strings[0]).stride
            for block in map(read_block, strings):
                if not block.described:
                    return None
                outputs = self._scale(block.channels, width)
                first = block_layers(block, channels, outputs, stride, self._squeeze)
                runs.append(Run(first, block_layers(block, outputs, outputs, 1, self._squeeze)))
                channels, stride = outputs, 1
        last = []
        if head := self._head(width):
            after = self.head_after_pooling
            last = [Layer(channels, head, norm=not after, pooled=after)]
        last.append(Layer(head or channels, num_classes, norm=False, pooled=True))
        return [*runs, Run(last, [])]

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """A `timm.models.efficientnet.EfficientNet` or `timm.models.mobilenetv3.MobileNetV3`."""
        call = self.construction(depth, width)
        model: nn.Module = call.make(num_classes=num_classes, in_chans=in_chans)
        return model

    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """The constructor of timm, and its settings: block strings with the scaled numbers."""
        from timm.layers.create_act import get_act_layer
        from timm.models._efficientnet_blocks import SqueezeExcite
        from timm.models._efficientnet_builder import decode_arch_def, round_channels
        from timm.models.efficientnet import EfficientNet
        from timm.models.mobilenetv3 import MobileNetV3
        from torch import nn

        settings: dict[str, Any] = {
            "block_args": Call(decode_arch_def, (self._strings(depth, width),)),
            "stem_size": self._stem(width),
            "num_features": self._head(width),
            "round_chs_fn": int,
            "act_layer": get_act_layer(self.activation),
            "norm_layer": nn.BatchNorm2d,
        }
        if not self.head_after_pooling:
            return Call(EfficientNet, settings=settings)
        settings["se_layer"] = partial(
            SqueezeExcite,
            gate_layer="hard_sigmoid",
            force_act_layer=nn.ReLU,
            rd_round_fn=round_channels,
        )
        return Call(MobileNetV3, settings=settings)

    def _strings(self, depth: float, width: float) -> list[list[str]]:
        """The block strings of each stage, with the layers and channels that are built."""
        return [
            [
                rewritten(string, repeats, partial(self._scale, width=width))
                for string, repeats in zip(strings, counts, strict=True)
            ]
            for strings, counts in zip(self.stages, self.depths(depth), strict=True)
        ]

    def _blocks(self, depth: float) -> list[list[Block]]:
        """Every single block, stage by stage."""
        return [
            [read_block(s) for s, n in zip(strings, repeats, strict=True) for _ in range(n)]
            for strings, repeats in zip(self.stages, self.depths(depth), strict=True)
        ]

    def _scale(self, channels: int, width: float) -> int:
        return scale_channels(channels, self.width * width, self.channel_divisor)

    def _squeeze(self, channels: int, ratio: float, expansion: float) -> int:
        """Channels inside squeeze-and-excitation: ``ratio`` of the block's inputs.

        MobileNetV3 takes ``ratio`` of the expanded channels, in multiples of 8.
        """
        if self.head_after_pooling:
            return scale_channels(channels, ratio)
        return round(channels * (ratio / expansion))

    def _stem(self, width: float) -> int:
        return self.stem if self.fixed_stem else self._scale(self.stem, width)

    def _head(self, width: float) -> int:
        return self.head if self.fixed_head or not self.head else self._scale(self.head, width)
