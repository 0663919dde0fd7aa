"""Baselines of timm's constructors that are given the layers and channels of each stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from scalegrid.baselines.base import LayerRow, Layout, Origin, Run, usual_step
from scalegrid.baselines.construction import Call
from scalegrid.baselines.rounding import scale_channels, scale_layers, tidy, with_rule
from scalegrid.coefficients import DepthRounding, DepthRule, stage_depths

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import Self


@dataclass(frozen=True)
class StageBaseline(ABC):
    """Layers and channels of each of four stages; a family adds its rows and how it is built."""

    name: str
    layers: tuple[int, ...]
    widths: tuple[int, ...]
    resolution: int = 224
    brief_resolution: int = 36
    origin: Origin = "timm"
    depth_rounding: DepthRounding = "ceil"
    authors_rounding: DepthRounding | None = None
    kept_per_activation: float | None = None
    placement: float = 0.0

    total_stride: ClassVar[int] = 32
    resolution_step: ClassVar[int] = usual_step(total_stride)
    counting_device: ClassVar[str] = "meta"

    def rounded(self, rule: DepthRule, /) -> Self:
        """The same stages, their layers rounded by another rule."""
        return with_rule(self, rule)

    def placed(self, placement: float, /) -> Self:
        """The same stages, layers added to them by another rule."""
        return replace(self, placement=placement)

    def depths(self, depth: float) -> tuple[int, ...]:
        """Layers of each stage."""
        each = stage_depths(depth, self.placement, len(self.layers))
        pairs = zip(self.layers, each, strict=True)
        return tuple(scale_layers(n, d, self.depth_rounding) for n, d in pairs)

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of each stage, as the constructor takes them."""
        return tuple(scale_channels(c, width) for c in self.widths)

    def layout(self, depth: float, width: float) -> Layout:
        """Stem, stages, and head."""
        rows = list(self._body(self.depths(depth), self.channels(width)))
        return (*rows, self._head(rows[-1].channels))

    def known_layers(self, width: float, num_classes: int, in_chans: int = 3) -> list[Run] | None:
        """None: these networks are built and counted."""
        return None

    @abstractmethod
    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """The constructor, and what it is given."""

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """What the constructor returns."""
        call = self.construction(depth, width)
        model: nn.Module = call.make(num_classes=num_classes, in_chans=in_chans)
        return model

    @abstractmethod
    def _body(self, layers: tuple[int, ...], widths: tuple[int, ...]) -> Iterator[LayerRow]:
        """The rows of stem and stages."""

    def _head(self, channels: int) -> LayerRow:
        return LayerRow("Pooling & FC", 1, 1, channels, 1)


_STEM = 64
"""Channels of a stem that is not scaled."""


@dataclass(frozen=True)
class ResNetBaseline(StageBaseline):
    """A ResNet; ``bottleneck`` blocks have four times the channels of their stage as outputs."""

    bottleneck: bool = False

    @property
    def definition(self) -> Any:
        """The kind of block; the layer table says the rest."""
        return {"class": "ResNetBaseline", "bottleneck": self.bottleneck}

    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """A `timm.models.resnet.ResNet`, its stem widened with the first stage."""
        from timm.models.resnet import BasicBlock, Bottleneck

        from scalegrid.baselines.stemmed_resnet import StemmedResNet

        block = Bottleneck if self.bottleneck else BasicBlock
        layers, channels = self.depths(depth), self.channels(width)
        stem = _STEM if channels[0] == self.widths[0] else channels[0]
        settings = {"block": block, "layers": layers, "channels": channels, "stem": stem}
        return Call(StemmedResNet, settings=settings)

    def _body(self, layers: tuple[int, ...], widths: tuple[int, ...]) -> Iterator[LayerRow]:
        operator, expansion = ("Bottleneck", 4) if self.bottleneck else ("BasicBlock", 1)
        yield LayerRow("Conv & MaxPool", 7, 4, widths[0], 1)
        for stage, (n, channels) in enumerate(zip(layers, widths, strict=True)):
            yield LayerRow(operator, 3, 2 if stage else 1, channels * expansion, n)


