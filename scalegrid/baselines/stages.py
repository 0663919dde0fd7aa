"""Baselines of timm's constructors that are given the layers and channels of each stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from scalegrid.baselines.base import LayerRow, Layout, Origin, Run, usual_step
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
    def _body(self, layers: tuple[int, ...], widths: tuple[int, ...]) -> Iterator[LayerRow]:
        """The rows of stem and stages."""

    def _head(self, channels: int) -> LayerRow:
        return LayerRow("Pooling & FC", 1, 1, channels, 1)


@dataclass(frozen=True)
class ResNetBaseline(StageBaseline):
    """A ResNet; ``bottleneck`` blocks have four times the channels of their stage as outputs."""

    bottleneck: bool = False

    @property
    def definition(self) -> Any:
        """The kind of block; the layer table says the rest."""
        return {"class": "ResNetBaseline", "bottleneck": self.bottleneck}

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """A `timm.models.resnet.ResNet`, its stem widened with the first stage."""
        from timm.models.resnet import BasicBlock, Bottleneck, ResNet

        widths = self.channels(width)
        block: Any = Bottleneck if self.bottleneck else BasicBlock
        model: nn.Module = ResNet(
            block,
            self.depths(depth),
            num_classes=num_classes,
            in_chans=in_chans,
            channels=widths,
        )
        if widths[0] != self.widths[0]:
            _widen_stem(model, in_chans, widths[0], self.bottleneck)
        return model

    def _body(self, layers: tuple[int, ...], widths: tuple[int, ...]) -> Iterator[LayerRow]:
        operator, expansion = ("Bottleneck", 4) if self.bottleneck else ("BasicBlock", 1)
        yield LayerRow("Conv & MaxPool", 7, 4, widths[0], 1)
        for stage, (n, channels) in enumerate(zip(layers, widths, strict=True)):
            yield LayerRow(operator, 3, 2 if stage else 1, channels * expansion, n)


def _widen_stem(model: Any, in_chans: int, channels: int, bottleneck: bool) -> None:
    """Give the stem ``channels``; timm's constructor has no other plain stem than one of 64."""
    from torch import nn

    model.conv1 = nn.Conv2d(in_chans, channels, 7, stride=2, padding=3, bias=False)
    model.bn1 = nn.BatchNorm2d(channels)
    first = model.layer1[0]
    if bottleneck:
        first.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        first.downsample[0] = nn.Conv2d(channels, 4 * channels, 1, bias=False)
    else:
        first.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        first.downsample = None
    model.init_weights()


@dataclass(frozen=True)
class ConvNeXtBaseline(StageBaseline):
    """A ConvNeXt; ``conv_mlp`` writes pointwise layers as 1×1 convolutions, as timm's small do."""

    conv_mlp: bool = False

    @property
    def definition(self) -> Any:
        """How pointwise layers are written; the layer table says the rest."""
        return {"class": "ConvNeXtBaseline", "conv_mlp": self.conv_mlp}

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """A `timm.models.convnext.ConvNeXt`."""
        from timm.models.convnext import ConvNeXt

        model: nn.Module = ConvNeXt(
            num_classes=num_classes,
            in_chans=in_chans,
            depths=self.depths(depth),
            dims=self.channels(width),
            conv_mlp=self.conv_mlp,
        )
        return model

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
        unfolding = ("depth", "w0", "wa", "wm", "group_size", "group_min_ratio")
        rest = {k: str(value) for k, value in vars(self._config).items() if k not in unfolding}
        return {"class": "RegNetBaseline", "groups": self.groups, **rest}

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of each stage."""
        stages = zip(self.widths, self.groups, strict=True)
        return tuple(self._scale(channels, tidy(width), group) for channels, group in stages)

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """A `timm.models.regnet.RegNet`, given these stages instead of parameters for them."""
        from timm.models.regnet import RegNet

        own = [
            {"depth": n, "out_chs": c, "group_size": group, "drop_path_rates": [0.0] * n}
            for n, c, group in zip(
                self.depths(depth), self.channels(width), self.groups, strict=True
            )
        ]

        class StagedRegNet(RegNet):
            def _get_stage_args(self, *args: Any, **kwargs: Any) -> Any:
                stages, common = super()._get_stage_args(*args, **kwargs)
                return [a | b for a, b in zip(stages, own, strict=True)], common

        return StagedRegNet(self._config, num_classes=num_classes, in_chans=in_chans)

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
