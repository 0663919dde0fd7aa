"""ResNet-18 … 152 (He et al. 2016, arXiv 1512.03385, Table 1), with timm's stride in the 3×3.

Rule: layers of each stage are multiplied and rounded up, channels of stem and stages are multiplied
and rounded to multiples of 8. He et al. scale depth by hand and width not at all; this is the rule
of the EfficientNet paper, whose Table 3 it reproduces (see docs/agreement.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalegrid.baselines.base import Layout, Row
from scalegrid.baselines.stages import StageBaseline

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ResNetBaseline(StageBaseline):
    """``bottleneck`` blocks put out four times the channels of their stage."""

    bottleneck: bool = False

    @property
    def definition(self) -> Any:
        """The kind of block; the layer table says the rest."""
        return {"class": type(self).__name__, "bottleneck": self.bottleneck}

    def layout(self, depth: float, width: float) -> Layout:
        """Stem with its pooling, four stages, classifier."""
        layers, widths = self.depths(depth), self.channels(width)
        operator, expansion = ("Bottleneck", 4) if self.bottleneck else ("BasicBlock", 1)
        rows = [Row("Conv & MaxPool", 7, 4, widths[0], 1)]
        for i, (n, channels) in enumerate(zip(layers, widths, strict=True)):
            rows.append(Row(operator, 3, 2 if i else 1, channels * expansion, n))
        return (*rows, Row("Pooling & FC", 1, 1, rows[-1].channels, 1))

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """A `timm.models.resnet.ResNet`, its stem widened with the first stage."""
        from timm.models.resnet import BasicBlock, Bottleneck, ResNet

        widths = self.channels(width)
        block: Any = Bottleneck if self.bottleneck else BasicBlock
        model: nn.Module = ResNet(
            block, self.depths(depth), num_classes=num_classes, channels=widths
        )
        if widths[0] != self.widths[0]:
            _widen_stem(model, widths[0], self.bottleneck)
        return model


def _widen_stem(model: Any, channels: int, bottleneck: bool) -> None:
    """Give the stem ``channels``; timm's constructor knows a plain stem of 64 only."""
    from torch import nn

    model.conv1 = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
    model.bn1 = nn.BatchNorm2d(channels)
    first = model.layer1[0]
    if bottleneck:
        first.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        first.downsample[0] = nn.Conv2d(channels, 4 * channels, 1, bias=False)
    else:
        first.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        first.downsample = None
    model.init_weights()


_WIDTHS = (64, 128, 256, 512)

FAMILY = (
    ResNetBaseline("resnet18", (2, 2, 2, 2), _WIDTHS),
    ResNetBaseline("resnet34", (3, 4, 6, 3), _WIDTHS),
    ResNetBaseline("resnet50", (3, 4, 6, 3), _WIDTHS, bottleneck=True),
    ResNetBaseline("resnet101", (3, 4, 23, 3), _WIDTHS, bottleneck=True),
    ResNetBaseline("resnet152", (3, 8, 36, 3), _WIDTHS, bottleneck=True),
)