@dataclass(frozen=True)
class ConvNeXtBaseline(StageBaseline):
    """A ConvNeXt; ``conv_mlp`` writes pointwise layers as 1×1 convolutions, as timm's small do."""

    conv_mlp: bool = False

    @property
    def definition(self) -> Any:
        """How pointwise layers are written; the layer table says the rest."""
        return {"class": "ConvNeXtBaseline", "conv_mlp": self.conv_mlp}

    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """A `timm.models.convnext.ConvNeXt`."""
        from timm.models.convnext import ConvNeXt

        settings = {
            "depths": self.depths(depth),
            "dims": self.channels(width),
            "conv_mlp": self.conv_mlp,
        }
        return Call(ConvNeXt, settings=settings)

    def _body(self, layers: tuple[int, ...], widths: tuple[int, ...]) -> Iterator[LayerRow]:
        """Before each stage a convolution: the patch stem, then downsampling layers."""
        for stage, (n, channels) in enumerate(zip(layers, widths, strict=True)):
            side = 2 if stage else 4
            yield LayerRow("Conv", side, side, channels, 1)
            yield LayerRow("ConvNeXtBlock", 7, 1, channels, n)


@dataclass(frozen=True)
class RegNetBaseline(StageBaseline):
    """A RegNet: its stages, and the group width of the convolutions of each.

    The other settings are those of ``key`` (default: the name) in `timm.models.regnet.model_cfgs`.
    """

    groups: tuple[int, ...] = ()
    key: str = ""

    depth_rounding: DepthRounding = "round"

    @cached_property
    def definition(self) -> Any:
        """The constructor's settings beside layers and channels."""
        rest = {key: str(value) for key, value in self._others.items()}
        return {"class": "RegNetBaseline", "groups": self.groups, **rest}

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of each stage."""
        stages = zip(self.widths, self.groups, strict=True)
        return tuple(self._scale(channels, tidy(width), group) for channels, group in stages)

    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """A `timm.models.regnet.RegNet`, given these stages instead of parameters for them."""
        from scalegrid.baselines.staged_regnet import StagedRegNet, StagedRegNetCfg

        stages = tuple(zip(self.depths(depth), self.channels(width), self.groups, strict=True))
        cfg = StagedRegNetCfg(**self._others, stages=stages)
        return Call(StagedRegNet, settings={"cfg": cfg})

    def _body(self, layers: tuple[int, ...], widths: tuple[int, ...]) -> Iterator[LayerRow]:
        operator = "SE-Bottleneck" if self._config.se_ratio else "Bottleneck"
        yield LayerRow("Conv", 3, 2, self._config.stem_width, 1)
        yield from (LayerRow(operator, 3, 2, c, n) for n, c in zip(layers, widths, strict=True))

    def _head(self, channels: int) -> LayerRow:
        if features := self._config.num_features:
            return LayerRow("Conv & Pooling & FC", 1, 1, features, 1)
        return super()._head(channels)

    @cached_property
    def _config(self) -> Any:
        from timm.models.regnet import model_cfgs

        return model_cfgs[self.key or self.name]

    @property
    def _others(self) -> dict[str, Any]:
        """The settings that say nothing of the stages."""
        unfolding = ("depth", "w0", "wa", "wm", "group_size", "group_min_ratio")
        return {k: value for k, value in vars(self._config).items() if k not in unfolding}

    def _scale(self, channels: int, width: float, group: int) -> int:
        """Multiples of 8, then as near as the group width of the bottleneck allows."""
        if width == 1:
            return channels
        ratio = self._config.bottle_ratio
        inner = 8 * max(1, round(channels * width / 8)) * ratio
        return max(channels, int(group * max(1, round(inner / group)) / ratio))


def regnet_of_timm(name: str, key: str, resolution: int) -> RegNetBaseline:
    """A RegNet with the stages that timm derives from the parameters of ``key``."""
    from timm.models.regnet import RegNet, model_cfgs

    stages_of: Any = RegNet._get_stage_args  # a method that needs no network
    stages, _ = stages_of(None, model_cfgs[key])
    layers, widths, groups = (
        tuple(stage[setting] for stage in stages) for setting in ("depth", "out_chs", "group_size")
    )
    return RegNetBaseline(name, layers, widths, resolution, groups=groups, key=key)
